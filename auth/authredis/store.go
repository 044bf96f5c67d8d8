package authredis

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/redisx"
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

// A DoFunc sends one command to Redis. The documentation of the same type in
// throttle/throttleredis shows one for go-redis, redigo and rueidis.
type DoFunc = redisx.DoFunc

// ErrOpen is returned, wrapped, without asking while Redis is known to fail.
var ErrOpen = redisx.ErrOpen

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

	// Timeout is for how long Redis may reply to no call of this process before those
	// that wait fail. While it replies to others, a call goes on to wait, up to a second
	// or the Timeout if that is longer, whatever the client does. A minute at most; 0:
	// 400 ms.
	Timeout time.Duration

	// Logger receives an event when Redis begins and when it ceases to fail;
	// nil: [slog.Default].
	Logger *slog.Logger
}

// A Store is a [session.Store] in Redis. It is safe for concurrent use, also
// by several processes. A row is deleted when its session has ended. Create one
// with [New]; the zero Store refuses everything.
type Store struct {
	reads, writes *redisx.Client // nil: the zero Store

	tag    string
	floors string // key of the floors
	till   string // key of the times until which they are needed
	keep   string // milliseconds

	create, get, list, advance, revoke, raise redisx.Script
}

var _ session.Store = (*Store)(nil)

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
	reads := redisx.New(do, cfg.Timeout, "auth/authredis", cfg.Logger)
	tag := "{" + cfg.Prefix + "}:"
	return &Store{
		reads:   reads,
		writes:  reads.Apart(),
		tag:     tag,
		floors:  tag + "floors",
		till:    tag + "floors:till",
		keep:    strconv.FormatInt(cfg.KeepFloors.Milliseconds(), 10),
		create:  redisx.NewScript(createText),
		get:     redisx.NewScript(getText),
		list:    redisx.NewScript(listText),
		advance: redisx.NewScript(advanceText),
		revoke:  redisx.NewScript(revokeText),
		raise:   redisx.NewScript(raiseText),
	}, nil
}

// Samples yields whether the Store has stopped to ask Redis, since it does not respond.
func (s *Store) Samples(yield func(rampart.Sample) bool) { s.reads.Samples(yield) }

var (
	errReply  = errors.New("a reply of Redis that this command does not have")
	errNobody = errors.New("authredis: no subject")
)

// hashLen is the length of a hash.
const hashLen = 43

// hash stands for text in the name of a key.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// rows begins the name of the key of each row.
func (s *Store) rows() string { return s.tag + "session:" }

// set is the key of a subject's sessions.
func (s *Store) set(subject string) string { return s.tag + "subject:" + hash(subject) }

// run runs a script about the session of that id.
func (s *Store) run(ctx context.Context, redis *redisx.Client, sc redisx.Script, id string, args ...any) (any, error) {
	return redis.Run(ctx, sc, 2, append([]any{s.rows() + hash(id), s.floors}, args...)...)
}

func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// failed says in which call Redis failed, if that is why.
func failed(what string, err error) error {
	if err == nil || errors.Is(err, session.ErrNoSession) {
		return err
	}
	return fmt.Errorf("authredis: %s: %w", what, err)
}

// Now implements [session.Store]: by the clock of Redis.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	reply, err := s.reads.Do(ctx, "TIME")
	now := time.Time{}
	if err == nil {
		now, err = readTime(reply)
	}
	return now, failed("now", err)
}

// Create implements [session.Store].
func (s *Store) Create(ctx context.Context, sess session.Session) error {
	id := hash(sess.ID)
	reply, err := s.writes.Run(ctx, s.create, 3, s.rows()+id, s.floors, s.set(sess.Subject),
		sess.Subject, micros(sess.AuthenticatedAt), strconv.FormatInt(sess.Generation, 10),
		micros(sess.RotatedAt), micros(sess.Expires), micros(sess.Ends),
		strconv.FormatInt(sess.Ends.Add(clockMargin).UnixMilli(), 10),
		sess.Device, s.rows(), id+sess.ID, strconv.FormatInt(clockMargin.Microseconds(), 10))
	if err == nil {
		switch said, _ := redisx.Text(reply); said {
		case "created":
			return nil
		case "exists":
			return session.ErrSessionExists
		case "superseded":
			return session.ErrSuperseded
		}
		err = errReply
	}
	return failed("create", err)
}

// Get implements [session.Store].
func (s *Store) Get(ctx context.Context, id string) (session.Session, error) {
	reply, err := s.run(ctx, s.reads, s.get, id)
	sess, _, err := read(id, reply, err)
	return sess, failed("get", err)
}

// List implements [session.Store]. It looks at the 1000 newest at most.
func (s *Store) List(ctx context.Context, subject string, limit int) ([]session.Session, error) {
	if subject == "" {
		return nil, errNobody
	}
	reply, err := s.reads.Run(ctx, s.list, 2, s.set(subject), s.floors, s.rows(), strconv.Itoa(limit))
	var live []session.Session
	if err == nil {
		live, err = readList(reply)
	}
	return live, failed("list", err)
}

// Advance implements [session.Store].
func (s *Store) Advance(ctx context.Context, id string, gen int64, at, expires time.Time) (session.Session, bool, error) {
	reply, err := s.run(ctx, s.writes, s.advance, id,
		strconv.FormatInt(gen, 10), strconv.FormatInt(gen+1, 10), micros(at), micros(expires))
	sess, moved, err := read(id, reply, err)
	return sess, moved, failed("advance", err)
}

// Revoke implements [session.Store].
func (s *Store) Revoke(ctx context.Context, id string) (bool, error) {
	reply, err := s.run(ctx, s.writes, s.revoke, id)
	said, _ := redisx.Text(reply)
	if err == nil && said != "known" && said != "unknown" {
		err = errReply
	}
	return said == "known", failed("revoke", err)
}

// RevokeSubject implements [session.Store]. It counts no further than 1000.
func (s *Store) RevokeSubject(ctx context.Context, subject string, before time.Time) (int, error) {
	if subject == "" {
		return 0, errNobody
	}
	return s.raiseFloor(ctx, subject, before)
}

// raiseFloor raises the floor of a subject; the subject "" is everybody.
func (s *Store) raiseFloor(ctx context.Context, subject string, before time.Time) (ended int, err error) {
	reply, err := s.writes.Run(ctx, s.raise, 3, s.set(subject), s.floors, s.till, subject, micros(before), s.keep, s.rows())
	if err == nil {
		said, _ := redisx.Text(reply)
		if ended, err = strconv.Atoi(said); err != nil {
			err = errReply
		}
	}
	return ended, failed("revoke subject", err)
}

// RevokeBefore implements [session.Store].
func (s *Store) RevokeBefore(ctx context.Context, before time.Time) error {
	_, err := s.raiseFloor(ctx, "", before)
	return err
}
