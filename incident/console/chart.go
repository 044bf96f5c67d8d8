package console

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sizes of a chart, in its own units.
const (
	chartWidth  = 590 // ten a minute
	chartHeight = 40
)

// A line is a chart over the last 60 minutes: a sparkline with its newest full value.
type line struct {
	Name, Unit, Points, Latest, Most string
	Marks                            []mark
}

// A mark is an order or alert on the time axis.
type mark struct {
	X    int
	Kind string // "order" or "alert"
	Says string
}

// lines draws the traffic: requests, refusals by layer, times.
func lines(all []Minute) []line {
	perSecond := func(n int64) float64 { return float64(n) / 60 }
	list := []line{draw("requests", "/s", all, func(m Minute) float64 { return perSecond(m.Requests) })}
	for _, layer := range layers {
		list = append(list, draw("refused by "+layer, "/s", all, func(m Minute) float64 { return perSecond(m.Refused[layer]) }))
	}
	return append(list,
		draw("p50", " ms", all, func(m Minute) float64 { return m.P50 }),
		draw("p99", " ms", all, func(m Minute) float64 { return m.P99 }))
}

func draw(name, unit string, all []Minute, of func(Minute) float64) line {
	l := line{Name: name, Unit: unit}
	most := of(slices.MaxFunc(all, func(a, b Minute) int { return cmp.Compare(of(a), of(b)) }))
	var points strings.Builder
	for i, m := range all {
		y := float64(chartHeight - 2)
		if most > 0 {
			y -= of(m) / most * (chartHeight - 4)
		}
		fmt.Fprintf(&points, "%d,%.1f ", i*10, y)
		if m.Orders > 0 {
			l.Marks = append(l.Marks, mark{i * 10, "order", fmt.Sprintf("%d orders at %s", m.Orders, m.At.Format("15:04"))})
		}
		if m.Alerts > 0 {
			l.Marks = append(l.Marks, mark{i * 10, "alert", fmt.Sprintf("%d alerts at %s", m.Alerts, m.At.Format("15:04"))})
		}
	}
	l.Points, l.Most = strings.TrimSpace(points.String()), number(most)
	l.Latest = number(of(all[len(all)-2]))
	return l
}

// number writes three digits that matter.
func number(f float64) string {
	switch {
	case f == 0:
		return "0"
	case f >= 100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 1:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'g', 2, 64)
}

// span writes how long something lasts or lasted.
func span(d time.Duration) string {
	switch d = d.Abs(); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours())/24)
}
