package incident

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// A Mode says whom a [Lockdown] keeps out.
type Mode string

// The modes.
const (
	Off      Mode = "off"
	ReadOnly Mode = "read_only" // keeps out every method but GET, HEAD and OPTIONS
	Deny     Mode = "deny"      // keeps out every address that is not listed
)

// LockdownState is what a [Lockdown] does now.
type LockdownState struct {
	Mode  Mode           `json:"mode"`            // Off where it does nothing
	Allow []netip.Prefix `json:"allow,omitempty"` // who is served with Deny
	Until time.Time      `json:"until,omitzero"`  // when it ends by itself
	Actor string         `json:"actor,omitempty"` // who ordered it
	Note  string         `json:"note,omitempty"`  // and why
}

// LockdownConfig configures a [Lockdown].
type LockdownConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Open lists the paths that stay open: those of the operators' calls and of their
	// log-in, and of health checks. One that ends in "*" stands for all that begin so.
	// Required: else nobody could lift it.
	Open []string
	// Feed carries it to every instance. nil: this process only.
	Feed rampart.Feed
	// ClientIP tells where a request comes from. nil: what a client address layer has
	// resolved, else the TCP peer.
	ClientIP func(r *http.Request) netip.Addr
	// Logger receives the events. nil: slog.Default().
	Logger *slog.Logger
}

// A Lockdown is a layer that keeps everything but reading, or everybody but a list of
// addresses, out while an incident is looked into. [Operator.LockDown] turns it on. It
// is safe for concurrent use. Create one with [NewLockdown]; the zero Lockdown lets
// nothing pass.
type Lockdown struct {
	open     []string
	feed     rampart.Feed
	clientIP func(*http.Request) netip.Addr
	reporter *rampart.Reporter
	now      atomic.Pointer[LockdownState] // nil: off
}

const lockdownTopic = "incident.lockdown"

// NewLockdown returns a Lockdown that knows what its feed retains, or every mistake in
// cfg, each a [rampart.ConfigError], joined.
func NewLockdown(cfg LockdownConfig) (*Lockdown, error) {
	bad := conferr.For("incident.LockdownConfig")
	bad.If(len(cfg.Open) == 0, "Open", rampart.ReasonMissing, nil, `list the paths that operators need, such as "/api/ops/*" and that of their log-in`)
	for _, p := range cfg.Open {
		bad.If(!strings.HasPrefix(p, "/") || p == "/*" || strings.Contains(strings.TrimSuffix(p, "*"), "*"), "Open", rampart.ReasonInvalid, p, `write a path such as "/healthz", or "/api/ops/*"`)
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	l := &Lockdown{open: slices.Clone(cfg.Open), feed: cfg.Feed, clientIP: cfg.ClientIP, reporter: rampart.NewReporter(cfg.Logger, "incident")}
	if l.clientIP == nil {
		l.clientIP = clientAddr
	}
	if l.feed != nil {
		l.feed.Subscribe(lockdownTopic, l.apply)
	}
	return l, nil
}

func (l *Lockdown) apply(data []byte, expires time.Time) {
	var s LockdownState
	if err := json.Unmarshal(data, &s); err != nil || s.Mode != Off && s.Mode != Deny { // of a later version: the safe side
		s.Mode = ReadOnly
		if s.Until.IsZero() {
			s.Until = time.Now().Add(time.Hour)
		}
	}
	if s.Until.After(expires) { // nobody who starts later would know of it
		s.Until = expires
	}
	l.now.Store(&s)
}

// set makes a state known to every instance, until it ends.
func (l *Lockdown) set(ctx context.Context, s LockdownState) error {
	if l.feed == nil {
		s.Allow = slices.Clone(s.Allow)
		l.now.Store(&s)
		return nil
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	// Each outlasts whatever it replaces: else that would come back for an instance
	// that starts later.
	return l.feed.Publish(ctx, lockdownTopic, data, MaxAhead+time.Minute)
}

// State returns what holds now.
func (l *Lockdown) State() LockdownState {
	s := l.state()
	s.Allow = slices.Clone(s.Allow)
	return s
}

func (l *Lockdown) state() LockdownState {
	s := l.now.Load()
	if s == nil || !time.Now().Before(s.Until) {
		return LockdownState{Mode: Off}
	}
	return *s
}

// Handler is the layer. It refuses with 503 and Retry-After.
func (l *Lockdown) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := l.state()
		if l.open != nil && (s.Mode == Off || r.URL.RawPath == "" && l.isOpen(r.URL.Path) || l.admits(s, r)) {
			next.ServeHTTP(w, r)
			return
		}
		l.reporter.Refused(r, rampart.AuthzFail, string(s.Mode), slog.String("reason", "lockdown"), slog.String("mode", string(s.Mode)))
		w.Header().Set("Retry-After", strconv.Itoa(max(int(time.Until(s.Until).Seconds()), 0)+1))
		(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "locked_down"}).Write(w)
	})
}

// isOpen reports whether a path stays open. One with ".." or "//" in it may lead a
// handler elsewhere; so may one with an encoded slash, which has a RawPath.
func (l *Lockdown) isOpen(p string) bool {
	if clean := path.Clean(p); p != clean && p != clean+"/" {
		return false
	}
	return slices.ContainsFunc(l.open, func(open string) bool {
		prefix, all := strings.CutSuffix(open, "*")
		return p == open || all && strings.HasPrefix(p, prefix)
	})
}

func (l *Lockdown) admits(s LockdownState, r *http.Request) bool {
	if s.Mode == ReadOnly {
		return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	}
	addr := l.clientIP(r).Unmap().WithZone("")
	return slices.ContainsFunc(s.Allow, func(p netip.Prefix) bool { return p.Contains(addr) })
}
