package authredis

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/conferr"
)

const (
	defaultPrefix = "rampart:auth"
	defaultKeep   = 400 * 24 * time.Hour

	defaultTimeout = 400 * time.Millisecond
	maxTimeout     = time.Minute

	// clockMargin is how long a row outlives its session: an instance whose clock
	// is behind that of Redis must not adopt a used foreign token once more.
	clockMargin = 10 * time.Minute
)

// A Config configures a [Store]. The zero Config is a good one.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Prefix begins the name of each key, in braces, so that a cluster keeps them
	// together: "{prefix}:…". One prefix is for one set of users. It holds no
	// brace. "": "rampart:auth".
	Prefix string

	// KeepFloors is for how long it is remembered that the sessions of a subject
	// were ended: longer than any session lives, or any refresh token of another
	// issuer. An hour at least; 0: 400 days.
	KeepFloors time.Duration

	// Timeout is how long an answer of Redis is waited for, whatever the client
	// does. A minute at most; 0: 400 ms.
	Timeout time.Duration
}

// A Store is an [auth.SessionStore] in Redis. It is safe for concurrent use, also
// by several processes. A row is deleted when its session has ended. Create one
// with [New]; the zero Store refuses everything.
type Store struct {
	do     DoFunc // nil: the zero Store
	tag    string
	floors string // key of the floors
	till   string // key of the times until which they are needed
	keep   string // milliseconds
	wait   time.Duration

	create, get, advance, revoke, raise script
}

var _ auth.SessionStore = (*Store)(nil)

// New returns a store that sends its commands with do, or every mistake in do and
// cfg, each a [rampart.ConfigError], joined. It sends none itself.
func New(do DoFunc, cfg Config) (*Store, error) {
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	if cfg.KeepFloors == 0 {
		cfg.KeepFloors = defaultKeep
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	bad := conferr.For("authredis.Config")
	if do == nil {
		bad.Join(conferr.New("authredis.New", "do", rampart.ReasonMissing, nil, conferr.WantDo))
	}
	bad.If(strings.ContainsAny(cfg.Prefix, "{}"), "Prefix", rampart.ReasonInvalid, cfg.Prefix, "write the prefix without braces; the store adds them")
	bad.If(cfg.KeepFloors < time.Hour, "KeepFloors", rampart.ReasonInvalid, cfg.KeepFloors, "use 1h or more, longer than any session lives; 0 means 9600h (400 days)")
	bad.If(cfg.Timeout < 0 || cfg.Timeout > maxTimeout, "Timeout", rampart.ReasonInvalid, cfg.Timeout, "use up to 1m; 0 means 400ms")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	tag := "{" + cfg.Prefix + "}:"
	return &Store{
		do:      do,
		tag:     tag,
		floors:  tag + "floors",
		till:    tag + "floors:till",
		keep:    strconv.FormatInt(cfg.KeepFloors.Milliseconds(), 10),
		wait:    cfg.Timeout,
		create:  newScript(createText),
		get:     newScript(getText),
		advance: newScript(advanceText),
		revoke:  newScript(revokeText),
		raise:   newScript(raiseText),
	}, nil
}

var (
	errZeroStore = errors.New("the store was not made by New")
	errReply     = errors.New("a reply of Redis that this command does not have")
	errNobody    = errors.New("authredis: revoke subject: no subject")
	errPanic     = errors.New("the client panicked")
)

// run sends a script about the session of that id.
func (s *Store) run(ctx context.Context, sc script, id string, args ...string) (any, error) {
	sum := sha256.Sum256([]byte(id))
	key := s.tag + "session:" + base64.RawURLEncoding.EncodeToString(sum[:])
	return s.within(ctx, func(ctx context.Context) (any, error) {
		return sc.run(ctx, s.do, [2]string{key, s.floors}, args)
	})
}

// within asks Redis, but waits no longer than ctx and the time limit allow:
// clients retry, and some do not obey a context.
func (s *Store) within(ctx context.Context, ask func(context.Context) (any, error)) (any, error) {
	if s.do == nil {
		return nil, errZeroStore
	}
	if err := ctx.Err(); err != nil { // it would be random whether it is sent
		return nil, err
	}
	type answer struct {
		reply any
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	answers := make(chan answer, 1)
	go func() {
		a := answer{err: errPanic} // which would end the process
		defer func() {
			_ = recover()
			answers <- a
		}()
		a.reply, a.err = ask(ctx)
	}()
	select {
	case a := <-answers:
		return a.reply, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// Now implements [auth.SessionStore]: by the clock of Redis.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	reply, err := s.within(ctx, func(ctx context.Context) (any, error) { return s.do(ctx, "TIME") })
	now := time.Time{}
	if err == nil {
		now, err = readTime(reply)
	}
	if err != nil {
		err = fmt.Errorf("authredis: now: %w", err)
	}
	return now, err
}

// Create implements [auth.SessionStore].
func (s *Store) Create(ctx context.Context, sess auth.Session) error {
	reply, err := s.run(ctx, s.create, sess.ID,
		sess.Subject, micros(sess.AuthenticatedAt), strconv.FormatInt(sess.Generation, 10),
		micros(sess.RotatedAt), micros(sess.Expires), micros(sess.Ends),
		strconv.FormatInt(sess.Ends.Add(clockMargin).UnixMilli(), 10))
	if err == nil {
		switch text(reply) {
		case "created":
			return nil
		case "exists":
			return auth.ErrSessionExists
		case "superseded":
			return auth.ErrSuperseded
		}
		err = errReply
	}
	return fmt.Errorf("authredis: create: %w", err)
}

// Get implements [auth.SessionStore].
func (s *Store) Get(ctx context.Context, id string) (auth.Session, error) {
	reply, err := s.run(ctx, s.get, id)
	sess, _, err := read(id, reply, err)
	if err != nil && !errors.Is(err, auth.ErrNoSession) {
		err = fmt.Errorf("authredis: get: %w", err)
	}
	return sess, err
}

// Advance implements [auth.SessionStore].
func (s *Store) Advance(ctx context.Context, id string, gen int64, at, expires time.Time) (auth.Session, bool, error) {
	reply, err := s.run(ctx, s.advance, id,
		strconv.FormatInt(gen, 10), strconv.FormatInt(gen+1, 10), micros(at), micros(expires))
	sess, moved, err := read(id, reply, err)
	if err != nil && !errors.Is(err, auth.ErrNoSession) {
		err = fmt.Errorf("authredis: advance: %w", err)
	}
	return sess, moved, err
}

// Revoke implements [auth.SessionStore].
func (s *Store) Revoke(ctx context.Context, id string) error {
	if _, err := s.run(ctx, s.revoke, id); err != nil {
		return fmt.Errorf("authredis: revoke: %w", err)
	}
	return nil
}

// RevokeSubject implements [auth.SessionStore].
func (s *Store) RevokeSubject(ctx context.Context, subject string, before time.Time) error {
	if subject == "" {
		return errNobody
	}
	return s.raiseFloor(ctx, subject, before)
}

// raiseFloor raises the floor of a subject; the subject "" is everybody.
func (s *Store) raiseFloor(ctx context.Context, subject string, before time.Time) error {
	_, err := s.within(ctx, func(ctx context.Context) (any, error) {
		return s.raise.run(ctx, s.do, [2]string{s.floors, s.till}, []string{subject, micros(before), s.keep})
	})
	if err != nil {
		return fmt.Errorf("authredis: revoke subject: %w", err)
	}
	return nil
}

// RevokeBefore implements [auth.SessionStore].
func (s *Store) RevokeBefore(ctx context.Context, before time.Time) error {
	return s.raiseFloor(ctx, "", before)
}
