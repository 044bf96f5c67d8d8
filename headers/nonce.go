package headers

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"

	"github.com/ecolaura/rampart/internal/token"
)

// Nonce returns the nonce of the request that ctx belongs to: 128 fresh random
// bits in base64url, drawn at the first call and the same at each later one.
// The response's policies then carry it wherever they have [WithNonce], and the
// response is not stored by caches.
//
// Call it before the first byte of the body is written (render a page into a
// buffer, or ask for the nonce first): once the header is out a nonce cannot
// get into it. Nonce returns false then, and if no policy has WithNonce or no
// [Headers.Handler] is around. It is safe for concurrent use.
func Nonce(ctx context.Context) (string, bool) {
	a, ok := answerFrom(ctx)
	if !ok {
		return "", false
	}
	if drawn := a.nonce.Load(); drawn != nil {
		return *drawn, *drawn != ""
	}
	if !a.set.Load().nonced {
		return "", false
	}
	var bits [16]byte
	_, _ = rand.Read(bits[:]) // never fails (crypto/rand)
	fresh := base64.RawURLEncoding.EncodeToString(bits[:])
	if !a.nonce.CompareAndSwap(nil, &fresh) {
		fresh = *a.nonce.Load() // another goroutine was first, or the header is out
	}
	return fresh, fresh != ""
}

// seal returns the nonce, if one was drawn; none can be from now on.
func (a *answer) seal() string {
	if a.nonce.CompareAndSwap(nil, a.set.Load().noNonce) {
		return ""
	}
	return *a.nonce.Load()
}

// finishNonce puts the nonce into the policies that are still ours.
func (s *set) finishNonce(h http.Header, status int, nonce string) {
	for _, p := range []struct {
		name string
		text cspText
	}{{cspHeader, s.csp}, {cspReportOnlyHeader, s.cspReportOnly}} {
		i := slices.Index(h[p.name], p.text.plain)
		if p.text.pieces == nil || i < 0 {
			continue
		}
		lines := slices.Clone(h[p.name])
		switch {
		case status == http.StatusNotModified && len(lines) == 1:
			// The header of a 304 replaces that of the stored response (RFC 9111
			// section 3.2), whose body has the nonce of its own policy.
			delete(h, p.name)
		case status == http.StatusNotModified:
			h[p.name] = slices.Delete(lines, i, i+1)
		case nonce != "":
			lines[i] = p.text.with(nonce)
			h[p.name] = lines
		}
	}
	if nonce != "" && !token.Listed(h[cacheHeader], "no-store") {
		h[cacheHeader] = []string{"no-store"} // a stored nonce is known to every later reader
	}
}
