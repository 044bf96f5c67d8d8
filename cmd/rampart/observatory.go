package main

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An observed is what the Mozilla HTTP Observatory looks at: version 5 of its rules
// (github.com/mdn/mdn-http-observatory, src/grader and src/analyzer, read in December
// 2026; the words and the code are our own). What it knows of preloaded hosts is left
// out, as a response does not tell.
type observed struct {
	url      *url.URL       // of the last response
	answer   *answer        // to GET, redirects followed; https where there is some
	cookies  []*http.Cookie // of all responses on the way
	https    *answer        // nil: it is not served over https
	verified bool           // its certificate is one that clients take
	hops     []*url.URL     // of plain http: where it was asked, and where it led; empty: nothing listens there
	cors     *answer        // to GET with the origin corsOrigin
}

const corsOrigin = "https://http-observatory.security.mozilla.org"

// A point is one test: what it saw, and what that is worth.
type point struct {
	Test   string `json:"test"`
	Score  int    `json:"score"`
	Result string `json:"result"`
	Fix    string `json:"fix,omitempty"`
}

// points are those of all tests.
func (o *observed) points() []point {
	return []point{o.csp(), o.cookieFlags(), o.sharing(), o.redirection(), o.referrer(), o.hsts(), o.integrity(), o.nosniff(), o.framing(), o.resource(), o.embedder(), o.opener()}
}

// score adds up points: bonuses count from 90 on.
func score(points []point) (total int, grade string) {
	all, penalties := 100, 100
	for _, p := range points {
		all += p.Score
		penalties += min(p.Score, 0)
	}
	total = max(penalties, 0)
	if penalties >= 90 {
		total = all
	}
	grades := []string{"F", "F", "F", "F", "F", "D-", "D", "D", "D+", "C-", "C", "C", "C+", "B-", "B", "B", "B+", "A-", "A", "A", "A+"}
	return total, grades[min(total, 100)/5]
}

func (o *observed) header(name string) string { return o.answer.header.Get(name) }

// policy reads all policies of the response: what several say of a directive, each of
// them enforces. Of two of a name in one policy neither counts for the Observatory.
func (o *observed) policy() (directives map[string][]string, ok bool) {
	directives = map[string][]string{}
	for line := range strings.SplitSeq(strings.Join(o.answer.header.Values("Content-Security-Policy"), ","), ",") {
		seen := map[string]bool{}
		for part := range strings.SplitSeq(line, ";") {
			words := strings.Fields(strings.ToLower(part))
			if len(words) == 0 {
				continue
			}
			name, sources := words[0], words[1:]
			if seen[name] && name != "report-uri" && name != "report-to" {
				return nil, false
			}
			seen[name] = true
			if len(sources) == 0 && strings.HasSuffix(name, "-src") {
				sources = []string{"'none'"}
			}
			if before, again := directives[name]; again {
				sources = slices.DeleteFunc(slices.Clone(before), func(s string) bool { return !slices.Contains(sources, s) })
			}
			directives[name] = sources
		}
	}
	return directives, true
}

// broad are sources that anybody can serve from.
func broad(source string) bool {
	return slices.Contains([]string{"ftp:", "http:", "https:", "*", "http://*", "http://*.*", "https://*", "https://*.*"}, source)
}

func (o *observed) csp() point {
	p := point{Test: "Content-Security-Policy"}
	worth := func(score int, result, fix string) point {
		p.Score, p.Result, p.Fix = score, result, fix
		return p
	}
	d, ok := o.policy()
	switch {
	case !ok:
		return worth(-25, "a directive stands twice", "Write each directive once.")
	case len(d) == 0 && o.header("Content-Security-Policy-Report-Only") != "":
		return worth(-25, "it only reports", "Send an enforced policy: headers.New.")
	case len(d) == 0:
		return worth(-25, "missing", "Send one: headers.New.")
	}
	effective := func(name string) []string {
		for _, n := range []string{name, "default-src"} {
			if list, ok := d[n]; ok {
				return slices.Clone(list)
			}
		}
		return []string{"*"}
	}
	guarded := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, "'nonce-") || strings.HasPrefix(s, "'sha") })
	}
	inline := func(s string) bool { return broad(s) || s == "'unsafe-inline'" || s == "data:" }
	insecure := func(s string) bool { return strings.HasPrefix(s, "http:") || strings.HasPrefix(s, "ftp:") }
	script, style, object := effective("script-src"), effective("style-src"), effective("object-src")
	for _, list := range []*[]string{&script, &style} {
		if guarded(*list) {
			*list = slices.DeleteFunc(*list, func(s string) bool { return s == "'unsafe-inline'" })
		}
	}
	if slices.Contains(script, "'strict-dynamic'") {
		if !guarded(script) {
			return worth(-25, "'strict-dynamic' without a nonce or hash", "Add a nonce: headers.WithNonce.")
		}
		script = slices.DeleteFunc(script, func(s string) bool { return s == "'self'" || insecure(s) || strings.HasPrefix(s, "https:") || s == "*" })
	}
	active := slices.Clone(script)
	for name, list := range d {
		if name != "img-src" && name != "media-src" && name != "script-src" {
			active = append(active, list...)
		}
	}
	secure := o.url.Scheme == "https"
	switch {
	case slices.ContainsFunc(script, inline), slices.ContainsFunc(object, broad):
		return worth(-20, "scripts or plugins may be inline, or from anywhere", "Take 'unsafe-inline', data: and broad sources out of script-src and object-src.")
	case secure && slices.ContainsFunc(active, insecure):
		return worth(-20, "content may come over plain http", "Take http: sources out.")
	case slices.Contains(script, "'unsafe-eval'"), slices.Contains(style, "'unsafe-eval'"):
		return worth(-10, "'unsafe-eval'", "Stop using eval, then take it out.")
	case secure && (slices.ContainsFunc(effective("img-src"), insecure) || slices.ContainsFunc(effective("media-src"), insecure)):
		return worth(-10, "images or media may come over plain http", "Take http: sources out.")
	case slices.ContainsFunc(style, inline):
		return worth(0, "styles may be inline, or from anywhere", "Take 'unsafe-inline' out of style-src.")
	case slices.Equal(d["default-src"], []string{"'none'"}):
		return worth(10, "nothing unsafe, default-src 'none'", "")
	default:
		return worth(5, "nothing unsafe", "Set default-src to 'none'.")
	}
}

// kept reports whether HSTS keeps the host from being asked over plain http.
func (o *observed) kept() bool { return o.hsts().Score >= 0 }

func (o *observed) cookieFlags() point {
	p := point{Test: "Cookies", Result: "there are none"}
	if len(o.cookies) == 0 {
		return p
	}
	p.Score, p.Result = 5, "Secure; sessions are HttpOnly, and SameSite is set"
	worse := func(score int, result, fix string) {
		if score < p.Score {
			p.Score, p.Result, p.Fix = score, result, fix
		}
	}
	for _, c := range o.cookies {
		name := strings.ToLower(c.Name)
		session := strings.Contains(name, "login") || strings.Contains(name, "sess")
		if !c.Secure {
			switch {
			case session && o.kept():
				worse(-10, "a session is not Secure, and only HSTS protects it", "Set Secure: headers.Config.Cookies.")
			case session:
				worse(-40, "a session is not Secure", "Set Secure: headers.Config.Cookies.")
			case o.kept():
				worse(-5, "a cookie is not Secure, and only HSTS protects it", "Set Secure: headers.Config.Cookies.")
			default:
				worse(-20, "a cookie is not Secure", "Set Secure: headers.Config.Cookies.")
			}
		}
		if session && !c.HttpOnly {
			worse(-30, "scripts can read a session", "Set HttpOnly: headers.Config.Cookies.")
		}
		switch {
		case c.SameSite == http.SameSiteDefaultMode && strings.Contains(strings.ToLower(c.Raw), "samesite"), c.SameSite == http.SameSiteNoneMode && !c.Secure:
			worse(-20, "SameSite has a wrong value", "Set SameSite to Lax or Strict.")
		case c.SameSite == 0 && strings.Contains(name, "csrf"):
			worse(-20, "a token against forged requests has no SameSite", "Set SameSite to Lax or Strict.")
		case c.SameSite == 0:
			worse(0, "Secure; sessions are HttpOnly", "Set SameSite to Lax or Strict.")
		}
	}
	return p
}

func (o *observed) sharing() point {
	p := point{Test: "CORS", Result: "answers are not shared"}
	if o.cors == nil {
		return p
	}
	switch allowed := strings.TrimSpace(o.cors.header.Get("Access-Control-Allow-Origin")); {
	case allowed == "":
	case allowed == "*":
		p.Result = "shared with every origin, without credentials"
	case allowed == corsOrigin && strings.EqualFold(strings.TrimSpace(o.cors.header.Get("Access-Control-Allow-Credentials")), "true"):
		p.Score, p.Result, p.Fix = -50, "shared with every origin, with credentials", "List the origins: cors.New."
	default:
		p.Result = "shared with listed origins"
	}
	return p
}

func (o *observed) redirection() point {
	p := point{Test: "Redirection", Result: "nobody answers over plain http"}
	switch {
	case len(o.hops) == 0:
	case len(o.hops) == 1:
		p.Score, p.Result, p.Fix = -20, "plain http is served", "Redirect to https: headers.New."
	case o.hops[len(o.hops)-1].Scheme != "https":
		p.Score, p.Result, p.Fix = -20, "it ends at plain http", "Redirect to https: headers.New."
	case o.hops[1].Scheme != "https":
		p.Score, p.Result, p.Fix = -10, "the first redirect is to plain http", "Redirect to https on the same host first."
	case o.hops[0].Hostname() != o.hops[1].Hostname():
		p.Score, p.Result, p.Fix = -5, "the first redirect is to another host", "Redirect to https on the same host first, so that HSTS holds for it."
	default:
		p.Result = "to https on the same host"
	}
	return p
}

func (o *observed) referrer() point {
	p := point{Test: "Referrer-Policy", Result: "missing", Fix: "Send one: headers.New."}
	policy := ""
	for part := range strings.SplitSeq(strings.Join(o.answer.header.Values("Referrer-Policy"), ","), ",") {
		switch part = strings.ToLower(strings.TrimSpace(part)); part {
		case "no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin", "origin", "origin-when-cross-origin", "unsafe-url", "no-referrer-when-downgrade":
			policy = part // the last that is known counts (Referrer Policy section 11.1)
		}
	}
	switch {
	case len(o.answer.header.Values("Referrer-Policy")) == 0:
	case policy == "":
		p.Score, p.Result = -5, "unknown"
	case slices.Contains([]string{"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}, policy):
		p.Score, p.Result, p.Fix = 5, policy, ""
	default:
		p.Score, p.Result = -5, policy+" tells other origins too much"
	}
	return p
}

func (o *observed) hsts() point {
	p := point{Test: "Strict-Transport-Security", Score: -20, Fix: "Send one of half a year or more: headers.New."}
	if o.https == nil {
		p.Result = "the site has no https"
		return p
	}
	if !o.verified {
		p.Result, p.Fix = "the certificate is not valid", "Get one that is."
		return p
	}
	lines := o.https.header.Values("Strict-Transport-Security")
	if len(lines) == 0 {
		p.Result = "missing"
		return p
	}
	age := -1
	for part := range strings.SplitSeq(strings.ToLower(lines[0]), ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(part), "max-age="); ok {
			if n, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil {
				age = n
			}
		}
	}
	switch {
	case age < 0 || strings.Contains(lines[0], ","):
		p.Result = "it cannot be read"
	case age < 15552000:
		p.Score, p.Result = -10, "less than half a year"
	default:
		p.Score, p.Result, p.Fix = 0, "half a year or more", ""
	}
	return p
}

var (
	scriptTag = regexp.MustCompile(`(?is)<script\b([^>]*)>`)                                           // read-only
	tagValue  = regexp.MustCompile(`(?is)\b(src|integrity)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`) // read-only
)

// integrity looks at the scripts of a page.
func (o *observed) integrity() point {
	p := point{Test: "Subresource integrity", Result: "it is no page"}
	kind, _, _ := strings.Cut(o.header("Content-Type"), ";")
	if kind != "" && kind != "text/html" && kind != "application/xhtml+xml" {
		return p
	}
	tags := scriptTag.FindAllSubmatch(o.answer.page, 1000)
	if p.Result = "there are no scripts"; len(tags) == 0 {
		return p
	}
	p.Result = "all scripts are the site's own"
	foreign, worst := false, 5
	for _, tag := range tags {
		src, hash := "", ""
		for _, m := range tagValue.FindAllSubmatch(tag[1], 10) {
			value := string(m[2]) + string(m[3]) + string(m[4])
			if strings.EqualFold(string(m[1]), "src") {
				src = value
			} else {
				hash = value
			}
		}
		to, err := o.url.Parse(src)
		if src == "" || err != nil {
			continue
		}
		if to.Hostname() == o.url.Hostname() && !strings.HasPrefix(src, "//") {
			if hash != "" && to.Scheme == "https" && !foreign && worst == 5 {
				p.Score, p.Result = 5, "scripts have a hash"
			}
			continue
		}
		foreign = true
		secure := to.Scheme == "https" && !strings.HasPrefix(src, "//")
		switch {
		case hash != "" && !secure:
			worst = min(worst, -20)
		case hash == "" && secure:
			worst = min(worst, -5)
		case hash == "":
			worst = min(worst, -50)
		}
	}
	if foreign {
		p.Score = worst
		p.Result = map[int]string{5: "scripts of others have a hash", -5: "scripts of others have no hash", -20: "scripts of others may come over plain http", -50: "scripts of others have no hash, and may come over plain http"}[worst]
		if worst < 0 {
			p.Fix = "Add integrity, and load scripts over https."
		}
	}
	return p
}

func (o *observed) nosniff() point {
	if strings.EqualFold(strings.TrimSpace(o.header("X-Content-Type-Options")), "nosniff") {
		return point{Test: "X-Content-Type-Options", Result: "nosniff"}
	}
	return point{Test: "X-Content-Type-Options", Score: -5, Result: "missing or wrong", Fix: "Send nosniff: headers.New."}
}

func (o *observed) framing() point {
	p := point{Test: "Framing"}
	value := strings.ToLower(strings.TrimSpace(o.header("X-Frame-Options")))
	d, _ := o.policy()
	switch {
	case d["frame-ancestors"] != nil:
		p.Score, p.Result = 5, "frame-ancestors"
	case value == "deny", value == "sameorigin":
		p.Score, p.Result = 5, "X-Frame-Options: "+value
	case strings.HasPrefix(value, "allow-from"):
		p.Result, p.Fix = "ALLOW-FROM, which browsers ignore", "Use frame-ancestors."
	default:
		p.Score, p.Result, p.Fix = -20, "any page may frame it", "Send X-Frame-Options or frame-ancestors: headers.New."
	}
	return p
}

// among is worth 10 for the values that protect, and costs 5 for those that nobody knows.
func (o *observed) among(name string, good []string, neutral string) point {
	p := point{Test: name, Result: "missing"}
	lines := o.answer.header.Values(name)
	if len(lines) == 0 {
		return p
	}
	value, _, _ := strings.Cut(strings.Join(lines, ", "), ";") // parameters, such as report-to
	switch value = strings.ToLower(strings.TrimSpace(value)); {
	case slices.Contains(good, value):
		p.Score, p.Result = 10, value
	case value == neutral:
		p.Result = value
	default:
		p.Score, p.Result, p.Fix = -5, "it cannot be read", "Send a value that browsers know: headers.New."
	}
	return p
}

func (o *observed) resource() point {
	return o.among("Cross-Origin-Resource-Policy", []string{"same-origin", "same-site"}, "cross-origin")
}

func (o *observed) embedder() point {
	return o.among("Cross-Origin-Embedder-Policy", []string{"require-corp", "credentialless"}, "unsafe-none")
}

func (o *observed) opener() point {
	return o.among("Cross-Origin-Opener-Policy", []string{"same-origin", "same-origin-allow-popups", "noopener-allow-popups"}, "unsafe-none")
}
