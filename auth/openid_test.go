package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authtest"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// answers is a client whose requests a handler answers in memory, whatever their
// host and scheme.
type answers struct {
	http.Handler
	mu    sync.Mutex
	asked []string
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.asked = append(a.asked, r.URL.String())
	a.mu.Unlock()
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w.Result(), nil
}

// requests returns what was asked for so far.
func (a *answers) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

func (a *answers) client() *http.Client { return &http.Client{Transport: a} }

// metadata answers with these texts, by their URLs; with 404 for any other.
func metadata(texts map[string]string) *answers {
	return &answers{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := texts["https://"+r.Host+r.URL.EscapedPath()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	})}
}

func of(issuer, keys string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer, keys) }

func openIDConfig(issuer string, client *http.Client) auth.OpenIDConfig {
	return auth.OpenIDConfig{Issuer: issuer, Audience: "api", Profile: auth.Auth0(), Client: client, Logger: slog.New(slog.DiscardHandler)}
}

func TestOpenIDFindsTheMetadata(t *testing.T) {
	const keys = "https://keys.example/set"
	tests := []struct {
		desc, issuer, metadataURL string
		at, text                  string // of the metadata
		want                      string // in the error; empty: it is found
	}{
		{"below the issuer", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example", keys), ""},
		{"below an issuer with a path", "https://a.example/x/y", "", "https://a.example/x/y/.well-known/openid-configuration", of("https://a.example/x/y", keys), ""},
		{"below an issuer with a slash", "https://a.example/", "", "https://a.example/.well-known/openid-configuration", of("https://a.example/", keys), ""},
		{"that of OAuth, by its host", "https://a.example", "", "https://a.example/.well-known/oauth-authorization-server", of("https://a.example", keys), ""},
		{"that of OAuth, before the path", "https://a.example/x/y", "", "https://a.example/.well-known/oauth-authorization-server/x/y", of("https://a.example/x/y", keys), ""},
		{"that of OAuth, before a path with a slash", "https://a.example/x/", "", "https://a.example/.well-known/oauth-authorization-server/x", of("https://a.example/x/", keys), ""},
		{"a path with an escape stays as it is", "https://a.example/x%2Fy", "", "https://a.example/.well-known/oauth-authorization-server/x%2Fy", of("https://a.example/x%2Fy", keys), ""},
		{"elsewhere, where it is said", "https://a.example", "https://b.example/meta", "https://b.example/meta", of("https://a.example", keys), ""},
		{"elsewhere, of another issuer", "https://a.example", "https://b.example/meta", "https://b.example/meta", of("https://b.example", keys), "Issuer: mismatch"},
		{"keys on the issuer's host", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example", "https://a.example/keys"), ""},
		{"of another issuer", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://evil.example", keys), `is that of the issuer "https://evil.example"`},
		{"with a slash too many", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example/", keys), "Issuer: mismatch"},
		{"with a slash too few", "https://a.example/", "", "https://a.example/.well-known/openid-configuration", of("https://a.example", keys), "Issuer: mismatch"},
		{"in another case", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://A.example", keys), "Issuer: mismatch"},
		{"with a port", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example:443", keys), "Issuer: mismatch"},
		{"with a longer path", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example/x", keys), "Issuer: mismatch"},
		{"no issuer", "https://a.example", "", "https://a.example/.well-known/openid-configuration", `{"jwks_uri":"https://keys.example/set"}`, "no strict JSON object"},
		{"no keys", "https://a.example", "", "https://a.example/.well-known/openid-configuration", `{"issuer":"https://a.example"}`, "no strict JSON object"},
		{"issuer twice", "https://a.example", "", "https://a.example/.well-known/openid-configuration", `{"issuer":"https://b.example","issuer":"https://a.example","jwks_uri":"https://keys.example"}`, "no strict JSON object"},
		{"issuer a list", "https://a.example", "", "https://a.example/.well-known/openid-configuration", `{"issuer":["https://a.example"],"jwks_uri":"https://keys.example"}`, "no strict JSON object"},
		{"a page of HTML", "https://a.example", "", "https://a.example/.well-known/openid-configuration", `<!doctype html>`, "no strict JSON object"},
		{"something behind it", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example", keys) + "{}", "no strict JSON object"},
		{"a megabyte", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example", keys) + strings.Repeat(" ", 1<<20), "too large"},
		{"keys in the clear", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example", "http://keys.example/set"), "not https"},
		{"keys in the clear on this host", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example", "http://127.0.0.1/set"), "not https"},
		{"keys in a file", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example", "file:///etc/passwd"), "not https"},
		{"keys at a relative address", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example", "/keys"), "not https"},
		{"keys with a password", "https://a.example", "", "https://a.example/.well-known/openid-configuration", of("https://a.example", "https://u:pw@keys.example/set"), "jwks_uri"},
		{"nowhere", "https://a.example", "", "https://b.example", "", "answers 404"},
		{"of all tenants", "https://a.example/{tenantid}/v2.0", "", "https://a.example/common/v2.0/.well-known/openid-configuration", of("https://a.example/{tenantid}/v2.0", keys), ""},
		{"of all tenants, but one's", "https://a.example/{tenantid}/v2.0", "", "https://a.example/common/v2.0/.well-known/openid-configuration", of("https://a.example/common/v2.0", keys), "Issuer: mismatch"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			cfg := openIDConfig(tt.issuer, metadata(map[string]string{tt.at: tt.text}).client())
			cfg.MetadataURL = tt.metadataURL
			if strings.Contains(tt.issuer, "{") {
				cfg.Profile, cfg.Tenants = auth.Entra(), []string{"*"}
			}
			v, err := auth.OpenID(t.Context(), cfg)
			if tt.want == "" {
				require.NoError(t, err)
				assert.NotNil(t, v)
				return
			}
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "pw")
			assert.Nil(t, v)
		})
	}
}

// TestOpenIDLooksAtTheOtherPlace: a server of pages answers 200 for every path.
func TestOpenIDLooksAtTheOtherPlaceWhereOneHasNoMetadata(t *testing.T) {
	for _, page := range []string{"<!doctype html>", "{}"} {
		_, err := auth.OpenID(t.Context(), openIDConfig("https://a.example", metadata(map[string]string{
			"https://a.example/.well-known/openid-configuration":       page,
			"https://a.example/.well-known/oauth-authorization-server": of("https://a.example", "https://keys.example"),
		}).client()))
		assert.NoError(t, err)
	}
}

func TestTheQueryOfTheMetadataIsInNoError(t *testing.T) {
	const address = "https://b.example/meta?key=pa55"
	for desc, client := range map[string]*http.Client{
		"of another issuer": metadata(map[string]string{"https://b.example/meta": of("https://b.example", "https://keys.example")}).client(),
		"a page":            metadata(map[string]string{"https://b.example/meta": "<!doctype html>"}).client(),
		"nothing":           metadata(nil).client(),
		"no network":        {Transport: broken{}},
	} {
		cfg := openIDConfig("https://a.example", client)
		cfg.MetadataURL = address
		_, err := auth.OpenID(t.Context(), cfg)
		require.ErrorContains(t, err, "a.example", desc)
		assert.NotContains(t, err.Error(), "pa55", desc)
	}
}

// broken is a network that is down.
type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("down") }

func TestOpenIDFollowsNoRedirectOfTheMetadata(t *testing.T) {
	for _, to := range []string{"https://evil.example/", "http://a.example/", "https://a.example/elsewhere"} {
		good := of("https://a.example", "https://keys.example")
		asked := &answers{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "well-known") {
				http.Redirect(w, r, to, http.StatusFound)
				return
			}
			fmt.Fprint(w, good)
		})}
		cfg := openIDConfig("https://a.example", asked.client())
		cfg.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
		_, err := auth.OpenID(t.Context(), cfg)
		require.ErrorContains(t, err, "redirects")
		assert.Len(t, asked.requests(), 2, "the two well-known places, and nothing else")
	}
}

func TestOpenIDFollowsTheKeysToTheHostThatTheIssuerNames(t *testing.T) {
	idp := authtest.NewIssuer(t)
	var asked *answers
	asked = &answers{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if all := asked.requests(); strings.HasPrefix(all[len(all)-1], "https://cdn.example/") {
			r.URL.Path = "/jwks"
			idp.ServeHTTP(w, r)
			return
		}
		fmt.Fprint(w, of("https://a.example", "https://cdn.example/k"))
	})}
	v, err := auth.OpenID(t.Context(), openIDConfig("https://a.example", asked.client()))
	require.NoError(t, err)
	raw := idp.Token(authtest.Auth0, authtest.Access, map[string]any{"iss": "https://a.example", "aud": "api"})
	_, err = v.Verify(t.Context(), raw, auth.Access)
	require.NoError(t, err)
	assert.Equal(t, []string{"https://a.example/.well-known/openid-configuration", "https://cdn.example/k"}, asked.requests())
}

func TestOpenIDWithTheAddressOfTheKeysAsksForNothingAtTheStart(t *testing.T) {
	idp := authtest.NewIssuer(t)
	asked := &answers{Handler: idp}
	cfg := openIDConfig("https://a.example", asked.client())
	cfg.KeysURL = "https://a.example/jwks"
	v, err := auth.OpenID(t.Context(), cfg)
	require.NoError(t, err)
	assert.Empty(t, asked.requests())
	_, err = v.Verify(t.Context(), idp.Token(authtest.Auth0, authtest.Access, map[string]any{"iss": "https://a.example", "aud": "api"}), auth.Access)
	require.NoError(t, err)
}

func TestOpenIDEndsWithItsContextAndInTenSeconds(t *testing.T) {
	hung := &http.Client{Transport: hang{}}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := auth.OpenID(t.Context(), openIDConfig("https://a.example", hung))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 10*time.Second, time.Since(began))

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		began = time.Now()
		_, err = auth.OpenID(ctx, openIDConfig("https://a.example", hung))
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 100*time.Millisecond, time.Since(began))
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := auth.OpenID(ctx, openIDConfig("https://a.example", hung))
	assert.Equal(t, "ctx: conflict", conferrtest.Text(err), "it would end the keys, too")
}

// hang answers nothing until the request is cancelled.
type hang struct{}

func (hang) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// What is known goes on for MaxStale; nothing is fetched any more.
func TestTheKeysEndWithTheContextOfOpenID(t *testing.T) {
	idp := authtest.NewIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		asked := &answers{Handler: idp}
		cfg := openIDConfig(idp.URL(authtest.Auth0), asked.client())
		cfg.Audience = authtest.Audience
		v, err := auth.OpenID(ctx, cfg)
		require.NoError(t, err)
		raw := idp.Token(authtest.Auth0, authtest.Access, map[string]any{"exp": time.Now().Add(time.Hour).Unix()})
		_, err = v.Verify(t.Context(), raw, auth.Access)
		require.NoError(t, err)
		time.Sleep(time.Hour / 2)
		refreshed := len(asked.requests())
		assert.Greater(t, refreshed, 2, "the metadata, the set, and the set again")
		cancel()
		synctest.Wait()
		time.Sleep(time.Hour / 4)
		_, err = v.Verify(t.Context(), raw, auth.Access)
		require.NoError(t, err)
		assert.Len(t, asked.requests(), refreshed)
	})
}

func TestOpenIDFollowsARotation(t *testing.T) {
	idp := authtest.NewIssuer(t)
	base := idp.KeysURL()
	synctest.Test(t, func(t *testing.T) {
		cfg := openIDConfig(idp.URL(authtest.Auth0), (&answers{Handler: idp}).client())
		cfg.Audience = authtest.Audience
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel() // the bubble ends with the keys
		v, err := auth.OpenID(ctx, cfg)
		require.NoError(t, err)
		far := map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()}
		old := idp.Token(authtest.Auth0, authtest.Access, far)
		_, err = v.Verify(t.Context(), old, auth.Access)
		require.NoError(t, err)
		idp.Rotate()
		time.Sleep(time.Minute)
		fresh := idp.Token(authtest.Auth0, authtest.Access, far)
		for _, raw := range []string{old, fresh} {
			_, err = v.Verify(t.Context(), raw, auth.Access)
			require.NoError(t, err)
		}
		idp.Withdraw()
		time.Sleep(time.Hour)
		for range 2 { // the first may be the one that has the set fetched
			_, _ = v.Verify(t.Context(), fresh, auth.Access)
			synctest.Wait()
		}
		_, err = v.Verify(t.Context(), old, auth.Access)
		assert.Equal(t, auth.TokenKey, reason(err))
		_, err = v.Verify(t.Context(), fresh, auth.Access)
		require.NoError(t, err)
	})
	assert.NotEmpty(t, base)
}

func TestOpenIDLeeway(t *testing.T) {
	idp := authtest.NewIssuer(t)
	for leeway, want := range map[time.Duration][3]rampart.Denial{ // iat 2 s ahead, iat 90 s ahead, exp 30 s ago
		0:               {"", auth.TokenNotYet, ""},
		-1:              {auth.TokenNotYet, auth.TokenNotYet, auth.TokenExpired},
		2 * time.Minute: {"", "", ""},
	} {
		cfg := openIDConfig(idp.URL(authtest.Auth0), nil)
		cfg.Audience, cfg.Leeway = authtest.Audience, leeway
		v, err := auth.OpenID(t.Context(), cfg)
		require.NoError(t, err)
		now := time.Now().Unix()
		for i, change := range []map[string]any{{"iat": now + 3}, {"iat": now + 90}, {"exp": now - 30}} {
			_, err = v.Verify(t.Context(), idp.Token(authtest.Auth0, authtest.Access, change), auth.Access)
			assert.Equal(t, want[i], reason(err), "leeway %v, case %d", leeway, i)
		}
	}
}

func TestOpenIDReportsEveryMistake(t *testing.T) {
	client := (&answers{Handler: http.NotFoundHandler()}).client()
	_, err := auth.OpenID(t.Context(), auth.OpenIDConfig{Client: client})
	assert.Equal(t, "Issuer: missing\nAudience: missing", conferrtest.Text(err))

	p := auth.Simplejwt([]byte("short"))
	p.Leeway, p.Tenants = time.Second, []string{"x"}
	_, err = auth.OpenID(t.Context(), auth.OpenIDConfig{
		Issuer: "http://a.example", Profile: p, Tenants: []string{"y"}, Leeway: time.Hour,
		Algorithms: []auth.Algorithm{auth.HS256}, MetadataURL: "ftp://x", KeysURL: "http://a.example/keys", Client: client,
	})
	assert.Equal(t, `Issuer: invalid
MetadataURL: invalid
MetadataURL: pointless
Profile.Keys: conflict
Profile.Issuer: conflict
Profile.Leeway: conflict
Tenants: conflict
Leeway: invalid: "1h0m0s"
Tenants: pointless
Tenants: invalid: "y"
URL: invalid: "http://a.example/keys"
Algorithms: conflict: "HS256"`, conferrtest.Text(err))

	for _, issuer := range []string{
		"a.example", "https://", "https://u@a.example", "https://a.example?x", "https://a.example/?", "https://a.example#", "https:a.example", "//a.example", "*",
		"http://10.0.0.1", "http://localhost.evil.example", "ftp://127.0.0.1", "https://{tenantid}.example", "https://a.example/{tenantid}/{tenantid}", "https://a.example/\x00",
	} {
		_, err = auth.OpenID(t.Context(), auth.OpenIDConfig{Issuer: issuer, Audience: "api", Tenants: nil, Client: client})
		assert.Contains(t, conferrtest.Text(err), "Issuer: invalid", issuer)
	}
	_, err = auth.OpenID(t.Context(), auth.OpenIDConfig{Issuer: "https://a.example/{tenantid}/", Audience: "api", Profile: auth.Entra(), Client: client})
	assert.Equal(t, "Tenants: missing", conferrtest.Text(err))
	for _, loopback := range []string{"http://localhost:1", "http://127.0.0.1", "http://[::1]/x"} {
		_, err = auth.OpenID(t.Context(), auth.OpenIDConfig{Issuer: loopback, Audience: "api", Client: client})
		assert.ErrorContains(t, err, "answers 404", loopback)
	}
}

func TestOpenIDTakesAudiencesAndLoggerOfTheProfileToo(t *testing.T) {
	idp := authtest.NewIssuer(t)
	var log bytes.Buffer
	profile := auth.Auth0()
	profile.Audiences = []string{"first"}
	cfg := openIDConfig(idp.URL(authtest.Auth0), nil)
	cfg.Audience, cfg.Profile, cfg.Logger = "second", profile, slog.New(slog.NewTextHandler(&log, nil))
	v, err := auth.OpenID(t.Context(), cfg)
	require.NoError(t, err)
	for aud, want := range map[string]int{"first": 200, "second": 200, "third": 401} {
		assert.Equal(t, want, status(t, v, idp.Token(authtest.Auth0, authtest.Access, map[string]any{"aud": aud}), nil))
	}
	assert.Contains(t, log.String(), "wrong_audience")
	assert.Equal(t, []string{"first"}, profile.Audiences)
}

// The metadata of one issuer never speaks for another, even if a proxy mixes them
// up, and an outage is told from a mistake.
func TestOpenIDTellsAMistakeFromAnOutage(t *testing.T) {
	down := errors.New("connection refused")
	cfg := openIDConfig("https://a.example", &http.Client{Transport: failing{down}})
	_, err := auth.OpenID(t.Context(), cfg)
	require.ErrorIs(t, err, down)
	_, isMistake := errors.AsType[*rampart.ConfigError](err)
	assert.False(t, isMistake)

	cfg.Client = metadata(map[string]string{"https://a.example/.well-known/openid-configuration": of("https://b.example", "https://b.example/keys")}).client()
	_, err = auth.OpenID(t.Context(), cfg)
	mistake, isMistake := errors.AsType[*rampart.ConfigError](err)
	require.True(t, isMistake)
	assert.Equal(t, auth.ReasonMismatch, mistake.Reason)
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// FuzzMetadata: no text makes it panic, and what is taken is JSON that names this
// issuer and keys behind https.
func FuzzMetadata(f *testing.F) {
	const issuer = "https://a.example/x"
	for _, seed := range []string{of(issuer, "https://k.example"), of("https://b.example", "https://k"), of(issuer, "http://127.0.0.1/"), `{"issuer":"https:\/\/a.example\/x","jwks_uri":"https://k"}`, `{}`, `[]`, of(issuer, "https://k")[1:]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		asked := &answers{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })}
		v, err := auth.OpenID(t.Context(), openIDConfig(issuer, asked.client()))
		if (v == nil) != (err != nil) {
			t.Fatal("neither a verifier nor an error, or both")
		}
		if err != nil {
			return
		}
		var got map[string]json.RawMessage
		var iss, keys string
		if json.Unmarshal([]byte(text), &got) != nil || json.Unmarshal(got["issuer"], &iss) != nil || json.Unmarshal(got["jwks_uri"], &keys) != nil {
			t.Fatalf("not JSON to encoding/json: %q", text)
		}
		if iss != issuer || !strings.HasPrefix(keys, "https:") {
			t.Fatalf("taken: %q", text)
		}
	})
}
