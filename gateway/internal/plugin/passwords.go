package plugin

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// Passwords hashes passwords, and checks them. It remembers right ones for as
// long as the process runs, as a keyed hash: a client sends its password with
// each request, and package password takes some 20 ms for it. It is safe for
// concurrent use.
type Passwords struct {
	hasher *password.Hasher // of requests
	loader *password.Hasher // of configurations: a flood of requests must not keep one away
	key    []byte

	mu    sync.Mutex
	right map[mark]string // to the hash that they match
}

// mark is the keyed hash of a name and a password.
type mark [sha256.Size]byte

// maxRight bounds what is remembered; only who knows a password adds to it.
const maxRight = 1 << 17

// NewPasswords returns empty Passwords.
func NewPasswords() (*Passwords, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	hasher, err := password.New(password.Config{NameKey: key})
	if err != nil {
		return nil, err
	}
	loader, err := password.New(password.Config{})
	return &Passwords{hasher: hasher, loader: loader, key: key, right: map[mark]string{}}, err
}

func (p *Passwords) mark(name, pw string) (m mark) {
	mac := hmac.New(sha256.New, p.key)
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(name)))
	mac.Write(length[:])
	mac.Write([]byte(name))
	mac.Write([]byte(pw))
	mac.Sum(m[:0])
	return m
}

// Hash replaces plain passwords by hashes: the same as before, if it has hashed
// them before.
func (p *Passwords) Hash(all []*conf.BasicAuth) error {
	var wg sync.WaitGroup
	var census password.Census
	turns, errs := make(chan struct{}, 4), make([]error, len(all))
	for i, b := range all {
		if b.Hashed() {
			continue
		}
		m := p.mark(b.Username, b.Password)
		if hash := p.recall(m); hash != "" {
			b.Password = hash
			continue
		}
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			hash, err := p.loader.Hash(context.Background(), b.Password)
			if errs[i] = err; err == nil {
				p.remember(m, hash)
				b.Password = hash
			}
		})
	}
	wg.Wait()
	for i, b := range all {
		if errs[i] != nil {
			return errs[i]
		}
		census.Add(b.Password)
	}
	return p.hasher.SetCensus(&census)
}

// Check reports whether a password is that of which hash is; "" is the hash of a
// name that there is not.
func (p *Passwords) Check(ctx context.Context, name, pw, hash string) (bool, error) {
	m := p.mark(name, pw)
	if hash != "" && p.recall(m) == hash {
		return true, nil
	}
	ok, _, err := p.hasher.Check(ctx, name, pw, hash)
	if ok {
		p.remember(m, hash)
	}
	return ok, err
}

func (p *Passwords) recall(m mark) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.right[m]
}

func (p *Passwords) remember(m mark, hash string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.right) >= maxRight {
		clear(p.right)
	}
	p.right[m] = hash
}
