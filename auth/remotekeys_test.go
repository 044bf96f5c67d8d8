package auth_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/logtest"
)

// issuer is an http.RoundTripper that answers for https://issuer.test/jwks.
type issuer struct {
	mu      sync.Mutex
	body    string
	status  int
	header  http.Header
	err     error
	panics  bool
	delay   time.Duration
	fetches int
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.fetches++
	delay := i.delay
	i.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.panics {
		panic("transport")
	}
	if i.err != nil {
		return nil, i.err
	}
	return &http.Response{
		StatusCode: i.status, Header: i.header.Clone(), Request: r,
		Body: io.NopCloser(strings.NewReader(i.body)),
	}, nil
}

func (i *issuer) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// edKey returns a key pair and its public half as a JWK.
func edKey(tb testing.TB, seed byte, kid string) (*auth.Key, string) {
	tb.Helper()
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), 32)))
	key, err := auth.NewKey(auth.EdDSA, kid, private)
	require.NoError(tb, err)
	w := httptest.NewRecorder()
	newKeys(tb, key).ServeHTTP(w, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/", nil))
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	require.NoError(tb, json.Unmarshal(w.Body.Bytes(), &set))
	return key, string(set.Keys[0])
}

func jwks(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

const jwksURL = "https://issuer.test/jwks"

func newRemote(tb testing.TB, body string) (*auth.RemoteKeys, *issuer, *logtest.Records) {
	tb.Helper()
	i, log := &issuer{body: body, status: http.StatusOK, header: http.Header{}}, &logtest.Records{}
	rk, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{
		URL: jwksURL, Client: &http.Client{Transport: i},
		Algorithms: []auth.Algorithm{auth.EdDSA, auth.RS256, auth.PS256, auth.ES256},
		Logger:     slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, rk.Close()) })
	return rk, i, log
}

func TestRemoteKeysVerifyTokens(t *testing.T) {
	key, jwk := edKey(t, 'a', "a")
	other, otherJWK := edKey(t, 'b', "b")
	var body string
	fetches := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches++
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/jwks", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	body = jwks(jwk, `{"kty":"AKP","alg":"ML-DSA-44","kid":"pq","pub":"AA"}`, otherJWK)
	rk, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: server.URL + "/old", Algorithms: []auth.Algorithm{auth.EdDSA}})
	require.NoError(t, err)
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.Keys = rk })
	for _, k := range []*auth.Key{key, other} {
		pair, err := newService(t, signedBy(newKeys(t, k))).Issue(t.Context(), "1", nil)
		require.NoError(t, err)
		tok, err := v.Verify(t.Context(), pair.Access, auth.Access)
		require.NoError(t, err)
		assert.Equal(t, "1", tok.Subject())
	}
	assert.Equal(t, 2, fetches, "one fetch, with a redirect on the same host")
	_, err = v.Verify(t.Context(), token(), auth.Access)
	assert.Equal(t, auth.TokenKey, reason(err), "HS256 is not among the algorithms, and asks for no fetch")
	assert.Equal(t, 2, fetches)
}

// TestATokenMayNameEd25519: RFC 9864 has a name for what EdDSA stands for here.
func TestATokenMayNameEd25519(t *testing.T) {
	key, jwk := edKey(t, 'a', "a")
	rk, _, _ := newRemote(t, jwks(strings.Replace(jwk, `"EdDSA"`, `"Ed25519"`, 1)))
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.Keys = rk })
	for alg, want := range map[string]rampart.Denial{"EdDSA": "", "Ed25519": "", "ed25519": auth.TokenAlgorithm, "Ed448": auth.TokenAlgorithm} {
		input := b64(`{"alg":"`+alg+`","kid":"a","typ":"JWT"}`) + "." + b64(claims())
		sig, err := jose.Sign(t.Context(), key, nil, []byte(input))
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), input+"."+b64(string(sig)), auth.Access)
		assert.Equal(t, want, reason(err), alg)
	}
}

func TestRemoteKeysFindAKey(t *testing.T) {
	_, a := edKey(t, 'a', "a")
	_, b := edKey(t, 'b', "b")
	rsaJWK := fmt.Sprintf(`{"kty":"RSA","kid":"r","n":%q,"e":"AQAB"}`, publicModulus(t))
	tests := []struct {
		desc, body, kid string
		alg             auth.Algorithm
		want            string // kid; "" if unknown
	}{
		{"by its id", jwks(a, b), "b", auth.EdDSA, "b"},
		{"without an id, the only one", jwks(a, rsaJWK), "", auth.EdDSA, "a"},
		{"without an id, of two", jwks(a, b), "", auth.EdDSA, ""},
		{"of another algorithm", jwks(a), "a", auth.ES256, ""},
		{"of an algorithm that is not listed", jwks(a), "a", auth.HS256, ""},
		{"without an alg: the first that fits", jwks(rsaJWK), "r", auth.RS256, "r"},
		{"without an alg: only the first that fits", jwks(rsaJWK), "r", auth.PS256, ""},
		{"one for encryption", jwks(a, strings.Replace(b, `"sig"`, `"enc"`, 1)), "b", auth.EdDSA, ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			rk, _, _ := newRemote(t, tt.body)
			key, err := rk.Key(t.Context(), tt.kid, tt.alg)
			if tt.want == "" {
				assert.ErrorIs(t, err, auth.ErrUnknownKey)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, key.ID())
			assert.Equal(t, tt.alg, key.Algorithm())
		})
	}
}

func publicModulus(tb testing.TB) string {
	tb.Helper()
	key, err := auth.NewKey(auth.RS256, "r", privateKeys(tb)[auth.RS256])
	require.NoError(tb, err)
	w := httptest.NewRecorder()
	newKeys(tb, key).ServeHTTP(w, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/", nil))
	var set struct {
		Keys []struct {
			N string `json:"n"`
		} `json:"keys"`
	}
	require.NoError(tb, json.Unmarshal(w.Body.Bytes(), &set))
	return set.Keys[0].N
}

// TestSetsThatAreRefused: none of them is a set, so nobody can say whether a
// token is good.
func TestSetsThatAreRefused(t *testing.T) {
	_, a := edKey(t, 'a', "a")
	_, again := edKey(t, 'b', "a")
	with := func(member string) string { return strings.TrimSuffix(a, "}") + "," + member + "}" }
	tests := []struct{ desc, body, want string }{
		{"no JSON", "<html>", "not a JWK set"},
		{"no keys member", `{}`, "not a JWK set"},
		{"keys no array", `{"keys":{}}`, "not a JWK set"},
		{"keys null", `{"keys":null}`, "not a JWK set"},
		{"keys twice", `{"keys":[],"keys":[` + a + `]}`, "not a JWK set"},
		{"text behind the set", jwks(a) + "x", "not a JWK set"},
		{"a member twice in a key", jwks(with(`"kid":"b"`)), "not a JWK set"},
		{"a deep set", jwks(a, strings.Repeat("[", 50)+strings.Repeat("]", 50)), "not a JWK set"},
		{"a kid of two keys", jwks(a, again), "no usable key"},
		{"a private key", jwks(a, with(`"d":"AA"`)), "no usable key"},
		{"a private key, its name escaped", jwks(with(`"\u0064":"AA"`)), "no usable key"},
		{"a private key of that kid without its numbers", jwks(a, `{"kty":"OKP","kid":"a","d":"AA"}`), "no usable key"},
		{"an empty set", jwks(), "no usable key"},
		{"unknown and weak keys only", jwks(`{"kty":"X"}`, `1`, `{"kty":"RSA","n":"AQ","e":"AQAB"}`), "no usable key"},
		{"a huge set", jwks(a) + strings.Repeat(" ", 256<<10), "too large"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			rk, _, log := newRemote(t, tt.body)
			_, err := rk.Key(t.Context(), "a", auth.EdDSA)
			require.ErrorContains(t, err, tt.want)
			assert.NotErrorIs(t, err, auth.ErrUnknownKey)
			assert.Contains(t, log.String(), "sys_backend_unavailable")

			v := newVerifier(t, func(c *auth.VerifierConfig) { c.Keys = rk })
			w := serve(t, v.Handler(spy(t, false)), "Bearer "+b64(`{"alg":"EdDSA","kid":"a"}`)+"."+b64(claims())+".AAAA")
			assert.Equal(t, http.StatusServiceUnavailable, w.Code)
			assert.Empty(t, w.Header().Get("WWW-Authenticate"))
		})
	}
}

func TestRemoteKeysAreFetchedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		_, b := edKey(t, 'b', "b")
		rk, i, _ := newRemote(t, jwks(a))
		i.header.Set("Cache-Control", "public, max-age=86400")
		find := func(kid string) error {
			_, err := rk.Key(t.Context(), kid, auth.EdDSA)
			return err
		}
		assert.Zero(t, i.count(), "New fetches nothing")
		for second := range 100 { // an attacker, at full speed
			for range 10 {
				assert.ErrorIs(t, find(fmt.Sprint("junk", second)), auth.ErrUnknownKey)
			}
			time.Sleep(time.Second)
		}
		assert.Equal(t, 10, i.count(), "every 10 s")

		i.set(func() { i.body = jwks(a, b) })
		assert.NoError(t, find("b"), "a new key is found")
		assert.Equal(t, 11, i.count())
		time.Sleep(24*time.Hour - 11*time.Second)
		assert.NoError(t, find("a"))
		assert.Equal(t, 11, i.count(), "still fresh")
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 12, i.count(), "ten seconds before its end, though nobody asks")
	})
}

func TestCacheControlIsHonouredWithinBounds(t *testing.T) {
	tests := []struct {
		control []string
		age     string
		want    time.Duration
	}{
		{nil, "", 10 * time.Minute},
		{[]string{"max-age=3600"}, "", time.Hour},
		{[]string{`public, Max-Age="3600"`}, "", time.Hour},
		{[]string{"public", "max-age=3600"}, "", time.Hour},
		{[]string{"max-age=3600"}, "600", 50 * time.Minute},
		{[]string{"max-age=3600"}, "-1", time.Hour},
		{[]string{"max-age=0"}, "", time.Minute},
		{[]string{"max-age=60"}, "999", time.Minute},
		{[]string{"max-age=31536000"}, "", 24 * time.Hour},
		{[]string{"max-age=x"}, "", 10 * time.Minute},
		{[]string{"max-age=-5"}, "", 10 * time.Minute},
		{[]string{"no-store, max-age=3600"}, "", time.Minute},
		{[]string{"no-cache"}, "", time.Minute},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			_, a := edKey(t, 'a', "a")
			rk, i, _ := newRemote(t, jwks(a))
			i.header["Cache-Control"] = tt.control
			i.header.Set("Age", tt.age)
			for _, step := range []struct {
				wait time.Duration
				want int
			}{{0, 1}, {tt.want - 11*time.Second, 1}, {time.Second, 2}} {
				time.Sleep(step.wait)
				synctest.Wait()
				_, err := rk.Key(t.Context(), "a", auth.EdDSA)
				require.NoError(t, err)
				assert.Equal(t, step.want, i.count(), "%q %q", tt.control, tt.age)
			}
		})
	}
}

func TestStaleKeysAreKeptWhileTheEndpointIsDown(t *testing.T) {
	_, a := edKey(t, 'a', "a")
	for desc, down := range map[string]func(*issuer){
		"no connection": func(i *issuer) { i.err = errors.New("refused") },
		"500":           func(i *issuer) { i.status = http.StatusInternalServerError },
		"HTML":          func(i *issuer) { i.body = "<html>" },
		"too slow":      func(i *issuer) { i.delay = time.Hour },
		"a panic":       func(i *issuer) { i.panics = true },
	} {
		t.Run(desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rk, i, log := newRemote(t, jwks(a))
				first, err := rk.Key(t.Context(), "a", auth.EdDSA)
				require.NoError(t, err)
				i.set(func() { down(i) })
				time.Sleep(time.Hour)
				before := i.count()
				for range 60 {
					start := time.Now()
					key, err := rk.Key(t.Context(), "a", auth.EdDSA)
					require.NoError(t, err)
					assert.Zero(t, time.Since(start))
					assert.Same(t, first, key)
					time.Sleep(time.Second)
				}
				assert.LessOrEqual(t, i.count()-before, 2, "it is left in peace")
				assert.LessOrEqual(t, strings.Count(log.String(), "event=sys_backend_unavailable"), 13, "and so is the log")
				_, err = rk.Key(t.Context(), "b", auth.EdDSA)
				assert.ErrorIs(t, err, auth.ErrUnknownKey)

				i.set(func() { i.err, i.status, i.body, i.delay, i.panics = nil, 200, jwks(a), 0, false })
				time.Sleep(time.Minute)
				key, err := rk.Key(t.Context(), "a", auth.EdDSA)
				require.NoError(t, err)
				assert.Same(t, first, key, "the same key: its cached tokens go on")
				assert.Contains(t, log.String(), "sys_backend_recovered")
			})
		})
	}
}

func TestASetThatShowsASecretWithdrawsItsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		rk, i, _ := newRemote(t, jwks(a))
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		require.NoError(t, err)
		for _, body := range []string{jwks(strings.TrimSuffix(a, "}") + `,"d":"AA"}`), jwks()} {
			i.set(func() { i.body = body })
			time.Sleep(time.Hour)
			_, err = rk.Key(t.Context(), "a", auth.EdDSA)
			assert.Error(t, err)
			assert.NotErrorIs(t, err, auth.ErrUnknownKey)
			i.set(func() { i.body = jwks(a) })
			time.Sleep(time.Second)
			_, err = rk.Key(t.Context(), "a", auth.EdDSA)
			assert.NoError(t, err, "repaired")
		}
	})
}

func TestAKeyThatChangedUnderItsIDIsAnotherKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		_, changed := edKey(t, 'b', "a")
		rk, i, _ := newRemote(t, jwks(a))
		first, err := rk.Key(t.Context(), "a", auth.EdDSA)
		require.NoError(t, err)
		i.set(func() { i.body = jwks(changed) })
		time.Sleep(time.Hour)
		second, err := rk.Key(t.Context(), "a", auth.EdDSA)
		require.NoError(t, err)
		assert.NotSame(t, first, second)
	})
}

func TestAKeyUnderAnotherIDIsFoundByThatID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		_, renamed := edKey(t, 'a', "b")
		rk, i, _ := newRemote(t, jwks(a))
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		require.NoError(t, err)
		i.set(func() { i.body = jwks(renamed) })
		time.Sleep(time.Hour)
		_, err = rk.Key(t.Context(), "b", auth.EdDSA)
		require.NoError(t, err)
		_, err = rk.Key(t.Context(), "a", auth.EdDSA)
		assert.ErrorIs(t, err, auth.ErrUnknownKey)
	})
}

func TestConcurrentRequestsFetchOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		rk, i, _ := newRemote(t, jwks(a))
		i.delay = 2 * time.Second
		i.header.Set("Cache-Control", "max-age=3600")
		all := func(ctx context.Context, n int) []error {
			errs := make([]error, n)
			var wg sync.WaitGroup
			for j := range n {
				wg.Go(func() { _, errs[j] = rk.Key(ctx, "a", auth.EdDSA) })
			}
			wg.Wait()
			return errs
		}
		leader, leave := context.WithCancel(t.Context())
		go func() { _, _ = rk.Key(leader, "a", auth.EdDSA) }()
		time.Sleep(time.Second)
		leave() // the others still get the keys
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for _, err := range all(impatient, 5) {
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		}
		for _, err := range all(t.Context(), 50) {
			assert.NoError(t, err)
		}
		assert.Equal(t, 1, i.count())

		time.Sleep(time.Hour - 9*time.Second)
		assert.Equal(t, 2, i.count(), "under way, before the set is stale")
		start := time.Now()
		for _, err := range all(t.Context(), 50) {
			assert.NoError(t, err)
		}
		assert.Zero(t, time.Since(start), "who has a key does not wait for a fresher one")
		cut, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := rk.Key(cut, "b", auth.EdDSA)
		assert.ErrorIs(t, err, context.DeadlineExceeded, "nobody knows yet")
		time.Sleep(time.Minute)
		assert.Equal(t, 2, i.count())
	})
}

func TestNoKeyEverIs503AndTriedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		rk, i, _ := newRemote(t, jwks(a))
		i.err = errors.New("refused")
		for range 100 {
			_, err := rk.Key(t.Context(), "a", auth.EdDSA)
			assert.ErrorContains(t, err, "refused")
		}
		assert.Equal(t, 1, i.count())
		i.set(func() { i.err = nil })
		time.Sleep(time.Second)
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		assert.NoError(t, err)
	})
}

// TestARedirectFromHTTPSToHTTPIsRefused, on the same host and port, too: anybody on the
// way could answer there.
func TestARedirectFromHTTPSToHTTPIsRefused(t *testing.T) {
	_, jwk := edKey(t, 'a', "a")
	asked := &answers{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Scheme == "https" {
			http.Redirect(w, r, "http://"+r.URL.Host+"/jwks", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, jwks(jwk))
	})}
	rk, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{
		URL: jwksURL, Client: asked.client(), Algorithms: []auth.Algorithm{auth.EdDSA}, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, rk.Close()) })
	_, err = rk.Key(t.Context(), "a", auth.EdDSA)
	assert.ErrorContains(t, err, "redirects to another host")
	assert.Equal(t, []string{jwksURL}, asked.requests())
}

// TestAnOutageThatGoesOnIsLoggedAgain, every five minutes and not at every fetch.
func TestAnOutageThatGoesOnIsLoggedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := edKey(t, 'a', "a")
		rk, i, log := newRemote(t, jwks(a))
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		require.NoError(t, err)
		i.set(func() { i.status = http.StatusNotFound })
		time.Sleep(time.Hour)
		told := strings.Count(log.String(), "event="+string(rampart.SysBackendUnavailable))
		assert.InDelta(t, 10, told, 2)
		require.NoError(t, rk.Close())
	})
}

func TestRedirectsToAnotherHostAreRefused(t *testing.T) {
	_, a := edKey(t, 'a', "a")
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, jwks(a)) }))
	defer evil.Close()
	target := evil.URL
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target, http.StatusFound)
	}))
	defer server.Close()
	for _, target = range []string{evil.URL, "/loop"} {
		rk, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{
			URL: server.URL, Algorithms: []auth.Algorithm{auth.EdDSA}, Logger: slog.New(slog.DiscardHandler),
			Client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }},
		})
		require.NoError(t, err)
		_, err = rk.Key(t.Context(), "a", auth.EdDSA)
		assert.ErrorContains(t, err, "redirects to another host")
	}
}
