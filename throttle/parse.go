package throttle

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A RateError says why [Parse] refused a text, or why a [Rate] has none.
type RateError struct {
	Text   string // the text
	Reason RateReason
}

// Error implements error.
func (e *RateError) Error() string { return fmt.Sprintf("throttle: rate %q: %s", e.Text, e.Reason) }

// RateReason is a reason of a [*RateError].
type RateReason string

// Reasons of a RateError.
const (
	RateSyntax   RateReason = "not of the form count/period, as in 100/hour or 5/30m"
	RateUnit     RateReason = "unknown unit of time: use ns, ms, s, m, h or d, or the whole word"
	RateZero     RateReason = "zero or negative: use a count and a period of 1 or more"
	RateTooLarge RateReason = "too large"
)

// Parse reads a rate: "100/hour", "5/m", "5/30m", "10/s burst=20".
//
// The period is one of Django REST framework's words or a number and a word:
// s, sec, second, seconds; m, min, minute, minutes; h, hr, hour, hours; d,
// day, days; also ms and ns. Unlike there, where only the first letter counts,
// a word must be spelled right: "5/moon" is an error, not 5 a minute. Signs,
// spaces, leading zeros and fractions are errors too. The error is a
// [*RateError].
func Parse(s string) (Rate, error) {
	fail := func(reason RateReason) (Rate, error) { return Rate{}, &RateError{Text: s, Reason: reason} }
	main, burst, hasBurst := strings.Cut(s, " burst=")
	count, period, ok := strings.Cut(main, "/")
	if !ok {
		return fail(RateSyntax)
	}
	r := Rate{}
	var reason RateReason
	if r.Count, reason = parseNumber(count, maxCount); reason != "" {
		return fail(reason)
	}
	if r.Period, reason = parsePeriod(period); reason != "" {
		return fail(reason)
	}
	if hasBurst {
		if r.Burst, reason = parseNumber(burst, maxCount); reason != "" {
			return fail(reason)
		}
	}
	if !r.inBounds() { // each part fits, but the burst takes too long to refill
		return fail(RateTooLarge)
	}
	return r, nil
}

// parseNumber reads digits that start with none of "0", "+", "-".
func parseNumber[N int | int64](s string, most N) (N, RateReason) {
	negative := strings.HasPrefix(s, "-")
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, RateSyntax
	}
	switch {
	case strings.Trim(digits, "0") == "" || negative:
		return 0, RateZero
	case digits[0] == '0':
		return 0, RateSyntax
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > int64(most) {
		return 0, RateTooLarge
	}
	return N(n), ""
}

// parsePeriod reads an optional count and a unit.
func parsePeriod(s string) (time.Duration, RateReason) {
	word := strings.TrimLeft(s, "-0123456789")
	n := int64(1)
	if number := s[:len(s)-len(word)]; number != "" {
		var reason RateReason
		if n, reason = parseNumber(number, int64(maxPeriod)); reason != "" {
			return 0, reason
		}
	}
	unit := unitOf(word)
	switch {
	case word == "":
		return 0, RateSyntax
	case unit == 0:
		return 0, RateUnit
	case time.Duration(n) > maxPeriod/unit:
		return 0, RateTooLarge
	}
	return time.Duration(n) * unit, ""
}

func unitOf(word string) time.Duration {
	switch word {
	case "ns":
		return time.Nanosecond
	case "ms":
		return time.Millisecond
	case "s", "sec", "second", "seconds":
		return time.Second
	case "m", "min", "minute", "minutes":
		return time.Minute
	case "h", "hr", "hour", "hours":
		return time.Hour
	case "d", "day", "days":
		return 24 * time.Hour
	}
	return 0
}

// periodText is the inverse of parsePeriod; periods that it cannot read (0 and
// less) are written as [time.Duration] does.
func periodText(d time.Duration) string {
	for _, u := range [...]struct {
		word string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"ns", 1}} {
		if d == u.size {
			return u.word
		}
		if d > u.size && d%u.size == 0 {
			return strconv.FormatInt(int64(d/u.size), 10) + u.word
		}
	}
	return d.String()
}
