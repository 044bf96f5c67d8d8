package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ecolaura/rampart/attack"
)

// A baseline is what a team has accepted.
type baseline struct {
	Accepted []acceptance `yaml:"accepted"`
}

// An acceptance covers findings of a weakness until it expires.
type acceptance struct {
	ID      string `yaml:"id"`
	Method  string `yaml:"method"` // "" means any
	Path    string `yaml:"path"`   // "" means any; with * at its end what begins so
	Reason  string `yaml:"reason"`
	Expires string `yaml:"expires"` // the last day, such as 2027-01-31
	until   time.Time
}

func (t terminal) readBaseline(name string) (baseline, error) {
	var b baseline
	text, err := t.readFile(name)
	if err != nil {
		return b, err
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&b); err != nil && !errors.Is(err, io.EOF) {
		return b, fmt.Errorf("%s: %w", name, err)
	}
	known := map[string]bool{}
	for _, w := range attack.Weaknesses() {
		known[w.ID] = true
	}
	var errs []error
	for i := range b.Accepted {
		a := &b.Accepted[i]
		day, err := time.Parse(time.DateOnly, a.Expires)
		a.until = day.AddDate(0, 0, 1)
		switch {
		case !known[a.ID]:
			errs = append(errs, fmt.Errorf("%s: entry %d: there is no weakness %q", name, i+1, a.ID))
		case strings.TrimSpace(a.Reason) == "":
			errs = append(errs, fmt.Errorf("%s: entry %d: a reason is missing", name, i+1))
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: entry %d: expires is a day, such as 2027-01-31", name, i+1))
		}
	}
	return b, errors.Join(errs...)
}

func (a acceptance) covers(f attack.Finding) bool {
	if a.ID != f.ID || a.Method != "" && a.Method != f.Method {
		return false
	}
	if begin, ok := strings.CutSuffix(a.Path, "*"); ok {
		return strings.HasPrefix(f.Path, begin)
	}
	return a.Path == "" || a.Path == f.Path
}

// apply takes away what is accepted, and tells of entries that cover nothing any more.
func (b baseline) apply(findings []attack.Finding, now time.Time) (left []attack.Finding, covered []accepted, notes []string) {
	used := make([]bool, len(b.Accepted))
	expired := make([]bool, len(b.Accepted))
	for _, f := range findings {
		reason := ""
		for i, a := range b.Accepted {
			if !a.covers(f) {
				continue
			}
			used[i] = true
			if now.Before(a.until) {
				reason = a.Reason
				break
			}
			expired[i] = true
		}
		if reason == "" {
			left = append(left, f)
			continue
		}
		covered = append(covered, accepted{f, reason})
	}
	for i, a := range b.Accepted {
		switch {
		case expired[i]:
			notes = append(notes, fmt.Sprintf("entry %d of the baseline (%s) has expired on %s", i+1, a.ID, a.Expires))
		case !used[i]:
			notes = append(notes, fmt.Sprintf("entry %d of the baseline (%s) covers nothing", i+1, a.ID))
		}
	}
	return left, covered, notes
}
