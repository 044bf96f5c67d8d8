package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/ecolaura/rampart/attack"
)

func attackCommand(t terminal) *cli.Command {
	return &cli.Command{
		Name:      "attack",
		Usage:     "attack a service of yours, and list what gets through",
		ArgsUsage: "URL",
		Description: `With a URL alone it looks at what anybody can see. With -config it logs in, as the
file says, and runs the whole suite. It sends requests that a service refuses, guesses
passwords and fills limits: attack services of your own only.

   rampart attack http://127.0.0.1:8080
   rampart attack -openapi openapi.yaml http://127.0.0.1:8080/api
   rampart attack -config target.yml -baseline accepted.yml -format sarif -o rampart.sarif
   rampart attack -list`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Usage: "`FILE` that describes the target"},
			&cli.StringFlag{Name: "openapi", Usage: "`FILE`, OpenAPI 3 in YAML or JSON, that lists its routes"},
			&cli.StringFlag{Name: "format", Value: "text", Usage: "`FORMAT` of the report: text, md, json, sarif or junit"},
			&cli.StringFlag{Name: "o", Usage: "`FILE` for the report, in place of the standard output"},
			&cli.StringFlag{Name: "only", Usage: "`IDS` of weaknesses to report, with commas between them; see -list"},
			&cli.StringFlag{Name: "severity", Value: "low", Usage: "least `SEVERITY` to report: low, medium, high or critical"},
			&cli.StringFlag{Name: "baseline", Usage: "`FILE` of findings that are accepted, each with a reason and an end"},
			&cli.StringFlag{Name: "i-own", Usage: "`HOST` that is yours, so that nobody is asked"},
			&cli.IntFlag{Name: "rate", Usage: "`REQUESTS` a second at most; 0: 50, and without bound on this machine"},
			&cli.IntFlag{Name: "requests", Value: 5000, Usage: "`REQUESTS` in all at most"},
			&cli.DurationFlag{Name: "time", Value: 5 * time.Minute, Usage: "`TIME` that it may take"},
			&cli.BoolFlag{Name: "list", Usage: "list the weaknesses that it looks for"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error { return t.attack(ctx, cmd) },
	}
}

func (t terminal) attack(ctx context.Context, cmd *cli.Command) error {
	if cmd.Bool("list") {
		return listWeaknesses(t.out)
	}
	wanted, err := newFilter(cmd.String("only"), cmd.String("severity"))
	if err != nil {
		return err
	}
	write, ok := reporters()[cmd.String("format")]
	if !ok {
		return usage(cmd, "-format is text, md, json, sarif or junit")
	}
	var accepted baseline
	if name := cmd.String("baseline"); name != "" {
		if accepted, err = t.readBaseline(name); err != nil {
			return err
		}
	}
	cfg := &config{}
	if name := cmd.String("config"); name != "" {
		if cfg, err = t.readConfig(name); err != nil {
			return err
		}
	}
	switch {
	case cmd.NArg() > 1:
		return usage(cmd, "give one URL, behind the flags")
	case cmd.NArg() == 1:
		cfg.URL = cmd.Args().First()
	case cfg.URL == "":
		return usage(cmd, "a URL is missing")
	}
	base, err := url.Parse(cfg.URL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return usage(cmd, "the URL must be http or https, without userinfo and query") // it may hold a password
	}
	ctx, cancel := context.WithTimeout(ctx, cmd.Duration("time"))
	defer cancel()
	if err := t.consent(append(cfg.Owned, cmd.String("i-own")), base.Hostname(), cfg.Login.tokenHost()); err != nil {
		return err
	}
	if name := cmd.String("openapi"); name != "" {
		if err := t.describe(cfg, base, name); err != nil {
			return err
		}
	}
	target, err := cfg.target(readLog)
	if err != nil {
		return err
	}
	target.MaxRequests, target.Pace = cmd.Int("requests"), pace(cmd.Int("rate"), base.Hostname())
	if err := cfg.choose(ctx, &target); err != nil {
		return err
	}
	progress := t.progress(&target)
	began := time.Now()
	findings, err := attack.Scan(ctx, target)
	took := time.Since(began)
	progress.end()
	if findings == nil && err != nil {
		return err
	}
	result := report{Target: base.String(), Origin: base.Scheme + "://" + base.Host, Began: began, Took: took, Weaknesses: wanted.weaknesses(), Incomplete: err}
	if errors.Is(err, context.DeadlineExceeded) {
		result.Incomplete = errors.New("the time of -time is over")
	}
	result.Findings, result.Accepted, result.Notes = accepted.apply(wanted.apply(findings), began)
	if err := t.deliver(cmd.String("o"), func(out io.Writer) error { return write(out, &result, t.painter()) }); err != nil {
		return err
	}
	switch {
	case result.Incomplete != nil:
		return fmt.Errorf("not all was looked at: %w", result.Incomplete)
	case len(result.Findings) > 0:
		return errFound
	default:
		return nil
	}
}

// deliver writes a report.
func (t terminal) deliver(name string, write func(io.Writer) error) error {
	if name == "" || name == "-" {
		return write(t.out)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// pace is the time between two requests.
func pace(rate int, host string) time.Duration {
	switch {
	case rate > 0:
		return time.Second / time.Duration(rate)
	case isLoopback(host):
		return 0
	default:
		return time.Second / 50
	}
}

func listWeaknesses(out io.Writer) error {
	for _, w := range attack.Weaknesses() {
		if _, err := fmt.Fprintf(out, "%-28s %-9s %-8s %s\n", w.ID, w.Severity, w.CWE, w.Title); err != nil {
			return err
		}
	}
	return nil
}

// A filter is what -only and -severity leave.
type filter struct {
	ids   map[string]bool // nil: all
	least attack.Severity
}

func newFilter(only, severity string) (filter, error) {
	f := filter{}
	for _, s := range []attack.Severity{attack.Low, attack.Medium, attack.High, attack.Critical} {
		if s.String() == severity {
			f.least = s
		}
	}
	if f.least == 0 {
		return f, errors.New("-severity is low, medium, high or critical")
	}
	if only == "" {
		return f, nil
	}
	known := map[string]bool{}
	for _, w := range attack.Weaknesses() {
		known[w.ID] = true
	}
	f.ids = map[string]bool{}
	for id := range strings.SplitSeq(only, ",") {
		id = strings.TrimSpace(id)
		if !known[id] {
			return f, fmt.Errorf("-only: there is no weakness %q; see rampart attack -list", id)
		}
		f.ids[id] = true
	}
	return f, nil
}

func (f filter) takes(w attack.Weakness) bool {
	return w.Severity >= f.least && (f.ids == nil || f.ids[w.ID])
}

func (f filter) weaknesses() (all []attack.Weakness) {
	for _, w := range attack.Weaknesses() {
		if f.takes(w) {
			all = append(all, w)
		}
	}
	return all
}

// apply returns what is wanted, the worst first.
func (f filter) apply(findings []attack.Finding) (all []attack.Finding) {
	for _, found := range findings {
		if f.takes(found.Weakness) {
			all = append(all, found)
		}
	}
	order := map[string]int{}
	for i, w := range attack.Weaknesses() {
		order[w.ID] = i
	}
	slices.SortStableFunc(all, func(a, b attack.Finding) int {
		if a.Severity != b.Severity {
			return int(b.Severity) - int(a.Severity)
		}
		return order[a.ID] - order[b.ID]
	})
	return all
}

// A progress shows somebody that there is some.
type progress struct{ end func() }

func (t terminal) progress(target *attack.Target) progress {
	if !isTerminal(t.err) {
		return progress{func() {}}
	}
	target.Progress = func(check string, sent int) {
		fmt.Fprintf(t.err, "\r\x1b[K%5d requests: %s", sent, check)
	}
	return progress{func() { fmt.Fprint(t.err, "\r\x1b[K") }}
}

// choose fills in what to look at where the configuration leaves it open: of the
// routes that are known, else of the links of the first page.
func (c *config) choose(ctx context.Context, target *attack.Target) error {
	if target.Public != "" || target.Secure != "" || c.Login.Kind != "" {
		return nil
	}
	if len(target.Routes) == 0 {
		links, err := discover(ctx, target)
		if err != nil {
			return err
		}
		target.Routes = links
	}
	target.Public = "/"
	for _, r := range target.Routes {
		if !r.Private && !strings.Contains(r.Path, "?") {
			target.Public = r.Path
			break
		}
	}
	return nil
}

// reporters are the formats.
func reporters() map[string]func(io.Writer, *report, painter) error {
	return map[string]func(io.Writer, *report, painter) error{
		"text": writeText, "md": writeMarkdown, "json": writeJSON, "sarif": writeSARIF, "junit": writeJUnit,
	}
}
