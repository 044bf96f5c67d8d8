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
	"github.com/ecolaura/rampart/internal/jose"
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

	// MaxEntries bounds the sessions that are held, the subjects and the single
	// tokens: each takes some 150 bytes until what it concerns has expired. An
	// eighth more may wait for room. 0: 100 000.
	MaxEntries int

	// Logger receives the events. nil: slog.Default().
	Logger *slog.Logger
}

const (
	defaultMaxRevocations = 100_000
	revocationsTopic      = "auth.revocations"
	maxRevoked            = 100 * 365 * 24 * time.Hour // far from an overflow

	// clockMargin is what the clocks of instances and stores may differ by, without
	// a revocation being forgotten while a token lives that it concerns.
	clockMargin = time.Minute
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
// Revoked. What is revoked on one instance is revoked on all with the next poll of
// their feeds. Where sessions are issued, package session calls it.
//
// A token is revoked by its session (the claim sid), by its own jti, or if its
// subject logged in ([Token.AuthTime]) by the time up to which the sessions of the
// subject, or of everybody, were revoked. Other issuers write whole seconds, so
// that a log-in in the same second is revoked, too.
//
// It is safe for concurrent use. Create one with [NewRevocations]; the zero value
// knows nothing, and returns ErrOutage.
type Revocations struct {
	feed     rampart.Feed // nil: this process only
	outage   rampart.Outage
	reporter *rampart.Reporter
	sessions *expiringSet // by id
	tokens   *expiringSet // by jose.ForeignSession
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
		reporter: rampart.NewReporter(cfg.Logger, "auth"),
		sessions: newExpiringSet(cfg.MaxEntries),
		tokens:   newExpiringSet(cfg.MaxEntries),
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
	began := t.AuthTime().UnixMicro()
	if began <= r.all.Load() {
		return true
	}
	if floor, ok := r.subjects.get(t.subject); ok && began <= floor {
		return true
	}
	if _, ok := r.sessions.get(t.session); ok {
		return true
	}
	if t.id == "" || r.tokens.empty() && (r.sessions.empty() || jose.IsSession(t.session)) {
		return false
	}
	id := jose.ForeignSession(t.issuer, t.id)
	if _, ok := r.tokens.get(id); ok {
		return true
	}
	_, ok := r.sessions.get(id) // it began one
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

// RevokeToken revokes one token, on all instances, by its claims iss and jti, as
// [Token.Issuer], [Token.ID] and the log tell them. It is remembered until the
// token has expired ([Token.Expires]). What a refresh token has been renewed to
// goes on: revoke its session.
func (r *Revocations) RevokeToken(ctx context.Context, issuer, id string, expires time.Time) error {
	if id == "" {
		return errors.New("auth: a token without a jti cannot be revoked by it")
	}
	if jose.IsRefreshID(id) { // only its row decides
		return errors.New("auth: a refresh token of a session is revoked with that: RevokeSession")
	}
	if err := r.revoke(ctx, "token "+jose.ForeignSession(issuer, id), expires); err != nil {
		return err
	}
	r.reporter.Report(ctx, rampart.AuthnTokenRevoked, id, rampart.Text("id", id), rampart.Text("issuer", issuer))
	return nil
}

// RevokeSession revokes the tokens of a session, by its id ([Token.Session]).
// expires is when the last of them expires; until then it is remembered. Like the
// two methods below it logs nothing: package session, which calls them, does.
func (r *Revocations) RevokeSession(ctx context.Context, id string, expires time.Time) error {
	if id == "" {
		return errors.New("auth: no session")
	}
	return r.revoke(ctx, "session "+id, expires)
}

// RevokeSubject revokes the tokens of subject whose log-in began at or before the
// time upTo. expires is when the last of them expires.
func (r *Revocations) RevokeSubject(ctx context.Context, subject string, upTo, expires time.Time) error {
	if subject == "" {
		return errors.New("auth: no subject")
	}
	return r.revoke(ctx, "subject "+strconv.FormatInt(upTo.UnixMicro(), 10)+" "+subject, expires)
}

// RevokeBefore is [Revocations.RevokeSubject] for every subject.
func (r *Revocations) RevokeBefore(ctx context.Context, upTo, expires time.Time) error {
	return r.revoke(ctx, "all "+strconv.FormatInt(upTo.UnixMicro(), 10), expires)
}

// Changes are text: "token <hash>", "session <id>", "subject <floor> <subject>" and
// "all <floor>".

// revoke publishes a change that concerns tokens which expire by then.
func (r *Revocations) revoke(ctx context.Context, change string, expires time.Time) error {
	if r == nil || r.sessions == nil || r.closed.Load() {
		return ErrOutage
	}
	if expires.IsZero() {
		return errors.New("auth: a revocation needs to know until when its tokens live")
	}
	keep := min(time.Until(expires), maxRevoked) + maxLeeway + clockMargin
	if keep < time.Second {
		return nil // nobody takes them any more
	}
	if err := r.publish(ctx, change, keep); err != nil {
		return err
	}
	if r.outage != rampart.FailOpen {
		return nil
	}
	if !r.fits(change, time.Now().Add(keep)) { // it is there already, unless there was no room
		return ErrNoRoom
	}
	return nil
}

func (r *Revocations) publish(ctx context.Context, change string, keep time.Duration) error {
	if r.feed != nil {
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
	case what == "token" && rest != "":
		return true, r.tokens.raise(rest, 0, expires)
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

// Close lets go of all that is held; the feed stays open. Revoked then returns
// ErrOutage.
func (r *Revocations) Close() error {
	if r != nil && r.sessions != nil && !r.closed.Swap(true) {
		r.sessions.clear()
		r.tokens.clear()
		r.subjects.clear()
		r.waiting.clear()
		r.reporter.Flush()
	}
	return nil
}
