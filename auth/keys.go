package auth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/jose"
)

// A KeySource finds the key of a token. It is asked with what the token's
// header says, which nobody has signed yet. [ErrUnknownKey] makes the response a
// 401; any other error, such as a key server that cannot be reached, a 503. It
// must be safe for concurrent use, and quick: it is asked for cached tokens
// too, so that a key that is gone takes its tokens along.
type KeySource interface {
	Key(ctx context.Context, kid string, alg Algorithm) (*Key, error)
}

// ErrUnknownKey says that a [KeySource] has no key with that id and algorithm.
var ErrUnknownKey = errors.New("auth: unknown key")

// Keys is a set of keys: the first signs, all of them verify. It is safe for
// concurrent use. Create one with [NewKeys]; the zero Keys knows no key.
type Keys struct {
	mu  sync.Mutex // one change at a time
	set atomic.Pointer[keySet]
}

// keySet is one immutable state of Keys.
type keySet struct {
	keys   []keyUntil // the first one signs
	public []byte     // the JWK set
}

// keyUntil is a key that verifies until a time; the zero time means always.
type keyUntil struct {
	*Key
	until time.Time
}

func (k keyUntil) ended() bool { return !k.until.IsZero() && !time.Now().Before(k.until) }

// NewKeys returns a set in which signing signs and all verify. Refused are two
// keys with one id (or two without), and HMAC keys beside public ones: who
// knows a secret could then sign in the name of a private key's owner (RFC 8725
// section 3.1). A set that only verifies has a public key as its first one.
func NewKeys(signing *Key, verifyOnly ...*Key) (*Keys, error) {
	keys := []keyUntil{{Key: signing}}
	for _, k := range verifyOnly {
		keys = append(keys, keyUntil{Key: k})
	}
	set, err := newKeySet(keys)
	if err != nil {
		return nil, err
	}
	ks := &Keys{}
	ks.set.Store(set)
	return ks, nil
}

// published reports whether others can know one of the keys.
func (ks *Keys) published() bool {
	if ks == nil || ks.set.Load() == nil {
		return false
	}
	return slices.ContainsFunc(ks.set.Load().keys, func(k keyUntil) bool { return jose.IsPublished(k.Key) })
}

func newKeySet(keys []keyUntil) (*keySet, error) {
	bad := conferr.For("auth.NewKeys")
	plain := make([]*Key, 0, len(keys))
	for i, k := range keys {
		field := "verifyOnly"
		if i == 0 {
			field = "signing"
		}
		switch same := func(other *Key) bool { return other.ID() == k.ID() }; {
		case !jose.Made(k.Key):
			bad.Add(field, rampart.ReasonMissing, nil, "give a key of NewKey or ParseKey")
			continue
		case slices.ContainsFunc(plain, same):
			bad.Add(field, rampart.ReasonDuplicate, k.ID(), "another key has this id; give each key an id of its own")
		case len(plain) > 0 && jose.Symmetric(plain[0]) != jose.Symmetric(k.Key):
			bad.Add(field, rampart.ReasonConflict, k.ID(), "HMAC secrets do not go beside public keys; make two Verifiers")
		}
		plain = append(plain, k.Key)
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	public, err := jose.PublicSet(plain)
	if err != nil {
		return nil, err
	}
	return &keySet{keys: keys, public: public}, nil
}

// Key implements [KeySource]. A header with a kid finds the key of that id; one
// without finds the key without an id, or else the only one of its algorithm.
// A set of one key without an id takes tokens with any kid.
func (ks *Keys) Key(_ context.Context, kid string, alg Algorithm) (*Key, error) {
	set := ks.set.Load()
	if set == nil {
		return nil, ErrUnknownKey
	}
	if only := set.keys[0]; len(set.keys) == 1 && only.Algorithm() == alg && (only.ID() == "" || kid == "") {
		return only.Key, nil // it signs, so it has no end
	}
	var other *Key
	others := 0
	for _, k := range set.keys {
		if k.Algorithm() != alg || k.ended() {
			continue
		}
		if k.ID() == kid {
			return k.Key, nil
		}
		other, others = k.Key, others+1
	}
	if kid != "" || others != 1 { // two could have signed it: no guessing
		return nil, ErrUnknownKey
	}
	return other, nil
}

// Announce makes next a key that verifies, and publishes it in the JWK set, but
// does not sign with it: that is for [Keys.Rotate] with the same *Key, once
// all verifiers have had the time to learn of it. Several instances announce a key
// on all of them before the first one rotates. Readers of the JWK set may hold an
// older one for five minutes.
func (ks *Keys) Announce(next *Key) error {
	return ks.change(func(keys []keyUntil) []keyUntil { return append(keys, keyUntil{Key: next}) })
}

// Rotate makes next the key that signs. The keys so far go on verifying for
// keepOld, which should be the longest lifetime of a refresh token; 0 means
// that they are out at once, for a key that leaked.
func (ks *Keys) Rotate(next *Key, keepOld time.Duration) error {
	return ks.change(func(old []keyUntil) []keyUntil {
		keys := []keyUntil{{Key: next}}
		if keepOld <= 0 {
			return keys
		}
		end := time.Now().Add(keepOld)
		for _, k := range old {
			if k.until.IsZero() || end.Before(k.until) {
				k.until = end
			}
			if k.Key != next { // it was announced
				keys = append(keys, k)
			}
		}
		return keys
	})
}

// change replaces the keys by what f makes of those that still verify, if that
// is a set.
func (ks *Keys) change(f func([]keyUntil) []keyUntil) error {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	set := ks.set.Load()
	if set == nil {
		return conferr.New("auth.NewKeys", "signing", rampart.ReasonMissing, nil, "create the Keys with NewKeys before you change them")
	}
	changed, err := newKeySet(f(slices.DeleteFunc(slices.Clone(set.keys), keyUntil.ended)))
	if err != nil {
		return err
	}
	ks.set.Store(changed)
	return nil
}

// Signing returns the first key of the set, which signs if it is no public key;
// nil for the zero Keys.
func (ks *Keys) Signing() *Key {
	if ks == nil {
		return nil
	}
	if set := ks.set.Load(); set != nil {
		return set.keys[0].Key
	}
	return nil
}

// current returns the set without keys that have ended; nil if none is left.
func (ks *Keys) current() *keySet {
	if set := ks.set.Load(); set != nil && slices.ContainsFunc(set.keys, keyUntil.ended) {
		_ = ks.change(func(keys []keyUntil) []keyUntil { return keys }) // a part of a set is one
	}
	return ks.set.Load()
}

// maxJWKSAge is how long others may hold the published set; [Keys.Announce]
// names it.
const maxJWKSAge = 5 * time.Minute

// age returns how long the set may be held elsewhere: no longer than its keys
// verify here.
func (set *keySet) age() time.Duration {
	age := maxJWKSAge
	for _, k := range set.keys {
		if !k.until.IsZero() {
			age = max(0, min(age, time.Until(k.until)))
		}
	}
	return age
}

// ServeHTTP publishes the public keys as a JWK set (RFC 7517 section 5), for
// GET and HEAD. Secrets are never in it; a set of HMAC keys is an empty one. A
// key that no longer verifies is not published any more, and no cache is allowed
// to hold it longer.
func (ks *Keys) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		(&rampart.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"}).Write(w)
		return
	}
	body, age := []byte(`{"keys":[]}`), maxJWKSAge
	if set := ks.current(); set != nil {
		body, age = set.public, set.age()
	}
	h := w.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(age/time.Second)))
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // the client is gone if this fails
}
