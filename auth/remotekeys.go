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
	unknownPause = 10 * time.Second // between two fetches for unknown keys, while there are some
	retryPause   = time.Second      // between two fetches while there are none

	defaultMaxStale = 24 * time.Hour
	maxMaxStale     = 30 * 24 * time.Hour
)

// RemoteKeysConfig says whose keys [RemoteKeys] has.
type RemoteKeysConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// URL is where the issuer publishes its JWK set (the jwks_uri of its
	// metadata). It must be https; http is for a loopback host, in tests. Its
	// query, which may hold a secret, is never logged. Required.
	URL string

	// Client fetches the set, within 5 seconds. It is copied; a redirect to another
	// host is refused whatever its CheckRedirect says. nil: a client of its own on
	// [http.DefaultTransport].
	Client *http.Client

	// Algorithms lists what tokens may be signed with, best first: a key that
	// names no alg is bound to the first one that fits it, because a key has
	// one algorithm (RFC 8725 section 3.1). HMAC is refused. Required.
	Algorithms []Algorithm

	// MaxStale is how long the keys of the last set stay good after it is no longer
	// fresh, while the endpoint cannot be reached or sends no JWK set. A key that the
	// issuer has withdrawn is believed that much longer by a server whose way to the
	// issuer is cut. 0: 24 hours; negative: not at all; 30 days at most.
	MaxStale time.Duration

	// Logger receives the events of an endpoint that is down or back, and of keys
	// that cannot be used. nil: slog.Default().
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
		bad.If(wrong, "URL", rampart.ReasonInvalid, shown(c.URL), wantURL)
	}
	bad.If(len(c.Algorithms) == 0, "Algorithms", rampart.ReasonMissing, nil, "list the algorithms that the issuer signs with, such as RS256 or ES256")
	for i, alg := range c.Algorithms {
		bad.If(!jose.Known(alg), "Algorithms", rampart.ReasonInvalid, alg, jose.WantAlgorithm)
		bad.If(jose.IsHMAC(alg), "Algorithms", rampart.ReasonConflict, alg, "a secret must not be published; list algorithms with public keys, such as RS256")
		bad.If(slices.Contains(c.Algorithms[:i], alg), "Algorithms", rampart.ReasonDuplicate, alg, conferr.WantOnce)
	}
	bad.If(c.MaxStale > maxMaxStale, "MaxStale", rampart.ReasonInvalid, c.MaxStale, "use up to 720h (30 days); 0 means 24h, and a negative value not at all")
	return bad.Err()
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// RemoteKeys is a [KeySource] with the keys that an issuer publishes as a JWK
// set. It is safe for concurrent use. Create one with [NewRemoteKeys]; the zero
// RemoteKeys has no key, which is a 503. [RemoteKeys.Close] ends it.
//
// The set is fetched when the first request needs it, and from then on in the
// background before it is no longer fresh: for as long as its Cache-Control says,
// a minute at least and a day at most. A request whose key is known never waits.
// One that names an unknown key asks for a fresh copy and waits for it as long as
// its context lasts: one fetch in 10 seconds at most, or in one second while there
// are no keys, whatever strangers send.
//
// A key is found by its kid and its algorithm. What cannot be used is skipped, and
// logged once with its kid and the reason; the other keys of the set go on. Of
// two different keys with one kid and algorithm neither is used, nor is a key whose
// private half is published.
//
// While the endpoint is down, or sends what is no JWK set, the keys of the last set
// go on for [RemoteKeysConfig].MaxStale; if there never was one, the response is 503.
// A set that has no usable key withdraws all keys.
type RemoteKeys struct {
	url, shown string // with and without the query
	client     *http.Client
	algorithms []Algorithm
	maxStale   time.Duration
	reporter   *rampart.Reporter
	set        atomic.Pointer[remoteSet] // nil: there never was one
	told       map[string]bool           // keys that are known to be skipped; of the fetch under way

	mu       sync.Mutex    // guards what follows; never held while fetching
	flight   chan struct{} // closed at the end of the fetch under way; nil: there is no fetch
	cancel   func()        // ends that fetch
	timer    *time.Timer   // begins the next one; nil until there is a set
	next     time.Time     // no fetch for a request before
	err      error         // of the last fetch
	reported time.Time     // when the log last heard of an outage
	closed   bool
}

// remoteSet is one immutable state of RemoteKeys.
type remoteSet struct {
	keys  []*Key
	until time.Time // good so long
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
		shown:      shown(cfg.URL),
		client:     keysClient(cfg.Client),
		algorithms: slices.Clone(cfg.Algorithms),
		maxStale:   max(cmp.Or(cfg.MaxStale, defaultMaxStale), 0),
		reporter:   rampart.NewReporter(cfg.Logger, "auth"),
	}, nil
}

// Close ends the refreshing, and waits for a fetch under way. The keys that are
// known stay good as if the endpoint were down from now on. It returns nil, also
// if it is called again.
func (rk *RemoteKeys) Close() error {
	if rk == nil {
		return nil
	}
	rk.mu.Lock()
	rk.closed = true
	if rk.timer != nil {
		rk.timer.Stop()
	}
	flight := rk.flight
	if flight != nil {
		rk.cancel()
	}
	rk.mu.Unlock()
	if flight != nil {
		<-flight
	}
	return nil
}

// Why there is no key.
var (
	errZeroRemoteKeys   = errors.New("auth: the remote keys were not made by NewRemoteKeys")
	errClosedRemoteKeys = errors.New("auth: the remote keys are closed")
)

// Key implements [KeySource]. A header without a kid finds the only key of its
// algorithm.
func (rk *RemoteKeys) Key(ctx context.Context, kid string, alg Algorithm) (*Key, error) {
	if rk == nil || rk.client == nil {
		return nil, errZeroRemoteKeys
	}
	if !slices.Contains(rk.algorithms, alg) {
		return nil, ErrUnknownKey
	}
	if found := rk.set.Load().find(kid, alg); found != nil {
		return found, nil
	}
	err := rk.await(ctx)
	set := rk.set.Load()
	if found := set.find(kid, alg); found != nil {
		return found, nil
	}
	if cut := ctx.Err(); cut != nil { // the wait was cut short: nobody knows
		return nil, cut
	}
	if !set.good() {
		return nil, fmt.Errorf("auth: no keys from %q: %w", rk.shown, cmp.Or(err, jose.ErrNoUsableKey))
	}
	return nil, ErrUnknownKey
}

// good reports whether s has a key that may be used now.
func (s *remoteSet) good() bool {
	return s != nil && len(s.keys) > 0 && time.Now().Before(s.until)
}

// find returns the key with that id and algorithm, or nil.
func (s *remoteSet) find(kid string, alg Algorithm) *Key {
	if !s.good() {
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
			if found != nil && !jose.SamePublic(found, k) {
				return nil // two could have signed it: no guessing
			}
			found = k
		}
	}
	return found
}

// await waits for the fetch that is under way or may begin now, no longer than ctx
// lasts, and returns the error of the last fetch.
func (rk *RemoteKeys) await(ctx context.Context) error {
	rk.mu.Lock()
	if !time.Now().Before(rk.next) {
		rk.launch(ctx, true)
	}
	flight := rk.flight
	rk.mu.Unlock()
	if flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	rk.mu.Lock()
	defer rk.mu.Unlock()
	if rk.closed {
		return errClosedRemoteKeys
	}
	return rk.err
}
