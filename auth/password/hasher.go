package password

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"runtime"
)

// MaxBytes is the length of the longest password, in bytes.
const MaxBytes = 4096

// ErrTooLong is the error of [Hasher.Hash] for a password of more than
// [MaxBytes]: a mistake of whoever chose it, not of the server.
var ErrTooLong = errors.New("password: too long")

// A Hasher hashes and verifies passwords. It is safe for concurrent use. Create
// one with [New] and share it: its bound on the hashes computed at once is its
// own. The zero Hasher is always busy: [ErrBusy].
type Hasher struct {
	params params
	gate   gate
	dummy  argon2Hash // of no password
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
	dummy := argon2Hash{params: p, salt: random(saltSize), tag: random(tagSize)}
	return &Hasher{params: p, gate: newGate(parallel, queue, cmp.Or(cfg.Wait, defaultWait)), dummy: dummy}, nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

// Hash returns the hash of pw in the PHC string format, under a new salt. The
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
	s := argon2Hash{params: h.params, salt: random(saltSize)}
	s.tag = s.derive(pw, tagSize)
	return s.encode(), nil
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
	if len(pw) > MaxBytes {
		return false, false, nil
	}
	s, unreadable := parse(encoded)
	if err := h.gate.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.gate.leave()
	if s == nil {
		h.dummy.matches(pw)
		return false, false, unreadable
	}
	if !s.matches(pw) {
		return false, false, nil
	}
	return true, !h.current(s), nil
}

// current reports whether s is as Hash would make it.
func (h *Hasher) current(s stored) bool {
	a, ok := s.(argon2Hash)
	return ok && !a.legacy && a.params == h.params && len(a.salt) == saltSize && len(a.tag) == tagSize
}
