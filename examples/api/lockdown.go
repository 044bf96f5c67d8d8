package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
)

// lockdown keeps everything but reading, or everybody but a list of addresses,
// out while an incident is looked into. The feed carries it to every instance.
type lockdown struct {
	feed     rampart.Feed
	clientIP func(*http.Request) netip.Addr
	reporter *rampart.Reporter
	now      atomic.Pointer[lockdownState] // nil: off
}

// lockdownState is also what the feed carries.
type lockdownState struct {
	Mode  string         `json:"mode"` // "read_only", "deny" or "off"
	Allow []netip.Prefix `json:"allow,omitempty"`
	Until time.Time      `json:"until,omitzero"`
	Actor string         `json:"actor,omitempty"`
	Note  string         `json:"note,omitempty"`
}

const lockdownTopic = "ecolaura.lockdown"

func newLockdown(feed rampart.Feed, clientIP func(*http.Request) netip.Addr, log *slog.Logger) *lockdown {
	l := &lockdown{feed: feed, clientIP: clientIP, reporter: rampart.NewReporter(log)}
	feed.Subscribe(lockdownTopic, l.apply)
	return l
}

func (l *lockdown) apply(data []byte, _ time.Time) {
	var s lockdownState
	if err := json.Unmarshal(data, &s); err != nil { // of a later version: the safe side
		s = lockdownState{Mode: "read_only", Until: time.Now().Add(time.Hour)}
	}
	l.now.Store(&s)
}

// set makes a state known to every instance, until it ends.
func (l *lockdown) set(ctx context.Context, s lockdownState) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	// Each outlasts whatever it replaces: else that would come back for an
	// instance that starts later.
	return l.feed.Publish(ctx, lockdownTopic, data, maxAhead+time.Minute)
}

// state returns what holds now.
func (l *lockdown) state() lockdownState {
	s := l.now.Load()
	if s == nil || !time.Now().Before(s.Until) {
		return lockdownState{Mode: "off"}
	}
	return *s
}

// Handler returns the layer around next. Operators must be able to log in.
func (l *lockdown) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := l.state()
		if s.Mode == "off" || r.URL.Path == "/healthz" || r.URL.Path == "/api/token/" || strings.HasPrefix(r.URL.Path, "/api/ops/") || l.admits(s, r) {
			next.ServeHTTP(w, r)
			return
		}
		l.reporter.Refused(r, rampart.AuthzFail, s.Mode, slog.String("reason", "lockdown"), slog.String("mode", s.Mode))
		w.Header().Set("Retry-After", strconv.Itoa(int(time.Until(s.Until).Seconds())+1))
		(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "locked_down"}).Write(w)
	})
}

func (l *lockdown) admits(s lockdownState, r *http.Request) bool {
	if s.Mode == "read_only" {
		return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	}
	addr := l.clientIP(r).Unmap().WithZone("")
	for _, p := range s.Allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

type lockDown struct {
	Mode  string   `json:"mode" validate:"required,oneof=read_only deny"`
	Allow []string `json:"allow" validate:"max=64"`
	span
	noted
}

func (o *ops) lockDown(w http.ResponseWriter, r *http.Request, in lockDown) {
	until, err := in.end(time.Now())
	s := lockdownState{Mode: in.Mode, Until: until, Actor: actor(r), Note: in.Note}
	for i, text := range in.Allow {
		p, ok := parsePrefix(text)
		if !ok {
			err = errors.Join(err, fieldProblem("#/allow/"+strconv.Itoa(i), "invalid", "Not an address or prefix."))
		}
		s.Allow = append(s.Allow, p)
	}
	if err == nil && (in.Mode == "deny") != (len(s.Allow) > 0) {
		err = fieldProblem("#/allow", "invalid", `Goes with the mode "deny", and only there.`)
	}
	if err == nil {
		err = o.layers.lockdown.set(r.Context(), s)
	}
	o.done(w, r, err, in.Note, "lockdown", "", "mode", in.Mode, "until", until)
}

func (o *ops) liftLockdown(w http.ResponseWriter, r *http.Request, in noted) {
	err := o.layers.lockdown.set(r.Context(), lockdownState{Mode: "off"})
	o.done(w, r, err, in.Note, "lift_lockdown", "")
}

func (o *ops) showLockdown(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, o.layers.lockdown.state())
}

// parsePrefix reads an address or a prefix.
func parsePrefix(s string) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil && p == p.Masked() && !p.Addr().Is4In6()
}
