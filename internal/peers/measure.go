package peers

import (
	"runtime"
	"slices"
	"time"
)

// A Result is what one request of a row costs.
type Result struct {
	Implementation string
	Median, Min    time.Duration // processor time of the thread, over the rounds
	Allocs, Bytes  float64       // as the runtime counts them, size classes and all
}

// Measure lets rows take turns, so that a slow spell of the machine hits every
// one, and counts the processor time of the thread, which a neighbour does not
// take. Each turn lasts for about span.
func Measure(rows []Row, rounds int, span time.Duration) []Result {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if span > 0 {
		settle()
	}
	times := make([][]time.Duration, len(rows))
	counts := make([]int, len(rows))
	results := make([]Result, len(rows))
	for i, row := range rows {
		n := 1
		for took := turn(row, n); took < span && n < 1<<24; took = turn(row, n) {
			n = min(max(int(float64(n)*float64(span)/float64(took+1)), n+1), n*10)
		}
		counts[i] = n
		results[i].Implementation = row.Implementation
	}
	for range rounds {
		for i, row := range rows {
			times[i] = append(times[i], turn(row, counts[i]))
		}
	}
	for i, row := range rows {
		perRequest := func(d time.Duration) time.Duration { return d / time.Duration(counts[i]) }
		slices.Sort(times[i])
		results[i].Min, results[i].Median = perRequest(times[i][0]), perRequest(times[i][len(times[i])/2])
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		turn(row, counts[i])
		runtime.ReadMemStats(&after)
		results[i].Allocs = float64(after.Mallocs-before.Mallocs) / float64(counts[i])
		results[i].Bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(counts[i])
	}
	return results
}

// settle has the runtime touch as much memory as it will use until it collects:
// rows that keep much would else be measured by their page faults.
func settle() {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	room := make([]byte, m.HeapAlloc)
	for i := 0; i < len(room); i += 4096 {
		room[i] = 1
	}
	runtime.KeepAlive(room)
	runtime.GC()
}

// turn serves n requests and returns the processor time that they took.
func turn(row Row, n int) time.Duration {
	w := NewSink()
	start := processorTime()
	for range n {
		w.Reset()
		row.Handler.ServeHTTP(w, row.Request)
	}
	return processorTime() - start
}
