package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/jose"
)

const (
	fetchTimeout = 5 * time.Second
	outagePause  = 30 * time.Second // between two fetches of a set that was there before
	refreshAhead = 10 * time.Second // longer than a fetch takes
	maxSetBytes  = 256 << 10
	maxRedirects = 3
	maxReported  = 20              // keys that one fetch names in the log
	reportEvery  = 5 * time.Minute // of an outage that goes on

	defaultKeysLife = 10 * time.Minute
	minKeysLife     = time.Minute
	maxKeysLife     = 24 * time.Hour
)

var (
	errFetchAborted = errors.New("auth: the fetch did not end")
	errNoFetch      = errors.New("auth: the JWK set cannot be fetched")
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

// refresh fetches the set because it is time to.
func (rk *RemoteKeys) refresh() {
	rk.mu.Lock()
	defer rk.mu.Unlock()
	rk.launch(context.Background(), false)
}

// launch begins a fetch, unless one is under way: past every cache, if it is to be
// fresh. Others may wait for it, so it goes on if the client of the request that
// caused it leaves. The caller holds rk.mu.
func (rk *RemoteKeys) launch(ctx context.Context, fresh bool) {
	if rk.flight != nil || rk.closed {
		return
	}
	ctx, rk.cancel = context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	rk.flight = make(chan struct{})
	go rk.update(ctx, fresh)
}

// fetched is what came of a fetch.
type fetched struct {
	keys    []*Key
	skipped []jose.Skipped
	life    time.Duration
	err     error
}

// update fetches the set and ends the flight. A Transport that panics must not take
// the process along: no request stands behind it here.
func (rk *RemoteKeys) update(ctx context.Context, fresh bool) {
	got := fetched{err: errFetchAborted}
	defer func() {
		if p := recover(); p != nil {
			got.err = fmt.Errorf("%w: panic: %v", errFetchAborted, p)
		}
		rk.settle(ctx, got)
	}()
	got = rk.fetch(ctx, fresh)
}

// settle puts what was fetched in force, and says when to fetch again.
func (rk *RemoteKeys) settle(ctx context.Context, got fetched) {
	answered := got.err == nil || errors.Is(got.err, jose.ErrNoUsableKey)
	wait := outagePause
	if answered {
		wait = got.life - refreshAhead
		rk.set.Store(&remoteSet{keys: rk.set.Load().keep(got.keys), until: time.Now().Add(got.life + rk.maxStale)})
		rk.reportSkipped(ctx, got.skipped)
	}
	pause := retryPause
	if rk.set.Load().good() {
		pause = unknownPause
	}
	rk.mu.Lock()
	defer rk.mu.Unlock()
	rk.report(ctx, got.err)
	rk.next, rk.err = time.Now().Add(pause), got.err
	if rk.set.Load() != nil && !rk.closed {
		if rk.timer != nil {
			rk.timer.Stop()
		}
		rk.timer = time.AfterFunc(wait, rk.refresh)
	}
	rk.cancel()
	close(rk.flight)
	rk.flight = nil
}

// keep returns keys with those that s has already in their place: the cached
// tokens of a key go on with it.
func (s *remoteSet) keep(keys []*Key) []*Key {
	if s == nil {
		return keys
	}
	for i, k := range keys {
		for _, old := range s.keys {
			if old.ID() == k.ID() && old.Algorithm() == k.Algorithm() && jose.IssuerOf(old) == jose.IssuerOf(k) && jose.SamePublic(old, k) {
				keys[i] = old
			}
		}
	}
	return keys
}

// report says that the endpoint is down, or that it is back. The caller holds rk.mu.
func (rk *RemoteKeys) report(ctx context.Context, err error) {
	switch {
	case rk.closed:
	case err != nil && rk.err != nil && time.Since(rk.reported) < reportEvery:
	case err != nil:
		rk.reported = time.Now()
		rk.reporter.Report(ctx, rampart.SysBackendUnavailable, rk.shown, rampart.Text("url", rk.shown), rampart.Text("error", err.Error()))
	case rk.err != nil:
		rk.reporter.Report(ctx, rampart.SysBackendRecovered, rk.shown, rampart.Text("url", rk.shown))
	}
}

// reportSkipped names the keys that are not used, each once: not at every fetch.
func (rk *RemoteKeys) reportSkipped(ctx context.Context, skipped []jose.Skipped) {
	told := make(map[string]bool, len(skipped))
	untold := 0
	for _, s := range skipped {
		id := s.Kid + "\x00" + s.Reason
		if known := rk.told[id] || told[id]; known {
			told[id] = true
			continue
		}
		told[id] = true
		if untold++; untold > maxReported {
			continue
		}
		event := rampart.SysKeySkipped
		if s.Exposed {
			event = rampart.SysKeyExposed
		}
		rk.reporter.Report(ctx, event, rk.shown+" "+id, rampart.Text("url", rk.shown), rampart.Text("kid", s.Kid), rampart.Text("reason", s.Reason))
	}
	if more := untold - maxReported; more > 0 {
		rk.reporter.Report(ctx, rampart.SysKeySkipped, rk.shown, rampart.Text("url", rk.shown), rampart.Text("reason", fmt.Sprintf("and %d more keys", more)))
	}
	rk.told = told
}

// fetch asks the issuer for its set.
func (rk *RemoteKeys) fetch(ctx context.Context, fresh bool) fetched {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, rk.url, nil) //nolint:gosec // G704: the operator chose the URL
	if err != nil {
		return fetched{err: err}
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	if fresh { // a cache on the way has what we have
		r.Header.Set("Cache-Control", "no-cache")
	}
	resp, err := rk.client.Do(r) //nolint:gosec // G704: as above
	if err != nil {
		return fetched{err: withoutQuery(err, r.URL.RawQuery)}
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fetched{err: fmt.Errorf("auth: the JWK set answers %d", resp.StatusCode)}
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxSetBytes+1))
	if err != nil {
		return fetched{err: err}
	}
	if len(text) > maxSetBytes {
		return fetched{err: errSetTooLarge}
	}
	got := fetched{life: lifetime(resp.Header)}
	got.keys, got.skipped, got.err = jose.ParseSet(rk.algorithms, string(text))
	return got
}

// withoutQuery returns why a request failed: a [url.Error] has the whole URL in its
// text, and what a redirect leads to may have been made of the query.
func withoutQuery(err error, query string) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if query != "" && strings.Contains(err.Error(), query) {
		return errNoFetch
	}
	return err
}

// lifetime returns how long a response is fresh (RFC 9111 sections 4.2 and 5.2),
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
