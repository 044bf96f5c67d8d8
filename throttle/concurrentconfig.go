package throttle

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// A ConcurrentConfig configures a [Concurrent]. Name, and PerKey or InAll, are
// required.
type ConcurrentConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Name is at most 64 characters of a token (RFC 9110 section 5.6.2), for events
	// and errors.
	Name string

	// InAll is how many requests may be in flight at once; 0: any number.
	InAll int

	// PerKey is how many requests of one key may be in flight at once, those that
	// wait included: so no caller fills the queue. One more is refused at once.
	// 0: any number.
	PerKey int

	// Key says who makes a request; it is required by PerKey. A request to which it
	// does not apply counts for InAll alone.
	Key KeyFunc

	// Queue is how many requests may wait while InAll are in flight; the longest
	// wait ends first. 0: none waits.
	Queue int

	// Wait is how long each of them waits at most; required by Queue.
	Wait time.Duration

	// ErrorHandler responds to a refused request; err is a [*DeniedError]. Retry-After is
	// set by then. If nil, the response is a rampart.Problem: 503, code "busy", where
	// InAll is reached; 429, code "throttled", where PerKey is; 403, code
	// "caller_unknown", where Key cannot tell who makes the request.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives the security events; nil: [slog.Default].
	Logger *slog.Logger
}

func (c *ConcurrentConfig) validate() error {
	bad := conferr.For("throttle.ConcurrentConfig")
	checkName(bad, "Name", c.Name)
	const more = "use 1 or more; 0 means any number"
	bad.If(c.InAll < 0, "InAll", rampart.ReasonInvalid, c.InAll, more)
	bad.If(c.PerKey < 0, "PerKey", rampart.ReasonInvalid, c.PerKey, more)
	bad.If(c.InAll == 0 && c.PerKey == 0, "InAll", rampart.ReasonMissing, nil, "say how many requests may be in flight: InAll, PerKey or both")
	bad.If(c.PerKey > 0 && c.Key == nil, "Key", rampart.ReasonMissing, nil, "say who is counted, such as ByIP(clientIP.Addr) with a server.ClientIP")
	bad.If(c.PerKey == 0 && c.Key != nil, "PerKey", rampart.ReasonMissing, nil, "say how many requests of one key may be in flight, or leave Key nil")
	bad.If(c.Queue < 0 || c.Queue > 0 && c.InAll == 0, "Queue", rampart.ReasonInvalid, c.Queue, "use 0 or more, and InAll: requests wait only for one of its places")
	bad.If(c.Wait < 0 || c.Wait > 0 && c.Queue == 0, "Wait", rampart.ReasonInvalid, c.Wait, "use 0 or more, and Queue: how many may wait")
	bad.If(c.Wait == 0 && c.Queue > 0, "Wait", rampart.ReasonMissing, nil, "say how long a request waits at most")
	return bad.Err()
}
