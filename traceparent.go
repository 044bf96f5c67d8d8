package rampart

import (
	"context"
	"strings"
)

// A TraceParent is what a traceparent header says (W3C Trace Context, section
// 3.2): which trace a request belongs to, and which span of the caller's sent it.
type TraceParent struct {
	TraceID  string // 32 lower-case hex digits, not all zero
	ParentID string // 16 lower-case hex digits, not all zero
	Sampled  bool   // the caller may have recorded its part
}

// ParseTraceParent reads the value of a traceparent header; false if it is not
// one, and then it counts for nothing (section 3.2.2: a receiver must not use
// the rest of what it cannot parse). Of versions yet to come it reads what version 00
// has (section 4.3).
func ParseTraceParent(s string) (TraceParent, bool) {
	const v00 = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-00")
	if len(s) < v00 || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return TraceParent{}, false
	}
	version, trace, parent, flags := s[:2], s[3:35], s[36:52], s[53:v00]
	for _, part := range [...]string{version, trace, parent, flags} {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return TraceParent{}, false
		}
	}
	switch {
	case version == "ff", // section 3.2.2.1: invalid
		strings.Trim(trace, "0") == "", strings.Trim(parent, "0") == "",
		version == "00" && len(s) > v00, len(s) > v00 && s[v00] != '-', len(s) > 512:
		return TraceParent{}, false
	}
	low := flags[1]
	sampled := (low-'0')&1 == 1
	if low >= 'a' {
		sampled = (low-'a')&1 == 1 // b, d and f are odd
	}
	return TraceParent{TraceID: trace, ParentID: parent, Sampled: sampled}, true
}

// TraceParentFrom returns the trace that the request of ctx belongs to; false if
// no [RequestID] layer is around, or no trusted peer named one. None is made up:
// a trace id that nothing else knows finds nothing.
func TraceParentFrom(ctx context.Context) (TraceParent, bool) {
	c, ok := ctx.Value(requestIDKey{}).(*correlation)
	if !ok || c.trace.TraceID == "" {
		return TraceParent{}, false
	}
	return c.trace, true
}
