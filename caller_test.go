package rampart_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/logtest"
)

// anyone has an account.
type anyone struct{ nobody }

func (anyone) Claims(context.Context, string) (map[string]any, error) {
	return map[string]any{"scope": "read"}, nil
}

// credentials are a token and a key of "42" with the scope read, and the layers
// that take them.
func credentials(t *testing.T, log *slog.Logger) (both rampart.Credentials, token, key string) {
	t.Helper()
	cfg := session.Simplejwt([]byte("a secret of thirty-two bytes, for tests"))
	cfg.Tokens.Logger = log
	verifier, err := auth.NewVerifier(cfg.Tokens)
	require.NoError(t, err)
	cfg.Users, cfg.Sessions, cfg.Logger = anyone{}, session.NewMemoryStore(0), log
	service, err := session.New(cfg)
	require.NoError(t, err)
	pair, err := service.Issue(t.Context(), "42", nil)
	require.NoError(t, err)
	keys, err := apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: "eco", Logger: log})
	require.NoError(t, err)
	t.Cleanup(func() { _ = keys.Close() })
	_, secret, err := keys.Create(t.Context(), apikey.Key{Name: "k", Owner: "42", Scopes: []string{"read"}})
	require.NoError(t, err)
	return rampart.Credentials{verifier, keys}, pair.Access, secret.Reveal()
}

func TestATokenOrAKeyIsOneComposition(t *testing.T) {
	var log logtest.Records
	both, token, key := credentials(t, log.Logger())
	const bearer, apiKey = `Bearer realm="api"`, "Api-Key"
	for _, tt := range []struct {
		name       string
		token, key string // sent
		optional   bool
		scope      string
		status     int
		code       string
		challenges []string
		kind       string // of the caller
	}{
		{"none", "", "", false, "", 401, "not_authenticated", []string{bearer, apiKey}, ""},
		{"a token", token, "", false, "", 200, "", nil, "token"},
		{"a key", "", key, false, "", 200, "", nil, "key"},
		{"both", token, key, false, "", 401, "ambiguous_credentials", []string{bearer, apiKey}, ""},
		{"a bad token", token + "x", "", false, "", 401, "token_not_valid", []string{bearer + `, error="invalid_token"`}, ""},
		{"a bad key", "", key + "x", false, "", 401, "authentication_failed", []string{apiKey}, ""},
		{"a bad token beside a good key", token + "x", key, false, "", 401, "ambiguous_credentials", []string{bearer, apiKey}, ""},
		{"a good token beside a bad key", token, key + "x", false, "", 401, "ambiguous_credentials", []string{bearer, apiKey}, ""},
		{"none where that may be", "", "", true, "", 200, "", nil, ""},
		{"a bad token where none may be", token + "x", "", true, "", 401, "token_not_valid", []string{bearer + `, error="invalid_token"`}, ""},
		{"a token with the scope", token, "", false, "read", 200, "", nil, "token"},
		{"a key with the scope", "", key, false, "read", 200, "", nil, "key"},
		{"a token without the scope", token, "", false, "write", 403, "insufficient_scope", []string{bearer + `, error="insufficient_scope", scope="write"`}, ""},
		{"a key without the scope", "", key, false, "write", 403, "insufficient_scope", nil, ""},
		{"a scope of somebody unknown", "", "", true, "read", 401, "not_authenticated", []string{bearer, apiKey}, ""},
		{"a scope of spaces is never had", token, "", false, " ", 403, "insufficient_scope", []string{bearer + `, error="insufficient_scope"`}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var caller rampart.Caller
			ran := false
			var h http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				ran = true
				caller, _ = rampart.CallerFrom(r.Context())
			})
			if tt.scope != "" {
				h = rampart.RequireScope(tt.scope)(h)
			}
			layer := both.Handler
			if tt.optional {
				layer = both.Optional
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			if tt.token != "" {
				r.Header.Set("Authorization", "Bearer "+tt.token)
			}
			if tt.key != "" {
				r.Header.Set("X-API-Key", tt.key)
			}
			w := httptest.NewRecorder()
			layer(h).ServeHTTP(w, r)
			assert.Equal(t, tt.status, w.Code, "%s", w.Body)
			assert.Equal(t, tt.status == 200, ran)
			assert.Equal(t, tt.challenges, w.Header()["Www-Authenticate"])
			if tt.code != "" {
				assert.Contains(t, w.Body.String(), `"code":"`+tt.code+`"`)
			}
			if w.Code == 200 || tt.kind != "" {
				assert.Equal(t, tt.kind, caller.Kind)
			}
			if tt.kind != "" {
				assert.Equal(t, "42", caller.Subject)
				assert.Equal(t, "read", caller.Scope)
				assert.NotEmpty(t, caller.ID)
			}
			if w.Code == 200 { // whatever was sent, a cache must ask for the key's header
				assert.Contains(t, w.Header()["Vary"], "X-Api-Key")
			}
		})
	}
	var reasons []any
	for _, record := range log.All(t) {
		reasons = append(reasons, record["reason"])
	}
	for _, want := range []string{"missing", "ambiguous", "scope", "bad_signature"} {
		assert.Contains(t, reasons, want, "each refusal is an event")
	}
}

func TestCallersAreToldApart(t *testing.T) {
	keys := map[string]rampart.Caller{}
	for _, c := range []rampart.Caller{
		{Kind: "token", Subject: "42"},
		{Kind: "key", Subject: "42"},
		{Kind: "token", Issuer: "https://a.example", Subject: "42"},
		{Kind: "token", Issuer: "https://a.example4", Subject: "2"},
		{Kind: "token", Issuer: "", Subject: "0:42"},
		{Kind: "", Subject: "5:token0:42"},
		{Kind: "k", Subject: "0:x"},
		{Kind: "k0:", Subject: "x"},
		{Kind: "key", ID: "1"},
		{Kind: "key", ID: "2"},
		{Kind: "key", Subject: "1"},
	} {
		assert.NotContains(t, keys, c.Key(), "%+v", c)
		keys[c.Key()] = c
	}
	assert.Equal(t, rampart.Caller{Kind: "key", Subject: "42", ID: "1"}.Key(), rampart.Caller{Kind: "key", Subject: "42", ID: "2"}.Key())
}

func TestAHandlersOwnTestNamesItsCaller(t *testing.T) {
	h := rampart.RequireScope("read", "write")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := rampart.CallerFrom(r.Context())
		_, _ = w.Write([]byte(caller.Subject))
	}))
	for scope, want := range map[string]int{"read write": 200, "read": 403, "": 403} {
		ctx := rampart.WithCaller(t.Context(), rampart.Caller{Kind: "token", Subject: "42", Scope: scope})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		assert.Equal(t, want, w.Code, "%q", scope)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	assert.Equal(t, 401, w.Code)
	assert.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
}

func TestAKeysOwnerIsAUserOnlyWhereTheServiceSaysSo(t *testing.T) {
	var log logtest.Records
	both, token, key := credentials(t, log.Logger())
	mapped := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, ok := rampart.CallerFrom(r.Context()); ok && c.Kind == rampart.KindKey {
				c.Kind = rampart.KindToken
				r = r.WithContext(rampart.WithCaller(r.Context(), c))
			}
			next.ServeHTTP(w, r)
		})
	}
	ask := func(name, value string, layers ...func(http.Handler) http.Handler) (who string, status int) {
		h := rampart.Chain(layers...)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c, _ := rampart.CallerFrom(r.Context())
			who = c.Key()
		}))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set(name, value)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return who, w.Code
	}
	byToken, _ := ask("Authorization", "Bearer "+token, both.Handler, mapped)
	byKey, _ := ask("X-API-Key", key, both.Handler)
	byMapped, _ := ask("X-API-Key", key, both.Handler, mapped)
	assert.NotEqual(t, byToken, byKey)
	assert.Equal(t, byToken, byMapped)
	_, status := ask("X-API-Key", key, both.Handler, mapped, rampart.RequireScope("write"))
	assert.Equal(t, 403, status)
	last := log.All(t)[len(log.All(t))-1]
	assert.Equal(t, "authz_fail", last["event"], "who was mapped is refused by the layer around")
	assert.Contains(t, last, "key_id")
}

func TestNoCredentialsRefuseEveryRequest(t *testing.T) {
	for _, layer := range []func(http.Handler) http.Handler{rampart.Credentials{}.Handler} {
		w := httptest.NewRecorder()
		layer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("ran") })).
			ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		assert.Equal(t, 401, w.Code)
	}
	both := rampart.Credentials{new(auth.Verifier), new(apikey.Keys)}
	w := httptest.NewRecorder()
	both.Optional(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("ran") })).
		ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	assert.Equal(t, 401, w.Code, "zero layers refuse")
}

// A context inside a credential ends and keeps values as any other.
func TestACredentialsContextIsAContext(t *testing.T) {
	type own struct{}
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), own{}, 1), time.Hour)
	ctx = rampart.WithCaller(ctx, rampart.Caller{Kind: "token", Subject: "42"})
	assert.Equal(t, 1, ctx.Value(own{}))
	inner, stop := context.WithCancel(ctx)
	defer stop()
	cancel()
	<-inner.Done()
	assert.ErrorIs(t, inner.Err(), context.Canceled)
}

func TestWriteErrorWritesTheRefusalThatIsInTheError(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"a problem":       {&rampart.Problem{Status: 422, Code: "invalid"}, 422, "invalid"},
		"a refused key":   {&apikey.Error{Reason: apikey.KeyExpired}, 401, "authentication_failed"},
		"a refused token": {&auth.TokenError{Reason: auth.TokenExpired}, 401, "token_not_valid"},
		"anything else":   {context.Canceled, 500, "internal_error"},
	} {
		w := httptest.NewRecorder()
		rampart.WriteError(w, wrappedError{tt.err})
		assert.Equal(t, tt.status, w.Code, name)
		assert.Contains(t, w.Body.String(), `"code":"`+tt.code+`"`, name)
		assert.NotContains(t, w.Body.String(), "canceled", name)
		assert.Equal(t, tt.status == 401, w.Header().Get("WWW-Authenticate") != "", name)
	}
}

type wrappedError struct{ error }

func (e wrappedError) Unwrap() error { return e.error }

// secrets of two issuers.
const secretA, secretB = "a secret of thirty-two bytes, for A, really", "a secret of thirty-two bytes, for B, really"

// foreign returns a token of an issuer and the verifier of its tokens.
func foreign(t *testing.T, secret, issuer, scope string, source func(*http.Request) (string, error)) (*auth.Verifier, string) {
	t.Helper()
	key, err := auth.NewKey(auth.HS256, "", []byte(secret))
	require.NoError(t, err)
	keys, err := auth.NewKeys(key)
	require.NoError(t, err)
	v, err := auth.NewVerifier(auth.VerifierConfig{Keys: keys, Issuer: issuer, Audiences: []string{"*"}, Source: source, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	claims, err := json.Marshal(map[string]any{"iss": issuer, "sub": "42", "jti": "x", "token_type": "access", "scope": scope, "exp": time.Now().Add(time.Hour).Unix()})
	require.NoError(t, err)
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return v, text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestTwoIssuersThatShareASecretWithUsAreTwoCallers(t *testing.T) {
	a, textA := foreign(t, secretA, "https://a.example", "", nil)
	b, textB := foreign(t, secretB, "https://b.example", "", nil)
	tokenA, err := a.Verify(t.Context(), textA, auth.Access)
	require.NoError(t, err)
	tokenB, err := b.Verify(t.Context(), textB, auth.Access)
	require.NoError(t, err)
	assert.NotEqual(t, tokenA.Caller().Key(), tokenB.Caller().Key())
}

func TestOnlySpacesSeparateScopes(t *testing.T) {
	for _, between := range []string{"\u00a0", "\u0085", "\t", "\n", "\u3000"} {
		v, text := foreign(t, secretA, "https://a.example", "read"+between+"admin", nil)
		token, err := v.Verify(t.Context(), text, auth.Access)
		require.NoError(t, err)
		assert.False(t, token.Caller().HasScope("admin"), "%q", between)
	}
	assert.True(t, rampart.Caller{Scope: " a  b "}.HasScope("b"))
}

// keysIn returns a layer for keys in a header of their own, and one of its keys.
func keysIn(t *testing.T, header string, scopes ...string) (*apikey.Keys, string) {
	t.Helper()
	keys, err := apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: "eco", Header: []string{header}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = keys.Close() })
	_, secret, err := keys.Create(t.Context(), apikey.Key{Name: "k", Owner: "mallory", Scopes: scopes})
	require.NoError(t, err)
	return keys, secret.Reveal()
}

func TestWhoBringsNothingToALayerIsNotWhomALayerAroundItKnows(t *testing.T) {
	outer, secret := keysIn(t, "X-Key", "admin")
	inner, _ := keysIn(t, "X-Admin-Key")
	for name, layer := range map[string]func(http.Handler) http.Handler{"optional keys": inner.Optional, "optional credentials": rampart.Credentials{inner}.Optional} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("X-Key", secret)
		w := httptest.NewRecorder()
		outer.Handler(layer(rampart.RequireScope("admin")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error(name) })))).ServeHTTP(w, r)
		assert.Equal(t, 401, w.Code, name)
	}
}

func TestWhoIsLetInHasACallerWhateverLayersAroundKnow(t *testing.T) {
	outer, cookie := foreign(t, secretA, "https://a.example", "", auth.FromCookie("s"))
	inner, _ := foreign(t, secretB, "https://b.example", "", nil)
	keys, secret := keysIn(t, "X-Key")
	h := outer.Optional(rampart.Credentials{inner, keys}.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		caller, ok := rampart.CallerFrom(r.Context())
		assert.True(t, ok)
		assert.Equal(t, "mallory", caller.Subject)
		_, ok = auth.FromContext(r.Context())
		assert.False(t, ok, "the token was not brought to the inner layer")
	})))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("X-Key", secret)
	r.AddCookie(&http.Cookie{Name: "s", Value: cookie})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	assert.Equal(t, 200, w.Code)
}

func TestATokenInACookieOrInAHeader(t *testing.T) {
	byCookie, text := foreign(t, secretA, "https://a.example", "", auth.FromCookie("s"))
	byHeader, _ := foreign(t, secretA, "https://a.example", "", nil)
	h := rampart.Credentials{byCookie, byHeader}.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, tt := range map[string]struct {
		cookie, header bool
		status         int
	}{"cookie": {true, false, 200}, "header": {false, true, 200}, "both": {true, true, 401}, "none": {false, false, 401}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if tt.header {
			r.Header.Set("Authorization", "Bearer "+text)
		}
		if tt.cookie {
			r.AddCookie(&http.Cookie{Name: "s", Value: text})
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, tt.status, w.Code, name)
	}
}

func TestALayerRefusesForWhateverErrorItIsGiven(t *testing.T) {
	verifier, _ := foreign(t, secretA, "https://a.example", "", nil)
	keys, _ := keysIn(t, "X-Key")
	for _, layer := range []rampart.Credential{verifier, keys, new(auth.Verifier), new(apikey.Keys)} {
		for _, err := range []error{errors.New("down"), &rampart.Problem{Status: 503, Code: "unavailable"}, &apikey.Error{Reason: apikey.KeyUnavailable}, &auth.TokenError{Reason: auth.TokenUnverified}} {
			w := httptest.NewRecorder()
			layer.Refuse(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), err)
			assert.Equal(t, 503, w.Code, "%T %v", layer, err)
		}
	}
}

func TestCredentialsKeepNothingOfTheirSlice(t *testing.T) {
	verifier, _ := foreign(t, secretA, "https://a.example", "", nil)
	keys, secret := keysIn(t, "X-Key")
	other, _ := keysIn(t, "X-Other-Key")
	base := append(make(rampart.Credentials, 0, 2), verifier)
	h := append(base, keys).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	_ = append(base, other)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("X-Key", secret)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	assert.Equal(t, 200, w.Code)
}

func TestTheZeroCallerIsNobody(t *testing.T) {
	for _, ctx := range []context.Context{rampart.WithCaller(t.Context(), rampart.Caller{}), auth.NewContext(t.Context(), nil)} {
		_, ok := rampart.CallerFrom(ctx)
		assert.False(t, ok)
	}
}
