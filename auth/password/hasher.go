package password

import (
	"cmp"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
)

// MaxBytes is the length of the longest password, in bytes.
const MaxBytes = 4096

// ErrTooLong is the error of [Hasher.Hash] for a password of more than
// [MaxBytes]: a mistake of the person who chose it, not of the server.
var ErrTooLong = errors.New("password: too long")

// A Hasher hashes and verifies passwords. It is safe for concurrent use. Create
// one with [New] and share it: its bound on the hashes computed at once is its
// own. The zero Hasher is always busy: [ErrBusy].
type Hasher struct {
	params     params
	format     Format
	iterations int // of FormatDjangoPBKDF2
	gate       gate
	dummy      stored // of no password, as Hash makes them
	nameKey    []byte
	census     *atomic.Pointer[Census]
}

// New returns a hasher that behaves as cfg says, or every mistake in cfg, each a
// [*rampart.ConfigError], joined.
func New(cfg Config) (*Hasher, error) {
	p, err := cfg.params()
	if err != nil {
		return nil, err
	}
	parallel, queue := cfg.Parallel, max(cfg.Queue, 0)
	if parallel == 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	if cfg.Queue == 0 {
		queue = 32 * parallel
	}
	h := &Hasher{
		params:     p,
		format:     cfg.Format,
		iterations: cmp.Or(cfg.Iterations, leastIterations),
		gate:       newGate(parallel, queue, cmp.Or(cfg.Wait, defaultWait)),
		nameKey:    slices.Clone(cfg.NameKey),
		census:     new(atomic.Pointer[Census]),
	}
	h.dummy = h.blank()
	h.census.Store(cfg.Census)
	return h, nil
}

// SetCensus replaces [Config].Census. It is an error, and changes nothing, if the census
// has several kinds of hashes and there is no NameKey.
func (h *Hasher) SetCensus(c *Census) error {
	if h.census == nil || c.mixed() && len(h.nameKey) == 0 {
		return errNoNameKey
	}
	h.census.Store(c)
	return nil
}

var errNoNameKey = errors.New("password: a census of several kinds of hashes needs a Hasher with a NameKey")

// blank returns a hash as Hash makes them, without its password.
func (h *Hasher) blank() stored {
	if h.format == FormatDjangoPBKDF2 {
		return pbkdf2Hash{hash: sha256.New, iterations: h.iterations, salt: rand.Text(), key: random(sha256.Size)}
	}
	a := argon2Hash{params: h.params, salt: random(saltSize), tag: random(tagSize), django: h.format == FormatDjangoArgon2}
	if a.django {
		a.salt = []byte(rand.Text()) // Django counts the characters, and replaces a hash with a few
	}
	return a
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

// Hash returns the hash of pw as [Config].Format says, under a new salt. The
// error is [ErrTooLong], [ErrBusy], or ctx's own: a caller that is gone gives up
// its place in the queue, while a computation that has begun is finished.
func (h *Hasher) Hash(ctx context.Context, pw string) (string, error) {
	if len(pw) > MaxBytes {
		return "", ErrTooLong
	}
	if err := h.gate.enter(ctx); err != nil {
		return "", err
	}
	defer h.gate.leave()
	return h.hash(pw), nil
}

// hash is Hash within the gate.
func (h *Hasher) hash(pw string) string {
	switch s := h.blank().(type) {
	case pbkdf2Hash:
		s.key, _ = pbkdf2.Key(s.hash, pw, []byte(s.salt), s.iterations, sha256.Size) // SHA-256 and these sizes do not fail
		return s.encode()
	case argon2Hash:
		s.tag = s.derive(pw, tagSize)
		return s.encode()
	}
	return "" // there is nothing else that blank returns
}

// Check is Verify for the account that name has, or has not: pass "" for encoded then.
// It returns in fresh the hash by which the stored one should be replaced, or "": also
// while others wait, who come first. Then a later log-in brings it.
//
// What cannot match costs what an account of that name may cost by [Config].Census:
// the same each time, and over all names as often as in the table. So the time of a
// wrong password does not tell whether the account exists; nor, in a table of several
// kinds, whether it is one of the older.
func (h *Hasher) Check(ctx context.Context, name, pw, encoded string) (ok bool, fresh string, err error) {
	var census *Census
	if h.census != nil {
		census = h.census.Load()
	}
	ok, upgrade, err := h.verify(ctx, pw, encoded, func() stored { return census.dummy(h.nameKey, name) }, &fresh)
	if !upgrade {
		fresh = ""
	}
	return ok, fresh, err
}

// Verify reports whether pw is the password of which encoded is the hash, and, if
// so, whether the hash should be replaced by one of [Hasher.Hash], because its
// scheme or parameters are not the configured ones.
//
// For an account that does not exist, pass "": that never matches and costs as
// much as a hash of the configured parameters. So does a hash that marks a
// password as unusable, as Django writes it ("!…"), and one that cannot be read,
// for which the error is a [*StoredError]. A password of more than [MaxBytes]
// matches nothing, at once. The other errors are those of Hash; ok is false
// with every error.
func (h *Hasher) Verify(ctx context.Context, pw, encoded string) (ok, upgrade bool, err error) {
	return h.verify(ctx, pw, encoded, func() stored { return nil }, nil)
}

// verify is Verify with a dummy of its own, nil for the usual one. It makes a new hash,
// too, if fresh is not nil and nobody waits.
func (h *Hasher) verify(ctx context.Context, pw, encoded string, dummy func() stored, fresh *string) (ok, upgrade bool, err error) {
	if len(pw) > MaxBytes {
		return false, false, nil
	}
	s, unreadable := parse(encoded)
	if err := h.gate.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.gate.leave()
	if s == nil {
		if s = dummy(); s == nil {
			s = h.dummy
		}
		s.matches(pw)
		return false, false, unreadable
	}
	if !s.matches(pw) {
		return false, false, nil
	}
	upgrade = !h.current(s)
	if upgrade && fresh != nil && !h.gate.contended() {
		*fresh = h.hash(pw)
	}
	return true, upgrade, nil
}

// current reports whether s is as Hash would make it.
func (h *Hasher) current(s stored) bool {
	switch s := s.(type) {
	case argon2Hash:
		return h.format != FormatDjangoPBKDF2 && s.django == (h.format == FormatDjangoArgon2) && !s.argon2i &&
			s.params == h.params && len(s.salt) >= saltSize && len(s.tag) == tagSize
	case pbkdf2Hash:
		return h.format == FormatDjangoPBKDF2 && len(s.key) == sha256.Size && s.iterations == h.iterations
	default:
		return false
	}
}
