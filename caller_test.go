package rampart_test

import (
	"context"
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
	verifierConfig, serviceConfig := auth.Simplejwt([]byte("a secret of thirty-two bytes, for tests"))
	verifierConfig.Logger = log
	verifier, err := auth.NewVerifier(verifierConfig)
	require.NoError(t, err)
	serviceConfig.Verifier, serviceConfig.Users, serviceConfig.Sessions, serviceConfig.Logger = verifier, anyone{}, auth.NewMemoryStore(0), log
	service, err := auth.NewService(serviceConfig)
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
	both, token, key := credentials(t, slog.New(slog.DiscardHandler))
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
	assert.Equal(t, 403, status, "who was mapped is still refused by the layer around")
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
