package headers

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// A ReportsConfig configures a [Reports]. The zero value is a safe default.
type ReportsConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// MaxBody is how many bytes a request may have; 0 means 256 KiB.
	MaxBody int

	// MaxReports is how many reports of one request are filed; those after them
	// are dropped. 0 means 100, which is how many Chromium keeps for a page.
	MaxReports int

	// KeepNoise also files what extensions of a browser cause (chrome-extension:,
	// moz-extension:, about: and the like), which no change of a site can mend.
	KeepNoise bool

	// Samples also logs the first characters of the code that was blocked, which
	// the browser sends for ReportSample: a page may have secrets in its code.
	Samples bool

	// Logger receives the events browser_csp_violation, browser_policy_violation,
	// browser_fault, browser_notice and input_validation_fail; nil means
	// [slog.Default].
	Logger *slog.Logger
}

// Reports is a handler that collects what browsers report: of a Content
// Security Policy (report-uri and report-to), and everything else of the
// Reporting API. Each report becomes an event; repeats are folded.
//
//	reports, err := headers.NewReports(headers.ReportsConfig{})
//	mux.Handle("/reports", reports)
//	cfg.ReportingEndpoints = map[string]string{"main": "/reports", "default": "/reports"}
//	cfg.CSP.ReportTo, cfg.CSP.ReportURI = "main", []string{"/reports"}
//
// It takes POST only, and responds with 204 without a body. Anybody can send what they
// like: believe no report, and put a limit of package throttle around it. Of a
// URL it logs the scheme, the host and the path, since the rest may hold secrets;
// of one that is not http or https, the scheme.
//
// For pages of other origins it stands behind package cors with their origins,
// the method POST and the header Content-Type: the Reporting API asks with a
// preflight first. Reports by report-uri need none. A [CSRF] around it has to
// exempt the path then.
//
// Reports is safe for concurrent use. The zero value responds with 503. Create one
// with [NewReports].
type Reports struct {
	cfg      ReportsConfig
	reporter *rampart.Reporter
}

// NewReports returns a Reports that behaves as cfg says, or every mistake in
// cfg, each a [*rampart.ConfigError], joined.
func NewReports(cfg ReportsConfig) (*Reports, error) {
	bad := conferr.For("headers.ReportsConfig")
	bad.If(cfg.MaxBody < 0 || cfg.MaxBody > 1<<24, "MaxBody", rampart.ReasonInvalid, cfg.MaxBody, "use 1 to 16777216 bytes; 0 means 256 KiB")
	bad.If(cfg.MaxReports < 0 || cfg.MaxReports > 10_000, "MaxReports", rampart.ReasonInvalid, cfg.MaxReports, "use 1 to 10000 reports; 0 means 100")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 256 << 10
	}
	if cfg.MaxReports == 0 {
		cfg.MaxReports = 100
	}
	return &Reports{cfg: cfg, reporter: rampart.NewReporter(cfg.Logger, "headers")}, nil
}

// Media types of reports.
const (
	mediaCSPReport = "application/csp-report"   // CSP Level 3 section 5.3, of report-uri
	mediaReports   = "application/reports+json" // Reporting API section 3.4
)

// ServeHTTP implements [http.Handler].
func (c *Reports) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(cacheHeader, "no-store")
	switch {
	case c.reporter == nil:
		(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "unset"}).Write(w)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		(&rampart.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"}).Write(w)
		return
	}
	limits := strictjson.Small(c.cfg.MaxBody, mediaCSPReport, mediaReports)
	body, media, problem := limits.Read(w, r, nil)
	if problem == nil {
		rd := reportReader{most: c.cfg.MaxReports}
		rd.json.Start(body, limits)
		rd.read(media)
		if problem = rd.json.Problem(); problem == nil && rd.misshapen {
			problem = strictjson.Misshapen.Problem()
		}
		if problem == nil {
			for i := range rd.found {
				c.file(r, &rd.found[i])
			}
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	c.reporter.Refused(r, rampart.InputValidationFail, "", rampart.Text("code", problem.Code))
	problem.Errors = nil // they name members that the client chose
	problem.Write(w)
}

// file reports one report under what is alike in all that one mistake causes,
// on whichever page.
func (c *Reports) file(r *http.Request, rep *report) {
	if !c.cfg.KeepNoise && rep.isNoise() {
		return
	}
	if !c.cfg.Samples {
		rep.sample = ""
	}
	key := strings.Join([]string{rep.kind, rep.directive, rep.blocked, rep.source, rep.detail, rep.disposition}, "\x00")
	event := rampart.BrowserNotice
	switch rep.kind {
	case kindCSP:
		event = rampart.BrowserCSPViolation
	case "permissions-policy-violation", "potential-permissions-policy-violation", "document-policy-violation", "integrity-violation", "coep", "coop":
		event = rampart.BrowserPolicyViolation
	case "crash", "network-error":
		event = rampart.BrowserFault
	}
	c.reporter.Report(r.Context(), event, key, rep.attrs()...)
}

const kindCSP = "csp-violation"

// A report is what is kept of one. Every text is clean and short.
type report struct {
	kind, document, directive, blocked, source, detail, disposition, sample string

	line int
}

// attrs returns what the report says, without what it leaves open.
func (rep *report) attrs() []slog.Attr {
	all := []slog.Attr{
		rampart.Text("kind", rep.kind), rampart.Text("document", rep.document), rampart.Text("directive", rep.directive), rampart.Text("blocked", rep.blocked),
		rampart.Text("source", rep.source), rampart.Text("detail", rep.detail), rampart.Text("disposition", rep.disposition), rampart.Text("sample", rep.sample),
	}
	kept := all[:0]
	for _, a := range all {
		if a.Value.String() != "" {
			kept = append(kept, a)
		}
	}
	if rep.line > 0 {
		kept = append(kept, slog.Int("line", rep.line))
	}
	return kept
}

// isNoise reports whether an extension, or an empty frame, has caused the report.
// The document alone may be about:srcdoc, which is a part of the site's page.
func (rep *report) isNoise() bool {
	for _, s := range []string{rep.blocked, rep.source, rep.document} {
		if strings.HasSuffix(strings.TrimSuffix(s, ":"), "-extension") {
			return true
		}
	}
	return strings.TrimSuffix(rep.blocked, ":") == "about" || strings.TrimSuffix(rep.source, ":") == "about"
}

// A reportReader reads the reports of one body.
type reportReader struct {
	json      strictjson.Reader
	most      int
	found     []report
	misshapen bool // it is JSON, but neither a report nor a list
}

func (rd *reportReader) read(media string) {
	switch kind := rd.json.Peek(); {
	case kind == '{' && media == mediaCSPReport:
		rd.misshapen = true
		rd.object(func(name string) {
			if name != "csp-report" {
				rd.json.Skip()
				return
			}
			rd.misshapen = false
			rep := report{kind: kindCSP}
			rd.body(&rep)
			rd.found = append(rd.found, rep)
		})
	case kind == '{': // some browsers send one without a list around it
		rd.one()
	case kind == '[' && media == mediaReports:
		rd.json.Bracket()
		for rd.json.More() {
			rd.one()
		}
		rd.json.Bracket()
	default:
		rd.misshapen = true
		rd.json.Skip()
	}
	rd.json.End()
}

// one reads a report of the Reporting API. What is over the bound is read and
// dropped: a browser would send all of them again if the response were a refusal.
func (rd *reportReader) one() {
	if len(rd.found) == rd.most {
		rd.json.Skip()
		return
	}
	rep, url := report{}, ""
	rd.object(func(name string) {
		switch name {
		case "type":
			rep.kind = rd.word()
		case "url":
			url = cleanURL(rd.text())
		case "body":
			rd.body(&rep)
		default:
			rd.json.Skip()
		}
	})
	if rep.document == "" {
		rep.document = url
	}
	if rep.kind != "" {
		rd.found = append(rd.found, rep)
	}
}

// body reads what one report is about. Messages and stacks are left out: they are
// free text, and may hold a URL with its query.
func (rd *reportReader) body(rep *report) {
	kindOf := "" // what is read only where nothing better is there
	rd.object(func(name string) {
		switch name {
		case "document-uri", "documentURL":
			rep.document = cleanURL(rd.text())
		case "effective-directive", "effectiveDirective":
			rep.directive = rd.word()
		case "violated-directive": // of old browsers: with its sources
			if directive, _, _ := strings.Cut(rd.word(), " "); rep.directive == "" {
				rep.directive = directive
			}
		case "blocked-uri", "blockedURL", "subresourceURL":
			rep.blocked = cleanURL(rd.text())
		case "source-file", "sourceFile":
			rep.source = cleanURL(rd.text())
		case "line-number", "lineNumber":
			rep.line, _ = strconv.Atoi(string(rd.number()))
		case "script-sample", "sample":
			rep.sample = rd.word()
		case "disposition":
			rep.disposition = rd.word()
		case "id", "policyId", "featureId", "reason", "hash":
			rep.detail = rd.word()
		case "type":
			kindOf = rd.word()
		default:
			rd.json.Skip()
		}
	})
	if rep.detail == "" {
		rep.detail = kindOf
	}
}

// object calls member after each name in an object; it reads the value. Anything
// else than an object is skipped.
func (rd *reportReader) object(member func(name string)) {
	if rd.json.Peek() != '{' {
		rd.json.Skip()
		return
	}
	rd.json.Bracket()
	for rd.json.More() {
		member(string(rd.json.Name()))
	}
	rd.json.Bracket()
}

// text reads a string, or skips any other value.
func (rd *reportReader) text() string {
	if rd.json.Peek() != '"' {
		rd.json.Skip()
		return ""
	}
	return string(strictjson.Unquote(rd.json.Scalar()))
}

// word is [reportReader.text], cut to what is kept.
func (rd *reportReader) word() string { return short(rd.text()) }

// short returns at most 512 bytes of s, which keep no longer text in memory.
func short(s string) string { return strings.Clone(s[:min(len(s), 512)]) }

// number reads a number, or skips any other value.
func (rd *reportReader) number() []byte {
	if rd.json.Peek() != '0' {
		rd.json.Skip()
		return nil
	}
	return rd.json.Scalar()
}

// cleanURL returns the scheme, host and path of an http or https URL, the scheme
// of any other, and a keyword such as "inline" as it is. Old browsers write the
// scheme of an extension without its colon.
func cleanURL(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	scheme, rest, ok := strings.Cut(s, ":")
	lower := strings.ToLower(scheme)
	switch {
	case !ok && isKeywordOfReport(s):
		return s
	case !ok || !isScheme(scheme):
		return "unreadable"
	case lower != "http" && lower != "https" && lower != "ws" && lower != "wss":
		return short(lower + ":")
	}
	rest = strings.TrimLeft(rest, `/\`)
	end := strings.IndexAny(rest, `/\`)
	if end < 0 {
		end = len(rest)
	}
	host := rest[:end]
	return short(lower + "://" + host[strings.LastIndexByte(host, '@')+1:] + rest[end:])
}

// isKeywordOfReport reports whether s is one word, such as "inline", or "".
func isKeywordOfReport(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' {
			return false
		}
	}
	return len(s) <= 64
}
