package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/jose"
)

const (
	refetchPause = 30 * time.Second // between two fetches while there are keys
	retryPause   = time.Second      // between two fetches while there are none
)

// RemoteKeysConfig says whose keys [RemoteKeys] has.
type RemoteKeysConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// URL is where the issuer publishes its JWK set (the jwks_uri of its
	// metadata). It must be https; http is for a loopback host, in tests.
	// Required.
	URL string

	// Client fetches the set. It is copied; a redirect to another host is
	// refused whatever its CheckRedirect says. nil: a client of its own on
	// [http.DefaultTransport].
	Client *http.Client

	// Algorithms lists what tokens may be signed with, best first: a key that
	// names no alg is bound to the first one that fits it, because a key has
	// one algorithm (RFC 8725 section 3.1). HMAC is refused. Required.
	Algorithms []Algorithm

	// Logger receives the events of an endpoint that is down or back. nil:
	// slog.Default().
	Logger *slog.Logger
}

func (c RemoteKeysConfig) validate() error {
	bad := conferr.For("auth.RemoteKeysConfig")
	const wantURL = `use an https URL without userinfo and fragment, such as "https://auth.example.com/jwks.json"; http is for a loopback address only`
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		bad.Add("URL", rampart.ReasonMissing, nil, wantURL)
	case err != nil || u.User != nil: // it may hold a password: no value
		bad.Add("URL", rampart.ReasonInvalid, nil, wantURL)
	default:
		wrong := u.Hostname() == "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname()))
		bad.If(wrong, "URL", rampart.ReasonInvalid, c.URL, wantURL)
	}
	bad.If(len(c.Algorithms) == 0, "Algorithms", rampart.ReasonMissing, nil, "list the algorithms that the issuer signs with, such as RS256 or ES256")
	for i, alg := range c.Algorithms {
		bad.If(!jose.Known(alg), "Algorithms", rampart.ReasonInvalid, alg, jose.WantAlgorithm)
		bad.If(jose.IsHMAC(alg), "Algorithms", rampart.ReasonConflict, alg, "a published secret is none; list algorithms with public keys, such as RS256")
		bad.If(slices.Contains(c.Algorithms[:i], alg), "Algorithms", rampart.ReasonDuplicate, alg, conferr.WantOnce)
	}
	return bad.Err()
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// RemoteKeys is a [KeySource] with the keys that an issuer publishes as a JWK
// set. It is safe for concurrent use. Create one with [NewRemoteKeys]; the zero
// RemoteKeys has no key, which is a 503.
//
// The set is fetched by the request that first needs it, and again when it is
// no longer fresh, or when a token names a key that it lacks: once in 30
// seconds at most, whatever strangers send. Of concurrent requests one fetches;
// those whose key is known do not wait for it. There is no goroutine to close.
//
// A set is fresh for as long as its Cache-Control says, a minute at least and a
// day at most. While the endpoint is down, or sends what is no JWK set, the
// keys of the last set go on; if there never was one, the answer is 503. A set
// that has no usable key withdraws all keys, and so does one that shows a
// private key or a secret, since everybody can then sign.
type RemoteKeys struct {
	url        string
	client     *http.Client
	algorithms []Algorithm
	reporter   *rampart.Reporter
	set        atomic.Pointer[remoteSet] // nil: there never was one

	mu     sync.Mutex // guards what follows; never held while fetching
	flight chan struct{}
	next   time.Time // no fetch before
	err    error     // of the last fetch
}

// remoteSet is one immutable state of RemoteKeys.
type remoteSet struct {
	keys  []*Key
	until time.Time // fresh so long
}

// NewRemoteKeys returns the keys that cfg names, or every mistake in cfg, each
// a [rampart.ConfigError], joined. It fetches nothing: an issuer that is down
// does not keep a server from starting.
func NewRemoteKeys(cfg RemoteKeysConfig) (*RemoteKeys, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &RemoteKeys{
		url:        cfg.URL,
		client:     keysClient(cfg.Client),
		algorithms: slices.Clone(cfg.Algorithms),
		reporter:   rampart.NewReporter(cfg.Logger),
	}, nil
}

// errZeroRemoteKeys is why the zero RemoteKeys has no key.
var errZeroRemoteKeys = errors.New("auth: the remote keys were not made by NewRemoteKeys")

// Key implements [KeySource]. A header without a kid finds the only key of its
// algorithm.
func (rk *RemoteKeys) Key(ctx context.Context, kid string, alg Algorithm) (*Key, error) {
	if rk == nil || rk.client == nil {
		return nil, errZeroRemoteKeys
	}
	if !slices.Contains(rk.algorithms, alg) {
		return nil, ErrUnknownKey
	}
	set := rk.set.Load()
	found := set.find(kid, alg)
	if found != nil && time.Now().Before(set.until) {
		return found, nil
	}
	err := rk.refresh(ctx, found == nil)
	set = rk.set.Load()
	if set == nil || len(set.keys) == 0 {
		return nil, fmt.Errorf("auth: no keys from %q: %w", rk.url, cmp.Or(err, jose.ErrNoUsableKey))
	}
	if found = set.find(kid, alg); found != nil {
		return found, nil
	}
	if err := ctx.Err(); err != nil { // the wait was cut short: nobody knows
		return nil, err
	}
	return nil, ErrUnknownKey
}

// find returns the key with that id and algorithm, or nil.
func (s *remoteSet) find(kid string, alg Algorithm) *Key {
	if s == nil {
		return nil
	}
	var found *Key
	for _, k := range s.keys {
		if k.Algorithm() != alg {
			continue
		}
		if k.ID() == kid {
			return k
		}
		if kid == "" {
			if found != nil {
				return nil // two could have signed it: no guessing
			}
			found = k
		}
	}
	return found
}

// refresh fetches the set, unless that was done a moment ago, and returns the
// error of the last fetch. If another request is at it, refresh waits for that
// one or returns at once.
func (rk *RemoteKeys) refresh(ctx context.Context, wait bool) error {
	rk.mu.Lock()
	switch flight := rk.flight; {
	case flight != nil && !wait:
		rk.mu.Unlock()
		return nil
	case flight != nil:
		rk.mu.Unlock()
		select {
		case <-flight:
		case <-ctx.Done():
			return ctx.Err()
		}
		return rk.lastError()
	case time.Now().Before(rk.next):
		defer rk.mu.Unlock()
		return rk.err
	}
	rk.flight = make(chan struct{})
	rk.mu.Unlock()
	rk.update(ctx)
	return rk.lastError()
}

func (rk *RemoteKeys) lastError() error {
	rk.mu.Lock()
	defer rk.mu.Unlock()
	return rk.err
}

// update fetches the set and ends the flight, even if a Transport panics.
func (rk *RemoteKeys) update(ctx context.Context) {
	err := errFetchAborted
	defer func() {
		pause := retryPause
		if set := rk.set.Load(); set != nil && len(set.keys) > 0 {
			pause = refetchPause
		}
		rk.mu.Lock()
		defer rk.mu.Unlock()
		rk.next, rk.err = time.Now().Add(pause), err
		close(rk.flight)
		rk.flight = nil
	}()
	// Others wait for it, so it goes on if the client of this request leaves.
	keys, life, err := rk.fetch(context.WithoutCancel(ctx))
	if err == nil || errors.Is(err, jose.ErrNoUsableKey) || errors.Is(err, jose.ErrPublishedSecret) {
		rk.set.Store(&remoteSet{keys: rk.set.Load().keep(keys), until: time.Now().Add(life)})
	}
	rk.report(ctx, err)
}

// keep returns keys with those that s has already in their place: the cached
// tokens of a key go on with it.
func (s *remoteSet) keep(keys []*Key) []*Key {
	if s == nil {
		return keys
	}
	for i, k := range keys {
		for _, old := range s.keys {
			if old.ID() == k.ID() && old.Algorithm() == k.Algorithm() && jose.SamePublic(old, k) {
				keys[i] = old
			}
		}
	}
	return keys
}

// report says that the endpoint is down, or that it is back.
func (rk *RemoteKeys) report(ctx context.Context, err error) {
	switch {
	case err != nil:
		rk.reporter.Report(ctx, rampart.SysBackendUnavailable, rk.url, rampart.Text("url", rk.url), rampart.Text("error", err.Error()))
	case rk.lastError() != nil:
		rk.reporter.Report(ctx, rampart.SysBackendRecovered, rk.url, rampart.Text("url", rk.url))
	}
}
