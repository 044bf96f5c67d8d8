package auth_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/logtest"
)

// remoteWith is newRemote with a changed configuration.
func remoteWith(tb testing.TB, body string, change func(*auth.RemoteKeysConfig)) (*auth.RemoteKeys, *issuer, *logtest.Records) {
	tb.Helper()
	i, log := &issuer{body: body, status: http.StatusOK, header: http.Header{}}, &logtest.Records{}
	cfg := auth.RemoteKeysConfig{
		URL: jwksURL, Client: &http.Client{Transport: i}, Algorithms: []auth.Algorithm{auth.EdDSA}, Logger: log.Logger(),
	}
	change(&cfg)
	rk, err := auth.NewRemoteKeys(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, rk.Close()) })
	return rk, i, log
}

func TestKeysEndMaxStaleAfterTheLastSetIsNoLongerFresh(t *testing.T) {
	for _, tt := range []struct {
		desc           string
		maxStale, want time.Duration
	}{
		{"24 hours if it is not set", 0, 24 * time.Hour},
		{"as long as it says", time.Hour, time.Hour},
		{"not at all if it is negative", -1, 0},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, a := edKey(t, 'a', "a")
				rk, i, _ := remoteWith(t, jwks(a), func(c *auth.RemoteKeysConfig) { c.MaxStale = tt.maxStale })
				i.header.Set("Cache-Control", "max-age=600")
				_, err := rk.Key(t.Context(), "a", auth.EdDSA)
				require.NoError(t, err)
				i.set(func() { i.status = http.StatusNotFound })
				time.Sleep(10*time.Minute + tt.want - time.Millisecond)
				_, err = rk.Key(t.Context(), "a", auth.EdDSA)
				require.NoError(t, err)
				time.Sleep(time.Millisecond)
				_, err = rk.Key(t.Context(), "a", auth.EdDSA)
				require.ErrorContains(t, err, "the JWK set answers 404")
				assert.NotErrorIs(t, err, auth.ErrUnknownKey, "a 503, no 401")

				i.set(func() { i.status = http.StatusOK })
				time.Sleep(11 * time.Second)
				_, err = rk.Key(t.Context(), "a", auth.EdDSA)
				assert.NoError(t, err)
			})
		})
	}
}

func TestAKeyThatIsWithdrawnIsGoneWithTheNextFetchThoughNobodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		_, b := edKey(t, 'b', "b")
		rk, i, _ := newRemote(t, jwks(a))
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		require.NoError(t, err)
		i.set(func() { i.body = jwks(b) })
		time.Sleep(10 * time.Minute) // nobody asks, so nothing but the clock causes a fetch
		_, err = rk.Key(t.Context(), "a", auth.EdDSA)
		assert.ErrorIs(t, err, auth.ErrUnknownKey)
	})
}

func TestTheWaitForAnUnknownKeyEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		rk, i, _ := newRemote(t, jwks(a))
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		require.NoError(t, err)
		i.set(func() { i.delay = time.Hour })
		time.Sleep(time.Minute)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = rk.Key(ctx, "b", auth.EdDSA)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 100*time.Millisecond, time.Since(start))
		_, err = rk.Key(t.Context(), "b", auth.EdDSA)
		assert.ErrorIs(t, err, auth.ErrUnknownKey)
		assert.Equal(t, 5*time.Second, time.Since(start), "the fetch has its own end")
	})
}

func TestOnlyTheFetchForAnUnknownKeyGoesPastCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		var asked []string
		rk, _, _ := remoteWith(t, "", func(c *auth.RemoteKeysConfig) {
			c.Client = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.Header.Get("Cache-Control"))
				return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(jwks(a)))}, nil
			})}
		})
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		_, err = rk.Key(t.Context(), "b", auth.EdDSA)
		assert.ErrorIs(t, err, auth.ErrUnknownKey)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		assert.Equal(t, []string{"no-cache", "no-cache", ""}, asked)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheQueryOfTheURLIsNeverShown(t *testing.T) {
	const hidden = "key=hunter2&x=%41"
	for desc, answer := range map[string]func(*http.Request) (*http.Response, error){
		"no connection": func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") },
		"an error that repeats it": func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("cannot reach %s", r.URL)
		},
		"a redirect that repeats it": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusFound, Request: r, Header: http.Header{"Location": {"https://:bad port/?" + r.URL.RawQuery}}, Body: http.NoBody}, nil
		},
		"404": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusNotFound, Request: r, Header: http.Header{}, Body: http.NoBody}, nil
		},
		"skipped keys": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(jwks(`{"kty":"X"}`)))}, nil
		},
	} {
		rk, _, log := remoteWith(t, "", func(c *auth.RemoteKeysConfig) {
			c.URL += "?" + hidden
			c.Client = &http.Client{Transport: roundTripper(answer)}
		})
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		require.Error(t, err, desc)
		assert.Contains(t, log.String(), jwksURL, desc)
		assert.NotContains(t, err.Error()+log.String(), "hunter2", desc)
		if desc == "no connection" {
			assert.ErrorContains(t, err, "refused", "the cause is not lost with it")
		}
	}
	_, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: "http://issuer.test/jwks?" + hidden, Algorithms: []auth.Algorithm{auth.EdDSA}})
	require.ErrorContains(t, err, `"http://issuer.test/jwks"`)
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestCloseEndsTheFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		rk, i, log := newRemote(t, jwks(a))
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		require.NoError(t, err)
		i.set(func() { i.delay = time.Hour })
		time.Sleep(time.Minute)
		waiting := make(chan error)
		go func() {
			_, err := rk.Key(t.Context(), "b", auth.EdDSA)
			waiting <- err
		}()
		synctest.Wait()
		start := time.Now()
		require.NoError(t, rk.Close())
		assert.ErrorIs(t, <-waiting, auth.ErrUnknownKey)
		require.NoError(t, rk.Close())
		assert.Zero(t, time.Since(start), "the fetch under way was cut short")
		assert.NotContains(t, log.String(), "unavailable", "that is no outage")

		count := i.count()
		time.Sleep(24 * time.Hour)
		_, err = rk.Key(t.Context(), "a", auth.EdDSA)
		require.NoError(t, err, "known keys end as in an outage")
		time.Sleep(time.Hour)
		_, err = rk.Key(t.Context(), "a", auth.EdDSA)
		assert.ErrorContains(t, err, "closed")
		assert.Equal(t, count, i.count())
	})
	assert.NoError(t, (*auth.RemoteKeys)(nil).Close())
	assert.NoError(t, (&auth.RemoteKeys{}).Close())
}

func TestSkippedKeysAreNamedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		odd := func(kid string) string { return fmt.Sprintf(`{"kty":"X","kid":%q}`, kid) }
		rk, i, log := newRemote(t, jwks(a, odd("o"), odd("o"), odd("new\nline")))
		named := func() int { return strings.Count(log.String(), "event="+string(rampart.SysKeySkipped)) }
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		require.NoError(t, err)
		assert.Equal(t, 2, named())
		assert.NotContains(t, log.String(), "new\nline")
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, 2, named(), "not at every fetch")
		assert.Greater(t, i.count(), 5)

		many := []string{a, odd("o")}
		for n := range 200 {
			many = append(many, odd(fmt.Sprint("many", n)))
		}
		i.set(func() { i.body = jwks(many...) })
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, 2+20+1, named(), "and a number for the others")
		assert.Contains(t, log.String(), `"and 180 more keys"`)
	})
}

func TestAPublishedSecretIsReportedAndTheOtherKeysGoOn(t *testing.T) {
	_, a := edKey(t, 'a', "a")
	_, b := edKey(t, 'b', "b")
	private := func(jwk, kid string) string {
		return strings.Replace(strings.TrimSuffix(jwk, "}"), `"kid":"a"`, `"kid":"`+kid+`"`, 1) + `,"d":"AA"}`
	}
	for desc, tt := range map[string]struct {
		bad   string
		gone  string
		event rampart.Event
	}{
		"a private key":                          {private(a, "a"), "a", rampart.SysKeyExposed},
		"the private half of a key by its value": {private(a, "other"), "a", rampart.SysKeyExposed},
		"a private key without its numbers":      {`{"kty":"OKP","kid":"a","d":"AA"}`, "a", rampart.SysKeyExposed},
		"a private key of an unknown type":       {`{"kty":"AKP","priv":"AA"}`, "", rampart.SysKeyExposed},
		"a secret":                               {`{"kty":"oct","kid":"a","k":"` + b64(secret) + `"}`, "", rampart.SysKeyExposed},
		"a symmetric key without its secret":     {`{"kty":"o\u0063t","kid":"a"}`, "", rampart.SysKeySkipped},
	} {
		for _, body := range []string{jwks(tt.bad, a, b), jwks(a, b, tt.bad)} {
			rk, _, log := newRemote(t, body)
			_, err := rk.Key(t.Context(), "b", auth.EdDSA)
			require.NoError(t, err, desc)
			_, err = rk.Key(t.Context(), "a", auth.EdDSA)
			assert.Equal(t, tt.gone == "a", errors.Is(err, auth.ErrUnknownKey), desc)
			assert.Contains(t, log.String(), "event="+string(tt.event), desc)
			assert.Equal(t, tt.event == rampart.SysKeyExposed, strings.Contains(log.String(), "level=ERROR"), desc)
		}
	}
}

// TestEqualKeysAreOne: a token without a kid has one key to be good for, however
// often that is published.
func TestEqualKeysAreOne(t *testing.T) {
	_, a := edKey(t, 'a', "a")
	_, renamed := edKey(t, 'a', "b")
	_, other := edKey(t, 'c', "c")
	rk, _, _ := newRemote(t, jwks(a, renamed))
	key, err := rk.Key(t.Context(), "", auth.EdDSA)
	require.NoError(t, err)
	assert.Contains(t, []string{"a", "b"}, key.ID())
	rk, _, _ = newRemote(t, jwks(a, renamed, other))
	_, err = rk.Key(t.Context(), "", auth.EdDSA)
	assert.ErrorIs(t, err, auth.ErrUnknownKey)
}

// TestAnEndpointInTrouble is the bar of requests with 100 ms: those whose key is
// known do not notice the endpoint, the others end in time.
func TestAnEndpointInTrouble(t *testing.T) {
	if os.Getenv("RAMPART_BARS") == "" {
		t.Skip("RAMPART_BARS=1 measures it")
	}
	_, a := edKey(t, 'a', "a")
	var n atomic.Int64
	for desc, trouble := range map[string]http.HandlerFunc{
		"hung":    func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"404":     http.NotFound,
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("<html>", 1000)) },
		"10 MB":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat(" ", 10<<20)) },
		"rotating": func(w http.ResponseWriter, _ *http.Request) {
			_, next := edKey(t, byte('b'+n.Add(1)%20), fmt.Sprint(n.Load()))
			_, _ = io.WriteString(w, jwks(a, next))
		},
	} {
		t.Run(desc, func(t *testing.T) {
			var fails atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if fails.Load() {
					trouble(w, r)
					return
				}
				_, _ = io.WriteString(w, jwks(a))
			}))
			defer server.Close()
			rk, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: server.URL, Algorithms: []auth.Algorithm{auth.EdDSA}, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			defer func() { assert.NoError(t, rk.Close()) }()
			_, err = rk.Key(t.Context(), "a", auth.EdDSA)
			require.NoError(t, err)
			fails.Store(true)
			var waits []time.Duration
			var unknown time.Duration
			for began := time.Now(); time.Since(began) < 12*time.Second; { // long enough for a fetch
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				done := make(chan time.Duration)
				go func() {
					start := time.Now()
					_, err := rk.Key(ctx, "unknown", auth.EdDSA)
					assert.Error(t, err)
					done <- time.Since(start)
				}()
				for range 1000 {
					start := time.Now()
					_, err := rk.Key(ctx, "a", auth.EdDSA)
					waits = append(waits, time.Since(start))
					require.NoError(t, err)
				}
				unknown = max(unknown, <-done)
				cancel()
			}
			slices.SortFunc(waits, cmp.Compare)
			p99 := waits[len(waits)*99/100]
			t.Logf("%d requests with a known key: p99 %v, longest %v; with an unknown one: longest %v", len(waits), p99, waits[len(waits)-1], unknown)
			assert.Less(t, p99, time.Millisecond)
			assert.Less(t, unknown, 300*time.Millisecond)
		})
	}
}
