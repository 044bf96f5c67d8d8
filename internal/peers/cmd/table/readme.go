package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart/internal/peers"
)

const readmeBegin, readmeEnd = "<!-- benchmarks: cd internal/peers && GOWORK=off go run ./cmd/table -readme ../../README.md -->\n", "<!-- end -->\n"

// summary are the groups that README shows, by what it calls them.
var summary = [][2]string{ // read-only
	{"public chain: headers, cors, throttle", "headers, CORS and a limit around a public GET"},
	{"token chain: headers, cors, throttle, token", "the same with an HS256 token"},
	{"throttle: 65 536 addresses in turn, with response headers", "a limit, 65 536 addresses in turn"},
	{"cors: preflight", "a CORS preflight"},
	{"token: HS256, verified anew", "an HS256 token"},
	{"bind: a registration of 750 bytes", "a JSON body read, cleaned and validated"},
	{"clean: 1 KB of markup", "1 KB of HTML cleaned"},
	{"fernet: encrypt 1 KB", "1 KB encrypted (Fernet)"},
}

// writeReadme writes the table of summary into a file, between its marks.
func writeReadme(name string, groups map[string][]peers.Row, rounds int, span time.Duration) error {
	text, err := os.ReadFile(name) //nolint:gosec // the file that the flag names
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(text), readmeBegin)
	_, after, ok2 := strings.Cut(rest, readmeEnd)
	if !ok1 || !ok2 {
		return errors.New(name + " has lost the marks around its benchmarks")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Processor time in µs (allocations), median of %d rounds in turn, on a shared %d-core %s/%s machine with %s, %s.\nThe floor is hand-written code on the standard library.\n\n",
		rounds, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), time.Now().Format("January 2006"))
	b.WriteString("| | rampart | fastest peer | floor |\n|---|---|---|---|\n")
	for _, row := range summary {
		results := peers.Measure(groups[row[0]], rounds, span)
		floor, peer := "–", "–"
		var others []peers.Result
		for _, r := range results[1:] {
			switch {
			case r.Implementation == "floor":
				floor = figure(r)
			case !strings.HasPrefix(r.Implementation, "rampart"):
				others = append(others, r)
			}
		}
		if len(others) > 0 {
			fastest := slices.MinFunc(others, func(a, b peers.Result) int { return int(a.Median - b.Median) })
			peer = fastest.Implementation + " " + figure(fastest)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row[1], figure(results[0]), peer, floor)
	}
	return os.WriteFile(name, []byte(before+readmeBegin+b.String()+readmeEnd+after), 0o600) //nolint:gosec // as above
}

func figure(r peers.Result) string {
	return fmt.Sprintf("%.2f (%.0f)", r.Median.Seconds()*1e6, r.Allocs)
}
