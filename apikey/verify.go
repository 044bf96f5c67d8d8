package apikey

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/ecolaura/rampart"
)

// Verify returns the caller who presents text as a key from the address from
// (zero if unknown). A refusal is an [*Error]. It neither logs nor responds,
// so it also serves outside HTTP.
func (ks *Keys) Verify(ctx context.Context, text string, from netip.Addr) (*Caller, error) {
	if ks.store == nil {
		return nil, unavailable("", errZero)
	}
	e, now, err := ks.find(ctx, text)
	if err != nil {
		return nil, err
	}
	k := e.caller.key
	if reason := k.state(now); reason != "" {
		return nil, &Error{Reason: reason, KeyID: k.ID}
	}
	if !k.admits(from) {
		return nil, &Error{Reason: KeyAddress, KeyID: k.ID}
	}
	if last := time.UnixMicro(e.used.Load()); ks.touch.due(last, now) {
		e.used.Store(now.UnixMicro())
		ks.touch.add(k.ID, now) //nolint:contextcheck // written later, for many requests at once
	}
	return e.caller, nil
}

// find returns the key whose text is text, and the time.
func (ks *Keys) find(ctx context.Context, text string) (*cached, time.Time, error) {
	id, ours := frame(ks.prefix, text)
	if ours {
		if e := ks.cache.of(id); e != nil { // its digest says more than a checksum
			if now := ks.clock(); e.holds(text, now) {
				return e, now, nil
			}
		}
		ours = intact(ks.prefix, text)
	}
	if !ours && len(ks.legacy) == 0 {
		return nil, time.Time{}, ks.malformed
	}
	now := ks.clock()
	var e *cached
	var err error
	if ours {
		e, err = ks.read(ctx, id, text, now, nil)
	} else {
		e, err = ks.findLegacy(ctx, text, now)
	}
	return e, now, err
}

// read asks the store for the key with this id, whose text must be text; kind
// is nil for a key of ours.
func (ks *Keys) read(ctx context.Context, id, text string, now time.Time, kind *Legacy) (*cached, error) {
	version := ks.cache.version(id)
	k, hash, err := ks.store.Lookup(ctx, id)
	if errors.Is(err, ErrNotFound) {
		// Hash all the same, so that the time does not tell ids that exist.
		ks.hasher.match(text, make([]byte, sha256.Size))
	}
	if err != nil {
		return nil, asError(id, err)
	}
	pepper := ks.hasher.match(text, hash)
	ok := pepper >= 0
	if !ok && kind != nil && len(hash) != sha256.Size { // that is the length of ours
		if ok, err = kind.match(ctx, text, hash); err != nil {
			return nil, unavailable(id, err)
		}
	}
	if !ok {
		return nil, &Error{Reason: KeyMismatch, KeyID: id}
	}
	if pepper != 0 && k.state(now) == "" {
		ks.rehash(ctx, id, hash, text)
	}
	e, err := ks.limited(ctx, k)
	if err != nil {
		return nil, err
	}
	ks.cache.put(id, text, e, version, now)
	return e, nil
}

// limited returns k without the scopes that its owner does not have any more. A key
// that has ended has no scopes, and nobody is asked: its owner may be gone, too.
func (ks *Keys) limited(ctx context.Context, k Key) (*cached, error) {
	if ks.ownerScopes != nil && k.state(ks.clock()) != "" {
		k.Scopes = nil
	}
	if ks.ownerScopes != nil && k.Owner != "" && len(k.Scopes) > 0 {
		has, err := ks.ownerScopes(ctx, k.Owner)
		if err != nil {
			return nil, unavailable(k.ID, err)
		}
		var left []string // k.Scopes may be the store's
		for _, s := range k.Scopes {
			if slices.Contains(has, s) {
				left = append(left, s)
			}
		}
		k.Scopes = left
	}
	return newCached(k), nil
}

// rehash stores a key as one that is made now would be. If another request did so
// meanwhile, all is well; if the store failed, the next use tries again.
func (ks *Keys) rehash(ctx context.Context, id string, old []byte, text string) {
	err := ks.store.UpdateHash(ctx, id, old, ks.hasher.sum(0, text))
	if err != nil && !errors.Is(err, ErrConflict) && ctx.Err() == nil {
		ks.report(ctx, rampart.SysBackendUnavailable, id, rampart.Text("error", err.Error()))
	}
}
