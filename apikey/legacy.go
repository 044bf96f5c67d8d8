package apikey

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
)

// A Legacy is a kind of keys that another system issued and that still work
// here. [Keys.Import] brings them in, [Config.Legacy] lets them be used. Make
// one with [PlainText] or [DjangoREST]; the zero Legacy is a mistake.
type Legacy struct {
	// id returns the id under which a key with this text is kept; "" if it is
	// found by its hash. False: the text is not of this kind.
	id func(text string) (id string, ok bool)
	// match reports whether stored, which is no hash of ours, is one of text.
	match func(ctx context.Context, text string, stored []byte) (bool, error)
	// accept takes the other system's record of a key apart.
	accept func(h hasher, stored string) (id string, hash []byte, ok bool)
}

// PlainText is for keys that were stored as they are, such as those of the
// APIKey model of the Django service that this module replaces: 16 to 128
// printable ASCII characters. [Keys.Import] takes the key and stores its hash.
// Use [Config.Peppers] if the keys could be guessed. They carry no id, so each
// use is a read by hash, cached or not.
func PlainText() Legacy {
	return Legacy{
		id: func(text string) (string, bool) { return "", plainKey(text) },
		accept: func(h hasher, stored string) (string, []byte, bool) {
			return "", h.sum(0, stored), plainKey(stored)
		},
	}
}

func plainKey(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return 16 <= len(s) && len(s) <= 128
}

// DjangoREST is for keys of djangorestframework-api-key, which read
// prefix.secret. [Keys.Import] takes the id column of its table, which reads
// prefix.hash. Hashes that begin with sha512$$ are checked here; others are of
// Django's password hashers and go to verify, such as the method Verify of a
// Hasher of package auth/password. It has to bound the work that one hash may
// cost, and how many run at once: a key's prefix is no secret. Nil: such keys
// are not imported. The first use of a key stores it under our own hash.
func DjangoREST(verify func(ctx context.Context, text, encoded string) (ok, upgrade bool, err error)) Legacy {
	return Legacy{
		id: func(text string) (string, bool) {
			prefix, secret, ok := strings.Cut(text, ".")
			return prefix, ok && prefix != "" && len(prefix) <= 16 && len(secret) >= 16 && len(secret) <= 128 && isBase62(prefix) && isBase62(secret)
		},
		match: func(ctx context.Context, text string, stored []byte) (bool, error) {
			if strings.HasPrefix(string(stored), djangoSHA512) {
				sum := sha512.Sum512([]byte(text))
				want := djangoSHA512 + hex.EncodeToString(sum[:])
				return subtle.ConstantTimeCompare([]byte(want), stored) == 1, nil
			}
			if verify == nil {
				return false, nil
			}
			ok, _, err := verify(ctx, text, string(stored))
			return ok, err
		},
		accept: func(_ hasher, stored string) (string, []byte, bool) {
			prefix, hash, _ := strings.Cut(stored, ".")
			ok := prefix != "" && len(prefix) <= 16 && isBase62(prefix) && printable(hash)
			if text, simple := strings.CutPrefix(hash, djangoSHA512); simple {
				ok = ok && len(text) == 2*sha512.Size
			} else {
				ok = ok && verify != nil && strings.Count(hash, "$") >= 2 && len(hash) > sha256.Size && len(hash) <= 512
			}
			return prefix, []byte(hash), ok
		},
	}
}

// djangoSHA512 begins the unsalted hashes of djangorestframework-api-key.
const djangoSHA512 = "sha512$$"

// Import stores a key that another system issued; stored is that system's
// record of it, as the Legacy says. Of k, unlike in [Keys.Create], the times
// are kept as well, and an expired or revoked key stays so; its ID is set anew.
// A key that was imported before is an error that wraps [ErrConflict].
func (ks *Keys) Import(ctx context.Context, k Key, from Legacy, stored string) (Key, error) {
	if ks.store == nil {
		return Key{}, unavailable("", errZero)
	}
	k = clone(k)
	if err := k.validate(time.Time{}); err != nil {
		return Key{}, err
	}
	if from.accept == nil {
		return Key{}, errNotOfThisKind
	}
	id, hash, ok := from.accept(ks.hasher, stored)
	if !ok {
		return Key{}, errNotOfThisKind
	}
	now := instant(ks.clock())
	if k.ID = id; id == "" {
		k.ID, _ = mint(ks.prefix, now)
	}
	if k.Created.IsZero() {
		k.Created = now
	}
	k.Successor = ""
	for _, t := range []*time.Time{&k.Created, &k.Expires, &k.Revoked, &k.LastUsed} {
		*t = instant(*t)
	}
	if err := ks.store.Insert(ctx, k, hash); err != nil {
		return Key{}, unavailable(k.ID, err)
	}
	ks.report(ctx, rampart.AuthnTokenCreated, k.ID, slog.Bool("imported", true))
	return k, nil
}

var errNotOfThisKind = errors.New("apikey: import: not a record of this kind")

// findLegacy returns the key of another system whose text is text.
func (ks *Keys) findLegacy(ctx context.Context, text string, now time.Time) (*cached, error) {
	var last error = ks.malformed
	for i := range ks.legacy {
		kind := &ks.legacy[i]
		id, ok := kind.id(text)
		if !ok {
			continue
		}
		e, err := ks.findKind(ctx, id, text, now, kind)
		if !is(err, KeyUnknown) {
			return e, err
		}
		last = err
	}
	return nil, last
}

func (ks *Keys) findKind(ctx context.Context, id, text string, now time.Time, kind *Legacy) (*cached, error) {
	if id == "" {
		return ks.readByHash(ctx, text)
	}
	if e := ks.cache.of(id); e != nil && e.holds(text, now) {
		return e, nil
	}
	return ks.read(ctx, id, text, now, kind)
}

// readByHash asks the store for the key with this text. The hash of a text is
// not what a client chose, so that comparing it need not take constant time.
func (ks *Keys) readByHash(ctx context.Context, text string) (*cached, error) {
	for i := range ks.hasher.peppers {
		hash := ks.hasher.sum(i, text)
		k, err := ks.store.LookupHash(ctx, hash)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, unavailable("", err)
		}
		if i > 0 {
			ks.rehash(ctx, k.ID, hash, text)
		}
		return ks.limited(ctx, k)
	}
	return nil, &Error{Reason: KeyUnknown}
}
