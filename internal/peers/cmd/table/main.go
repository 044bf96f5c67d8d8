// Command table measures every row and prints medians, allocations and the
// ratio to ours, as a Markdown table for each group.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ecolaura/rampart/internal/peers"
)

func main() {
	testing.Init()
	once := flag.Bool("once", false, "run every row once, to see that it still works")
	runs := flag.Int("runs", 7, "runs of each row; the median counts")
	only := flag.String("group", "", "measure only the groups whose name holds this text")
	flag.Parse()

	groups := map[string][]peers.Row{}
	var order []string
	for _, row := range peers.Rows() {
		if err := row.Check(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if !strings.Contains(row.Group, *only) {
			continue
		}
		if groups[row.Group] == nil {
			order = append(order, row.Group)
		}
		groups[row.Group] = append(groups[row.Group], row)
	}
	if *once {
		*runs = 1
		_ = flag.Set("test.benchtime", "1x")
	} else {
		_ = flag.Set("test.benchtime", "200ms")
	}
	fmt.Printf("%s, %s/%s, %d cores; median of %d runs\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), *runs)
	for _, group := range order {
		table(group, measure(groups[group], *runs))
	}
}

type result struct {
	implementation string
	ns             float64
	allocs, bytes  int64
}

// measure takes turns, so that a slow spell of the machine hits every row.
func measure(rows []peers.Row, runs int) []result {
	results := make([]result, len(rows))
	times := make([][]float64, len(rows))
	for range runs {
		for i, row := range rows {
			r := testing.Benchmark(func(b *testing.B) {
				w := peers.NewSink()
				b.ReportAllocs()
				for b.Loop() {
					w.Reset()
					row.Handler.ServeHTTP(w, row.Request)
				}
			})
			times[i] = append(times[i], float64(r.T.Nanoseconds())/float64(r.N))
			results[i] = result{row.Implementation, 0, r.AllocsPerOp(), r.AllocedBytesPerOp()}
		}
	}
	for i := range results {
		slices.Sort(times[i])
		results[i].ns = times[i][len(times[i])/2]
	}
	return results
}

func table(group string, results []result) {
	ours := 0.0
	for _, r := range results {
		if r.implementation == "rampart" {
			ours = r.ns
		}
	}
	fmt.Printf("\n### %s\n\n| | µs | allocs | bytes | × ours |\n|---|---|---|---|---|\n", group)
	for _, r := range results {
		fmt.Printf("| %s | %.3f | %d | %d | %.2f |\n", r.implementation, r.ns/1000, r.allocs, r.bytes, r.ns/ours)
	}
}
