package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// What the XML of JUnit has of it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
		Error   *junitMessage `xml:"error,omitempty"`
		Failure *junitMessage `xml:"failure,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes a case for each weakness: it fails where there is one.
func writeJUnit(out io.Writer, r *report, _ painter) error {
	took := fmt.Sprintf("%.3f", r.Took.Seconds())
	suite := junitSuite{Name: valid(r.Target), Time: took, Timestamp: r.Began.UTC().Format("2006-01-02T15:04:05")}
	for _, w := range r.Weaknesses {
		c := junitCase{Name: w.Title, Class: "rampart." + w.ID, Time: "0"}
		var places []string
		for _, f := range r.Findings {
			if f.ID == w.ID {
				places = append(places, clean(strings.TrimSpace(f.Method+" "+f.Path+": "+f.Detail)))
				if f.Request != "" {
					places = append(places, clean(curl(r.Origin, f.Request)))
				}
			}
		}
		if len(places) > 0 {
			suite.Failures++
			c.Failure = &junitMessage{w.Fix, w.Severity.String(), strings.Join(places, "\n")}
		} else {
			for _, a := range r.Accepted {
				if a.ID == w.ID && c.Skipped == nil {
					suite.Skipped++
					c.Skipped = &junitMessage{Message: clean(a.reason)}
				}
			}
		}
		suite.Cases = append(suite.Cases, c)
	}
	if r.Incomplete != nil {
		suite.Errors++
		suite.Cases = append(suite.Cases, junitCase{Name: "All was looked at", Class: "rampart", Time: "0", Error: &junitMessage{Message: clean(r.Incomplete.Error()), Type: "incomplete"}})
	}
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(out)
	enc.Indent("", "  ")
	doc := junitSuites{Name: "rampart attack", Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Time: took, Suites: []junitSuite{suite}}
	if err := enc.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(out, "\n")
	return err
}
