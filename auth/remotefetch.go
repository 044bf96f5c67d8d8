package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart/internal/jose"
)

const (
	fetchTimeout = 5 * time.Second
	maxSetBytes  = 256 << 10
	maxRedirects = 3

	defaultKeysLife = 10 * time.Minute
	minKeysLife     = time.Minute
	maxKeysLife     = 24 * time.Hour
)

var (
	errFetchAborted = errors.New("auth: the fetch did not end")
	errSetTooLarge  = errors.New("auth: the JWK set is too large")
	errRedirect     = errors.New("auth: the JWK set redirects to another host, or too often")
)

// keysClient returns a copy of c that stays on one host: an open redirect at
// the issuer must not choose its keys.
func keysClient(c *http.Client) *http.Client {
	if c == nil {
		c = &http.Client{}
	}
	own := *c
	own.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if first := via[0].URL; r.URL.Scheme != first.Scheme || r.URL.Host != first.Host || len(via) > maxRedirects {
			return errRedirect
		}
		return nil
	}
	return &own
}

// fetch returns the usable keys of the set, and how long they are fresh.
func (rk *RemoteKeys) fetch(ctx context.Context) ([]*Key, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, rk.url, nil) //nolint:gosec // G704: the operator chose the URL
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := rk.client.Do(r) //nolint:gosec // G704: as above
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("auth: the JWK set answers %d", resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxSetBytes+1))
	if err != nil {
		return nil, 0, err
	}
	if len(text) > maxSetBytes {
		return nil, 0, errSetTooLarge
	}
	keys, err := jose.ParseSet(rk.algorithms, string(text))
	return keys, lifetime(resp.Header), err
}

// lifetime returns how long an answer is fresh (RFC 9111 sections 4.2 and 5.2),
// within our bounds.
func lifetime(h http.Header) time.Duration {
	life := defaultKeysLife
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return minKeysLife
		case "max-age":
			life = seconds(strings.Trim(value, `"`), life)
		}
	}
	life -= seconds(h.Get("Age"), 0) // it has lain in a cache on the way
	return min(max(life, minKeysLife), maxKeysLife)
}

// seconds reads delta-seconds (RFC 9111 section 1.2.2).
func seconds(s string, fallback time.Duration) time.Duration {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return fallback
	}
	return time.Duration(n) * time.Second
}
