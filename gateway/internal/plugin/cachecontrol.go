package plugin

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// directives are those of a Cache-Control (RFC 9111 section 5.2): by name in
// lower case, with their argument.
type directives map[string]string

// cacheControl reads all lines of the header. What is not well-formed counts as
// no-store: it may have meant that.
func cacheControl(h http.Header) directives {
	lines := h["Cache-Control"]
	if len(lines) == 0 {
		return nil
	}
	d := directives{}
	rest := strings.Join(lines, ",")
	for rest != "" {
		rest = strings.TrimLeft(rest, " \t,")
		end := strings.IndexAny(rest, "=, \t")
		if end < 0 {
			end = len(rest)
		}
		name, value := strings.ToLower(rest[:end]), ""
		rest = strings.TrimLeft(rest[end:], " \t")
		if after, ok := strings.CutPrefix(rest, "="); ok {
			if value, rest, ok = argument(after); !ok {
				return directives{"no-store": ""}
			}
		}
		if rest = strings.TrimLeft(rest, " \t"); rest != "" && rest[0] != ',' {
			return directives{"no-store": ""}
		}
		if old, twice := d[name]; twice && old != value { // the shorter time, whichever it is
			value = "0"
		}
		if name != "" {
			d[name] = value
		}
	}
	return d
}

// argument reads a token or a quoted string from the beginning of s.
func argument(s string) (value, rest string, ok bool) {
	if after, quoted := strings.CutPrefix(s, `"`); quoted {
		value, rest, ok = strings.Cut(after, `"`)
		return value, rest, ok && !strings.Contains(value, `\`)
	}
	end := strings.IndexAny(s, ", \t")
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:], end > 0
}

func (d directives) has(name string) bool { _, ok := d[name]; return ok }

// seconds returns a time; one that cannot be read is 0, which is stale (section
// 4.2.1).
func (d directives) seconds(name string) (time.Duration, bool) {
	text, ok := d[name]
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, true
	}
	return time.Duration(n) * time.Second, true
}

// freshness returns for how long a response is fresh, as far as it says so
// (section 4.2.1).
func (d directives) freshness(h http.Header, now time.Time) (time.Duration, bool) {
	age := time.Duration(0)
	if text := h.Get("Age"); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return 0, true
		}
		age = time.Duration(n) * time.Second
	}
	for _, name := range []string{"s-maxage", "max-age"} {
		if t, ok := d.seconds(name); ok {
			return t - age, true
		}
	}
	if text := h["Expires"]; len(text) > 0 {
		at, err := http.ParseTime(text[len(text)-1])
		if err != nil {
			return 0, true
		}
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		return at.Sub(now) - age, true
	}
	return 0, false
}
