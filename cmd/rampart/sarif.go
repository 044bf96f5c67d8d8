package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/attack"
)

// What SARIF 2.1.0 has of it.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Version        string      `json:"version"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string         `json:"id"`
		ShortDescription sarifText      `json:"shortDescription"`
		Help             sarifText      `json:"help"`
		DefaultConfig    sarifConfig    `json:"defaultConfiguration"`
		Properties       map[string]any `json:"properties"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifInvocation struct {
		Successful bool           `json:"executionSuccessful"`
		Started    string         `json:"startTimeUtc"`
		Notes      []sarifMessage `json:"toolExecutionNotifications,omitempty"`
	}
	sarifMessage struct {
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		WebRequest   *sarifWebRequest   `json:"webRequest,omitempty"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region struct {
				StartLine int `json:"startLine"`
			} `json:"region"`
		} `json:"physicalLocation"`
	}
	sarifWebRequest struct {
		Protocol string `json:"protocol"`
		Version  string `json:"version"`
		Target   string `json:"target"`
		Method   string `json:"method"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
)

// writeSARIF writes a log of SARIF 2.1.0. A place is a URL: there is no file to name.
func writeSARIF(out io.Writer, r *report, _ painter) error {
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "rampart attack", InformationURI: "https://github.com/ecolaura/rampart", Version: version(), Rules: []sarifRule{}}
	index := map[string]int{}
	for i, w := range r.Weaknesses {
		index[w.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule(w))
	}
	notes := slices.Clone(r.Notes)
	if r.Incomplete != nil {
		notes = append(notes, r.Incomplete.Error())
	}
	invocation := sarifInvocation{Successful: r.Incomplete == nil, Started: r.Began.UTC().Format("2006-01-02T15:04:05.000Z")}
	for _, note := range notes {
		invocation.Notes = append(invocation.Notes, sarifMessage{sarifText{plain(note)}})
	}
	run.Invocations = []sarifInvocation{invocation}
	for _, f := range r.Findings {
		run.Results = append(run.Results, r.result(f, index))
	}
	for _, a := range r.Accepted {
		result := r.result(a.Finding, index)
		result.Suppressions = []sarifSuppression{{"external", clean(valid(a.reason))}}
		run.Results = append(run.Results, result)
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// rule is a weakness, with what GitHub sorts by.
func rule(w attack.Weakness) sarifRule {
	tags := []string{"security", w.Top10}
	if n, ok := strings.CutPrefix(w.CWE, "CWE-"); ok {
		tags = append(tags, "external/cwe/cwe-"+n)
	}
	help := w.Fix
	if p := packageOf(w); p != "" {
		help += " Package: " + p + "."
	}
	score := map[attack.Severity]string{attack.Low: "3.0", attack.Medium: "5.5", attack.High: "8.0", attack.Critical: "9.5"}[w.Severity]
	return sarifRule{
		ID: w.ID, ShortDescription: sarifText{w.Title + "."}, Help: sarifText{help}, DefaultConfig: sarifConfig{level(w.Severity)},
		Properties: map[string]any{"tags": tags, "security-severity": score},
	}
}

func level(s attack.Severity) string {
	switch s {
	case attack.Low:
		return "note"
	case attack.Medium:
		return "warning"
	default:
		return "error"
	}
}

func (r *report) result(f attack.Finding, index map[string]int) sarifResult {
	result := sarifResult{RuleID: f.ID, RuleIndex: index[f.ID], Level: level(f.Severity)}
	text := f.Title + ". " + strings.TrimSpace(f.Method+" "+f.Path) + ": " + f.Detail
	if f.Request != "" {
		text += "\n\n" + curl(r.Origin, f.Request)
	}
	result.Message = sarifText{plain(text)}
	var at sarifLocation
	at.Physical.Artifact.URI = r.Origin + (&url.URL{Path: "/" + strings.TrimLeft(valid(f.Path), "/")}).EscapedPath()
	at.Physical.Region.StartLine = 1
	result.Locations = []sarifLocation{at}
	sum := sha256.Sum256([]byte(strings.Join([]string{f.ID, f.Layer, f.Method, f.Path}, "\x00")))
	result.Fingerprints = map[string]string{"rampart/v1": hex.EncodeToString(sum[:16])}
	if f.Method != "" {
		result.WebRequest = &sarifWebRequest{"HTTP", "1.1", at.Physical.Artifact.URI, valid(f.Method)}
	}
	return result
}

// plain is a text without links and placeholders: in a message of SARIF brackets make
// a link and braces an argument (sections 3.11.5, 3.11.6).
func plain(s string) string {
	return strings.NewReplacer("[", `\[`, "]", `\]`, "{", "{{", "}", "}}").Replace(clean(valid(s)))
}
