// Command replay sends recorded requests to another server, and tells where its answers
// differ from those that were recorded. docs/migrating-from-django.md has a middleware
// that records them from a Django service:
//
//	go run ./examples/replay -to http://127.0.0.1:8080 -value token_7=eyJ… <traffic.jsonl
//
// Send what writes to a copy of the database only.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/examples/internal/replay"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run returns the exit status: 0 if all answers are equal, 1 if some differ or were not
// compared, 2 for a wrong flag or recording.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	r := replayer{out: out, values: map[string]string{}}
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.SetOutput(errs)
	to := flags.String("to", "", "`URL` of the server to compare")
	flags.Func("value", "`name=text` that stands where a recording has {{name}}, such as token_7=eyJ…; may be given often", func(s string) error {
		name, text, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("not name=text")
		}
		r.values[name] = text
		return nil
	})
	flags.Func("ignore", "`fact` that may differ, such as \"header Vary\" or \"errors*\"; may be given often", func(s string) error {
		r.ignored = append(r.ignored, s)
		_, err := path.Match(s, "")
		return err
	})
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *to == "" || flags.NArg() > 0 {
		fmt.Fprintln(errs, "replay: -to is required, and the recording is standard input")
		return 2
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for n := 1; lines.Scan(); n++ {
		var c replay.Case
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintf(errs, "replay: line %d: %v\n", n, err)
			return 2
		}
		if c.ID == "" {
			c.ID = fmt.Sprintf("line %d", n)
		}
		r.compare(ctx, *to, c)
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(errs, "replay:", err)
		return 2
	}
	fmt.Fprintf(out, "%d equal, %d differ, %d not compared\n", r.equal, r.differ, r.skipped)
	if r.differ+r.skipped > 0 {
		return 1
	}
	return 0
}

type replayer struct {
	out     io.Writer
	values  map[string]string // of placeholders
	ignored []string          // facts, as patterns of path.Match

	equal, differ, skipped int
}

var placeholder = regexp.MustCompile(`\{\{\w+\}\}`)

// compare sends a case, and prints each fact that differs.
func (r *replayer) compare(ctx context.Context, to string, c replay.Case) {
	c = c.Fill(r.values)
	if left := placeholder.FindString(c.Path + fmt.Sprint(c.Headers) + body(c)); left != "" {
		r.skipped++
		fmt.Fprintf(r.out, "%s %s %s: not compared: no value for %s\n", c.ID, c.Method, c.Path, left)
		return
	}
	got, err := c.Send(ctx, to)
	if err != nil {
		r.skipped++
		fmt.Fprintf(r.out, "%s %s %s: not compared: %v\n", c.ID, c.Method, c.Path, err)
		return
	}
	r.learn(c, got)
	differ := c.Answer.Facts(c).Diff(got.Facts(c))
	maps.DeleteFunc(differ, func(fact string, _ [2]string) bool {
		return slices.ContainsFunc(r.ignored, func(pattern string) bool {
			ok, _ := path.Match(pattern, fact)
			return ok
		})
	})
	if len(differ) == 0 {
		r.equal++
		return
	}
	r.differ++
	fmt.Fprintf(r.out, "%s %s %s\n", c.ID, c.Method, c.Path)
	for _, fact := range slices.Sorted(maps.Keys(differ)) {
		fmt.Fprintf(r.out, "\t%s: %s -> %s\n", fact, differ[fact][0], differ[fact][1])
	}
}

// learn keeps what later cases need of an answer.
func (r *replayer) learn(c replay.Case, got replay.Answer) {
	var members map[string]any
	if len(c.Captures) == 0 || json.Unmarshal([]byte(got.Body), &members) != nil {
		return
	}
	for member, name := range c.Captures {
		if value, ok := members[member]; ok {
			r.values[name] = fmt.Sprint(value)
		}
	}
}

func body(c replay.Case) string {
	if c.Body == nil {
		return ""
	}
	return *c.Body
}
