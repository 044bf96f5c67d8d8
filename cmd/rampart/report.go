package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ecolaura/rampart/attack"
)

// A report is what an attack found.
type report struct {
	Target     string
	Origin     string // scheme and host of it
	Began      time.Time
	Took       time.Duration
	Weaknesses []attack.Weakness // that were looked for
	Findings   []attack.Finding
	Accepted   []accepted
	Notes      []string
	Incomplete error // why not all was looked at; nil: all was
}

// An accepted is a finding that the baseline covers.
type accepted struct {
	attack.Finding
	reason string
}

// packageOf is the package of ours that stops a weakness; "" if none can.
func packageOf(w attack.Weakness) string {
	const root = "github.com/ecolaura/rampart"
	for _, known := range attack.Weaknesses() {
		if known.ID != w.ID {
			continue
		}
		switch known.Layer {
		case "application":
			return ""
		case "events":
			return root
		case "clientip", "requestid", "server":
			return root + "/server"
		case "ipfilter":
			return root + "/throttle/ipfilter"
		default:
			return root + "/" + known.Layer
		}
	}
	return ""
}

func (r *report) summary() string {
	kinds := map[string]bool{}
	for _, f := range r.Findings {
		kinds[f.ID] = true
	}
	s := fmt.Sprintf("%s in %s", plural(len(kinds), "weakness", "weaknesses"), plural(len(r.Findings), "place", "places"))
	if len(r.Findings) == 0 {
		s = "no weakness found"
	}
	if len(r.Accepted) > 0 {
		s += ", " + plural(len(r.Accepted), "finding", "findings") + " accepted"
	}
	return fmt.Sprintf("%s: %s, %s", r.Target, s, r.Took.Round(100*time.Millisecond))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// writeText is for a terminal: each weakness, below it the places.
func writeText(out io.Writer, r *report, p painter) error {
	var b strings.Builder
	last := ""
	for _, f := range r.Findings {
		if f.ID != last {
			last = f.ID
			colour := yellow
			if f.Severity >= attack.High {
				colour = red
			}
			about := strings.Join(notEmpty(f.CWE, f.Top10), ", ")
			fmt.Fprintf(&b, "%s %s [%s] (%s)\n", p.paint(colour, strings.ToUpper(f.Severity.String())), p.paint(bold, f.Title), f.ID, about)
			fmt.Fprintf(&b, "  fix: %s\n", f.Fix)
		}
		fmt.Fprintf(&b, "  %s\n", clean(oneLine(strings.TrimSpace(f.Method+" "+f.Path+": "+f.Detail))))
		if f.Request != "" {
			fmt.Fprintf(&b, "    %s\n", clean(curl(r.Origin, f.Request)))
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", clean(note))
	}
	if r.Incomplete != nil {
		fmt.Fprintf(&b, "not all was looked at: %s\n", clean(r.Incomplete.Error()))
	}
	colour := green
	if len(r.Findings) > 0 {
		colour = red
	}
	fmt.Fprintln(&b, p.paint(colour, clean(r.summary())))
	_, err := io.WriteString(out, b.String())
	return err
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func notEmpty(all ...string) (out []string) {
	for _, s := range all {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// inert is a text that Markdown shows as it is.
func inert(s string) string {
	var b strings.Builder
	for _, r := range clean(oneLine(s)) {
		if strings.ContainsRune("\\`*_{}[]<>()#+-.!|~&@:", r) {
			fmt.Fprintf(&b, "&#%d;", r) // a character reference means nothing but itself (CommonMark section 2.5)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// fenced is a block of code that its text cannot end.
func fenced(s string) string {
	s = clean(s)
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	return fence + "\n" + s + "\n" + fence + "\n"
}

// writeMarkdown is for a comment or a page.
func writeMarkdown(out io.Writer, r *report, _ painter) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# rampart attack\n\n%s\n", inert(r.summary()))
	if r.Incomplete != nil {
		fmt.Fprintf(&b, "\nNot all was looked at: %s\n", inert(r.Incomplete.Error()))
	}
	last := ""
	for _, f := range r.Findings {
		if f.ID != last {
			last = f.ID
			fmt.Fprintf(&b, "\n## %s\n\n%s, `%s`", f.Title, f.Severity, f.ID)
			for _, s := range notEmpty(f.CWE, f.Top10) {
				fmt.Fprintf(&b, ", %s", s)
			}
			fmt.Fprintf(&b, ". %s", inert(f.Fix))
			if p := packageOf(f.Weakness); p != "" {
				fmt.Fprintf(&b, " Package: `%s`.", p)
			}
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "\n- %s: %s\n", inert(strings.TrimSpace(f.Method+" "+f.Path)), inert(f.Detail))
		if f.Request != "" {
			b.WriteString("\n" + fenced(curl(r.Origin, f.Request)))
		}
	}
	if len(r.Accepted) > 0 {
		b.WriteString("\n## Accepted\n\n")
		for _, a := range r.Accepted {
			fmt.Fprintf(&b, "- %s, %s: %s\n", a.ID, inert(a.Method+" "+a.Path), inert(a.reason))
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "\nNote: %s\n", inert(note))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// A jsonFinding is a finding for programs.
type jsonFinding struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Severity string `json:"severity"`
	CWE      string `json:"cwe,omitempty"`
	OWASP    string `json:"owasp"`
	Layer    string `json:"layer"`
	Package  string `json:"package,omitempty"`
	Fix      string `json:"fix"`
	Method   string `json:"method,omitempty"`
	Path     string `json:"path,omitempty"`
	Detail   string `json:"detail"`
	Request  string `json:"request,omitempty"`
	Curl     string `json:"curl,omitempty"`
	Accepted string `json:"accepted,omitempty"` // why
}

func (r *report) entry(f attack.Finding, reason string) jsonFinding {
	e := jsonFinding{
		ID: f.ID, Title: f.Title, Severity: f.Severity.String(), CWE: f.CWE, OWASP: f.Top10, Layer: f.Layer, Package: packageOf(f.Weakness), Fix: f.Fix,
		Method: valid(f.Method), Path: valid(f.Path), Detail: valid(f.Detail), Request: valid(f.Request), Accepted: reason,
	}
	if f.Request != "" {
		e.Curl = valid(curl(r.Origin, f.Request))
	}
	return e
}

// valid is a text in UTF-8.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func writeJSON(out io.Writer, r *report, _ painter) error {
	doc := struct {
		Target     string        `json:"target"`
		Began      time.Time     `json:"began"`
		Seconds    float64       `json:"seconds"`
		Incomplete string        `json:"incomplete,omitempty"`
		Notes      []string      `json:"notes,omitempty"`
		Findings   []jsonFinding `json:"findings"`
		Accepted   []jsonFinding `json:"accepted,omitempty"`
	}{Target: r.Target, Began: r.Began.UTC(), Seconds: r.Took.Seconds(), Notes: r.Notes, Findings: []jsonFinding{}}
	if r.Incomplete != nil {
		doc.Incomplete = r.Incomplete.Error()
	}
	for _, f := range r.Findings {
		doc.Findings = append(doc.Findings, r.entry(f, ""))
	}
	for _, a := range r.Accepted {
		doc.Accepted = append(doc.Accepted, r.entry(a.Finding, a.reason))
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}
