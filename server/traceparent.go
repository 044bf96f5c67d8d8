package server

import (
	"strings"

	"github.com/ecolaura/rampart"
)

// ParseTraceParent reads the value of a traceparent header; false if it is not
// one, and then it counts for nothing (section 3.2.2: a receiver must not use
// the rest of what it cannot parse). Of versions yet to come it reads what version 00
// has (section 4.3).
func ParseTraceParent(s string) (rampart.TraceParent, bool) {
	const v00 = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-00")
	if len(s) < v00 || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return rampart.TraceParent{}, false
	}
	version, trace, parent, flags := s[:2], s[3:35], s[36:52], s[53:v00]
	for _, part := range [...]string{version, trace, parent, flags} {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return rampart.TraceParent{}, false
		}
	}
	switch {
	case version == "ff", // section 3.2.2.1: invalid
		strings.Trim(trace, "0") == "", strings.Trim(parent, "0") == "",
		version == "00" && len(s) > v00, len(s) > v00 && s[v00] != '-', len(s) > 512:
		return rampart.TraceParent{}, false
	}
	low := flags[1]
	sampled := (low-'0')&1 == 1
	if low >= 'a' {
		sampled = (low-'a')&1 == 1 // b, d and f are odd
	}
	return rampart.TraceParent{TraceID: trace, ParentID: parent, Sampled: sampled}, true
}
