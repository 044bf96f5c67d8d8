// Command table measures every row and prints it as a Markdown table for each
// group: processor time, allocations, bytes, and the ratio to ours.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/ecolaura/rampart/internal/peers"
)

func main() {
	once := flag.Bool("once", false, "measure every row for one round only, to see that it still works")
	rounds := flag.Int("rounds", 25, "how often the rows of a group take turns")
	span := flag.Duration("span", 20*time.Millisecond, "how long a turn lasts")
	only := flag.String("group", "", "measure only the groups whose name holds this text")
	readme := flag.String("readme", "", "write the summary of some groups into this file, and print nothing")
	flag.Parse()
	if *once {
		*rounds, *span = 1, 0
	}

	groups := map[string][]peers.Row{}
	var order []string
	for _, row := range peers.Rows() {
		if !strings.Contains(row.Group, *only) {
			continue
		}
		if groups[row.Group] == nil {
			order = append(order, row.Group)
		}
		groups[row.Group] = append(groups[row.Group], row)
	}
	if *readme != "" {
		if err := writeReadme(*readme, groups, *rounds, *span); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	fmt.Printf("%s, %s/%s, %d cores; processor time, median and minimum of %d rounds\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), *rounds)
	for _, group := range order {
		for _, row := range groups[group] {
			if err := row.Check(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		table(group, peers.Measure(groups[group], *rounds, *span))
		delete(groups, group) // a million keys would weigh on the collector in all later groups
	}
}

func table(group string, results []peers.Result) {
	ours := results[0]
	fmt.Printf("\n### %s\n\n| | µs | allocs | bytes | × ours | µs, minimum | × ours |\n|---|---|---|---|---|---|---|\n", group)
	for _, r := range results {
		fmt.Printf("| %s | %.3f | %.1f | %.0f | %.2f | %.3f | %.2f |\n", r.Implementation,
			r.Median.Seconds()*1e6, r.Allocs, r.Bytes, float64(r.Median)/float64(ours.Median),
			r.Min.Seconds()*1e6, float64(r.Min)/float64(ours.Min))
	}
}
