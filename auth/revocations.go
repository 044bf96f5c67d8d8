package auth

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// RevocationsConfig configures [Revocations].
type RevocationsConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Feed brings what other instances revoke; one feed serves the sessions of
	// one set of users. nil: what is revoked holds in this process only.
	Feed rampart.Feed

	// Outage says what happens to tokens while the feed brings nothing, or while
	// more than MaxEntries revocations are live. FailClosed refuses them all: 503.
	// FailOpen goes by what is known: a revoked access token may stay good until it
	// expires, revocations that found no room have no effect here, and ordering
	// one is ErrNoRoom. Required with a feed; without one FailClosed is taken.
	Outage rampart.Outage

	// MaxEntries bounds the sessions that are held, and the subjects: each takes
	// some 150 bytes until its tokens have expired. An eighth more may wait for
	// room. 0: 100 000.
	MaxEntries int

	// Logger receives the events. nil: slog.Default().
	Logger *slog.Logger
}

const (
	defaultMaxRevocations = 100_000
	revocationsTopic      = "auth.revocations"
	maxRevoked            = 100 * 365 * 24 * time.Hour // far from an overflow
)

var (
	// ErrOutage is why [Revocations.Revoked] can say nothing of a token.
	ErrOutage = errors.New("auth: what has been revoked is not known now")
	// ErrNoRoom is returned for a revocation that has no effect here, for that
	// more than MaxEntries are live and the policy is FailOpen. It takes effect
	// once there is room, and other instances may have had some.
	ErrNoRoom = errors.New("auth: no room for another revocation")
)

// Revocations holds what has been revoked in the memory of each instance, so
// that asking costs no query: set [VerifierConfig].Revoked to its method
// Revoked, and [ServiceConfig].Revocations to it. What a [Service] ends is
// revoked on all instances with the next poll of their feeds.
//
// A token of a session is revoked by the session, or if its log-in began by the
// time at which the sessions of its subject, or all, were ended: the iat of the
// foreign token, where a session began with one. A token that no
// Service issued is revoked by its jti ([Revocations.RevokeToken], or a log-out
// if it is one that can be renewed), or if its iat is not after that time; its
// iat has whole seconds, so a foreign log-in in the same second is revoked, too.
//
// It is safe for concurrent use. Create one with [NewRevocations]; the zero value
// knows nothing, and answers ErrOutage.
type Revocations struct {
	feed     rampart.Feed // nil: this process only
	outage   rampart.Outage
	reporter *rampart.Reporter
	sessions *expiringSet // by id
	subjects *expiringSet // floors in microseconds since 1970
	all      atomic.Int64 // everybody's floor
	waiting  *waitingList // found no room yet
	overfull atomic.Int64 // until when a revocation is missing that is lost
	closed   atomic.Bool
}

// NewRevocations returns Revocations that know all that the feed retains, or
// every mistake in cfg, each a [rampart.ConfigError], joined.
func NewRevocations(cfg RevocationsConfig) (*Revocations, error) {
	bad := conferr.For("auth.RevocationsConfig")
	bad.If(cfg.Outage > rampart.FailOpen, "Outage", rampart.ReasonInvalid, cfg.Outage, conferr.WantOutage) // there is nothing to fall back to
	bad.If(cfg.Outage == 0 && cfg.Feed != nil, "Outage", rampart.ReasonMissing, nil, conferr.WantOutage)
	bad.If(cfg.MaxEntries < 0, "MaxEntries", rampart.ReasonInvalid, cfg.MaxEntries, "use 1 or more; 0 means 100000")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if cfg.MaxEntries == 0 {
		cfg.MaxEntries = defaultMaxRevocations
	}
	r := &Revocations{
		feed:     cfg.Feed,
		outage:   cfg.Outage,
		reporter: rampart.NewReporter(cfg.Logger),
		sessions: newExpiringSet(cfg.MaxEntries),
		subjects: newExpiringSet(cfg.MaxEntries),
		waiting:  newWaitingList(cfg.MaxEntries),
	}
	r.all.Store(math.MinInt64)
	if r.feed != nil {
		r.feed.Subscribe(revocationsTopic, r.apply)
	}
	return r, nil
}

// Revoked is for [VerifierConfig].Revoked: it says from memory whether t has been
// revoked. The error is ErrOutage where that cannot be known and the policy is to
// refuse.
func (r *Revocations) Revoked(_ context.Context, t *Token) (bool, error) {
	if r == nil || r.sessions == nil || r.closed.Load() {
		return false, ErrOutage
	}
	r.waiting.retry(r.fits)
	if r.knows(t) {
		return true, nil
	}
	if r.outage != rampart.FailOpen && r.blind() {
		return false, ErrOutage
	}
	return false, nil
}

// knows reports whether t is among what has been revoked.
func (r *Revocations) knows(t *Token) bool {
	began, id := t.issuedAt.UnixMicro(), t.session
	switch {
	case id != "":
		began = beganAt(t)
	case t.id != "" && !r.sessions.empty():
		id = foreignSessionID(t.issuer, t.id)
	}
	if began <= r.all.Load() {
		return true
	}
	if floor, ok := r.subjects.get(t.subject); ok && began <= floor {
		return true
	}
	_, ok := r.sessions.get(id)
	return ok
}

// blind reports whether revocations are missing here.
func (r *Revocations) blind() bool {
	if until := r.overfull.Load(); until != 0 && time.Now().UnixMicro() < until {
		return true
	}
	if !r.waiting.empty() {
		return true
	}
	return r.feed != nil && r.feed.Age() > 0
}

// RevokeToken revokes one token that no [Service] issued, on all instances, by
// its claims iss and jti, as [Token.Issuer], [Token.ID] and the log tell them. It
// is remembered until the token has expired ([Token.Expires]). A token of a
// Service is an error: it ends with its session ([Service.EndSession]).
//
// A refresh token that a Service has already renewed goes on: use
// [Service.RevokeToken] where there is one.
func (r *Revocations) RevokeToken(ctx context.Context, issuer, id string, expires time.Time) error {
	if r == nil || r.sessions == nil || r.closed.Load() {
		return ErrOutage
	}
	if id == "" {
		return errors.New("auth: a token without a jti cannot be revoked by it")
	}
	if session, _ := splitID(id); session != "" {
		return errors.New("auth: a token of a session is revoked with that")
	}
	keep := min(time.Until(expires), maxRevoked) + maxLeeway + clockMargin
	if keep < time.Second {
		return nil // nobody takes it any more
	}
	if err := r.endSession(ctx, foreignSessionID(issuer, id), keep); err != nil {
		return err
	}
	r.reporter.Report(ctx, rampart.AuthnTokenRevoked, id, rampart.Text("id", id), rampart.Text("issuer", issuer))
	return nil
}

// Changes are text: "session <id>", "subject <floor> <subject>", "all <floor>".

// endSession revokes the tokens of a session for that long.
func (r *Revocations) endSession(ctx context.Context, id string, keep time.Duration) error {
	err := r.publish(ctx, "session "+id, keep)
	if err == nil && r != nil && r.outage == rampart.FailOpen {
		if _, ok := r.sessions.get(id); !ok {
			return ErrNoRoom
		}
	}
	return err
}

// endSubject revokes the tokens of the sessions of subject that began by then;
// the subject "" is everybody.
func (r *Revocations) endSubject(ctx context.Context, subject string, before time.Time, keep time.Duration) error {
	floor := strconv.FormatInt(before.UnixMicro(), 10)
	if subject == "" {
		return r.publish(ctx, "all "+floor, keep)
	}
	err := r.publish(ctx, "subject "+floor+" "+subject, keep)
	if err == nil && r != nil && r.outage == rampart.FailOpen {
		if _, ok := r.subjects.get(subject); !ok { // one that is known has been raised
			return ErrNoRoom
		}
	}
	return err
}

func (r *Revocations) publish(ctx context.Context, change string, keep time.Duration) error {
	switch {
	case r == nil:
		return nil
	case r.feed != nil:
		return r.feed.Publish(ctx, revocationsTopic, []byte(change), keep)
	}
	r.apply([]byte(change), time.Now().Add(keep)) //nolint:contextcheck // what others hear from the feed concerns no request
	return nil
}

// apply takes in one change.
func (r *Revocations) apply(data []byte, expires time.Time) {
	if r.closed.Load() {
		return
	}
	r.waiting.retry(r.fits)
	change := string(data)
	understood, fits := r.put(change, expires)
	if understood && fits {
		return
	}
	if !understood || !r.waiting.add(change, expires) {
		raiseTo(&r.overfull, expires.UnixMicro())
	}
	r.reporter.Report(context.Background(), rampart.SysBackendUnavailable, "revocations", slog.String("backend", "revocations"),
		slog.String("reason", "a revocation was not understood or found no room"), slog.Time("until", expires))
}

// put takes in a change if it is understood (one of a later version is not: what
// that revokes is not known here) and there is room.
func (r *Revocations) put(change string, expires time.Time) (understood, fits bool) {
	what, rest, _ := strings.Cut(change, " ")
	floor, subject, _ := strings.Cut(rest, " ")
	micros, err := strconv.ParseInt(floor, 10, 64)
	switch {
	case what == "session" && rest != "":
		return true, r.sessions.raise(rest, 0, expires)
	case what == "subject" && err == nil && subject != "":
		return true, r.subjects.raise(subject, micros, expires)
	case what == "all" && err == nil:
		raiseTo(&r.all, micros)
		return true, true
	}
	return false, false
}

func (r *Revocations) fits(change string, expires time.Time) bool {
	_, fits := r.put(change, expires)
	return fits
}

func raiseTo(v *atomic.Int64, to int64) {
	for {
		old := v.Load()
		if to <= old || v.CompareAndSwap(old, to) {
			return
		}
	}
}

// Close lets go of all that is held; the feed stays open. Revoked then answers
// ErrOutage.
func (r *Revocations) Close() error {
	if r != nil && r.sessions != nil && !r.closed.Swap(true) {
		r.sessions.clear()
		r.subjects.clear()
		r.waiting.clear()
		r.reporter.Flush()
	}
	return nil
}
