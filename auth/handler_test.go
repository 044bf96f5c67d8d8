package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/logtest"
	"github.com/ecolaura/rampart/server"
)

func request(tb testing.TB, authorization ...string) *http.Request {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/secure?token=x", nil)
	r.Header["Authorization"] = authorization
	if len(authorization) == 0 {
		delete(r.Header, "Authorization")
	}
	return r
}

func serve(tb testing.TB, h http.Handler, authorization ...string) *httptest.ResponseRecorder {
	tb.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request(tb, authorization...))
	return w
}

// spy is a handler that must, or must not, be reached.
func spy(tb testing.TB, want bool) http.Handler {
	tb.Helper()
	reached := false
	tb.Cleanup(func() { assert.Equal(tb, want, reached, "next reached") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached = true
		tok, ok := auth.FromContext(r.Context())
		if ok {
			_, _ = w.Write([]byte(tok.Subject()))
		}
	})
}

func TestHandlerAnswersAsSimplejwt(t *testing.T) {
	v := newVerifier(t)
	good := token()
	tests := []struct {
		desc          string
		authorization []string
		status        int
		challenge     string
		detail, code  string
		message       string
	}{
		{"a good token", []string{"Bearer " + good}, 200, "", "", "", ""},
		{"the scheme in lower case (RFC 9110 section 11.1)", []string{"bearer " + good}, 200, "", "", "", ""},
		{"two spaces", []string{"Bearer  " + good}, 200, "", "", "", ""},
		{"no header", nil, 401, `Bearer realm="api"`, "Authentication credentials were not provided.", "not_authenticated", ""},
		{"an empty header", []string{""}, 401, `Bearer realm="api"`, "Authentication credentials were not provided.", "not_authenticated", ""},
		{"another scheme", []string{"Basic YTpi"}, 401, `Bearer realm="api"`, "Authentication credentials were not provided.", "not_authenticated", ""},
		{"a tab, which some servers take for a space", []string{"Bearer\t" + good}, 401, `Bearer realm="api", error="invalid_request"`, "Authorization header must contain two space-delimited values", "bad_authorization_header", ""},
		{
			"no token",
			[]string{"Bearer"},
			401, `Bearer realm="api", error="invalid_request"`,
			"Authorization header must contain two space-delimited values", "bad_authorization_header", "",
		},
		{
			"three parts",
			[]string{"Bearer " + good + " x"},
			401, `Bearer realm="api", error="invalid_request"`,
			"Authorization header must contain two space-delimited values", "bad_authorization_header", "",
		},
		{
			"two headers",
			[]string{"Bearer " + good, "Bearer " + good},
			401, `Bearer realm="api", error="invalid_request"`,
			"Authorization header must contain two space-delimited values", "bad_authorization_header", "",
		},
		{
			"garbage",
			[]string{"Bearer garbage"},
			401, `Bearer realm="api", error="invalid_token"`,
			"Given token not valid for any token type", "token_not_valid", "Token is invalid or expired",
		},
		{
			"expired",
			[]string{"Bearer " + token("exp", "1")},
			401, `Bearer realm="api", error="invalid_token"`,
			"Given token not valid for any token type", "token_not_valid", "Token is invalid or expired",
		},
		{
			"a refresh token",
			[]string{"Bearer " + token("token_type", `"refresh"`)},
			401, `Bearer realm="api", error="invalid_token"`,
			"Given token not valid for any token type", "token_not_valid", "Token has wrong type",
		},
		{
			"no kind",
			[]string{"Bearer " + token("token_type", "")},
			401, `Bearer realm="api", error="invalid_token"`,
			"Given token not valid for any token type", "token_not_valid", "Token has no type",
		},
		{
			"no expiry",
			[]string{"Bearer " + token("exp", "")},
			401, `Bearer realm="api", error="invalid_token"`,
			"Given token not valid for any token type", "token_not_valid", "Token has no 'exp' claim",
		},
		{
			"no id",
			[]string{"Bearer " + token("jti", "")},
			401, `Bearer realm="api", error="invalid_token"`,
			"Given token not valid for any token type", "token_not_valid", "Token has no id",
		},
		{
			"no subject",
			[]string{"Bearer " + token("user_id", "")},
			401, `Bearer realm="api", error="invalid_token"`,
			"Token contained no recognizable user identification", "token_not_valid", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			w := serve(t, v.Handler(spy(t, tt.status == 200)), tt.authorization...)
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.challenge, w.Header().Get("WWW-Authenticate"))
			if tt.status == 200 {
				assert.Equal(t, "1", w.Body.String())
				return
			}
			assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			var body struct {
				Detail, Code string
				Messages     []map[string]string
			}
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
			assert.Equal(t, tt.detail, body.Detail)
			assert.Equal(t, tt.code, body.Code)
			if tt.message != "" {
				want := []map[string]string{{"token_class": "AccessToken", "token_type": "access", "message": tt.message}}
				assert.Equal(t, want, body.Messages)
			}
		})
	}
}

func TestOptional(t *testing.T) {
	v := newVerifier(t)
	assert.Equal(t, "1", serve(t, v.Optional(spy(t, true)), "Bearer "+token()).Body.String())
	assert.Empty(t, serve(t, v.Optional(spy(t, true))).Body.String())
	assert.Equal(t, http.StatusUnauthorized, serve(t, v.Optional(spy(t, false)), "Bearer garbage").Code)
	assert.Equal(t, http.StatusUnauthorized, serve(t, v.Optional(spy(t, false)), "Bearer "+token("exp", "1")).Code)

	t.Run("an anonymous request does not keep the token of a layer further out", func(t *testing.T) {
		other := newVerifier(t, func(c *auth.VerifierConfig) { c.Source = auth.FromCookie("token") })
		assert.Empty(t, serve(t, v.Handler(other.Optional(spy(t, false))), "Bearer garbage").Header().Get("X"))
		inner := newVerifier(t, func(c *auth.VerifierConfig) {
			c.Source = func(*http.Request) (string, error) { return "", auth.ErrNoToken }
		})
		assert.Empty(t, serve(t, v.Handler(inner.Optional(spy(t, true))), "Bearer "+token()).Body.String())
	})
}

func TestRequireScope(t *testing.T) {
	v := newVerifier(t)
	tests := []struct {
		desc      string
		scope     string
		need      []string
		status    int
		challenge string
	}{
		{"the scope", `"products:write"`, []string{"products:write"}, 200, ""},
		{"all of them", `"a b c"`, []string{"a", "c"}, 200, ""},
		{"not all of them", `"a b"`, []string{"a", "c"}, 403, `Bearer realm="api", error="insufficient_scope", scope="a c"`},
		{"none", "", []string{"a"}, 403, `Bearer realm="api", error="insufficient_scope", scope="a"`},
		{"a prefix", `"products:write2"`, []string{"products:write"}, 403, `Bearer realm="api", error="insufficient_scope", scope="products:write"`},
		{"the empty scope is never had", `"a"`, []string{""}, 403, `Bearer realm="api", error="insufficient_scope"`},
		{"a quote does not get into the header", `"a"`, []string{`a", x="`}, 403, `Bearer realm="api", error="insufficient_scope"`},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			h := v.Handler(rampart.RequireScope(tt.need[0], tt.need[1:]...)(spy(t, tt.status == 200)))
			w := serve(t, h, "Bearer "+token("scope", tt.scope))
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.challenge, w.Header().Get("WWW-Authenticate"))
			if tt.status == 403 {
				assert.JSONEq(t, `{"title":"Forbidden","status":403,"code":"insufficient_scope",
					"detail":"You do not have permission to perform this action."}`, w.Body.String())
			}
		})
	}
	t.Run("an anonymous request is 401", func(t *testing.T) {
		w := serve(t, v.Optional(rampart.RequireScope("a")(spy(t, false))))
		assert.Equal(t, http.StatusUnauthorized, w.Code)
		assert.Equal(t, `Bearer realm="api"`, w.Header().Get("WWW-Authenticate"))
	})
}

func TestFromCookie(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.Source = auth.FromCookie("access") })
	tests := []struct {
		desc          string
		cookies       []string
		authorization string
		want          rampart.Denial
	}{
		{"the cookie", []string{token()}, "", ""},
		{"another scheme beside it", []string{token()}, "Basic YTpi", ""},
		{"none", nil, "", auth.TokenMissing},
		{"twice", []string{token(), token()}, "", auth.TokenSource},
		{"empty", []string{""}, "", auth.TokenSource},
		{"a bearer token beside it", []string{token()}, "Bearer " + token(), auth.TokenSource},
		{"a bearer token in its place is for another layer", nil, "Bearer " + token(), auth.TokenMissing},
		{"a malformed header beside it", []string{token()}, "Bearer", auth.TokenSource},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			for _, value := range tt.cookies {
				r.AddCookie(&http.Cookie{Name: "access", Value: value})
			}
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			_, err := v.Check(r)
			assert.Equal(t, tt.want, reason(err))
		})
	}
}

func TestUnavailableIs503(t *testing.T) {
	var log bytes.Buffer
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Revoked = func(context.Context, *auth.Token) (bool, error) { return false, errors.New("connection refused") }
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	w := serve(t, v.Handler(spy(t, false)), "Bearer "+token())
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "1", w.Header().Get("Retry-After"))
	assert.Empty(t, w.Header().Get("WWW-Authenticate"))
	assert.NotContains(t, w.Body.String(), "connection refused")
	assert.Contains(t, log.String(), "level=ERROR msg=sys_backend_unavailable")
	assert.Contains(t, log.String(), "connection refused")
}

func TestRefusalsAreEventsWithoutTheToken(t *testing.T) {
	var log bytes.Buffer
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	raw := token("exp", "1")
	serve(t, v.Handler(spy(t, false)), "Bearer "+raw)
	assert.Contains(t, log.String(), "level=WARN msg=authz_fail event=authz_fail reason=expired method=GET path=/secure")
	assert.NotContains(t, log.String(), raw)
	assert.NotContains(t, log.String(), strings.Split(raw, ".")[2])

	log.Reset()
	ip, err := server.NewClientIP(rampart.Proxies{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	require.NoError(t, err)
	r := request(t, "Bearer "+token())
	r.Header.Set("X-Forwarded-For", "198.51.100.7")
	ip.Handler(v.Handler(rampart.RequireScope("a")(spy(t, false)))).ServeHTTP(httptest.NewRecorder(), r)
	assert.Contains(t, log.String(), "reason=scope subject=1 method=GET path=/secure layer=auth client_ip=198.51.100.7")
}

func TestErrorHandler(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
			_, _ = w.Write([]byte(reason(err)))
		}
	})
	assert.Equal(t, "missing", serve(t, v.Handler(spy(t, false))).Body.String())
	w := serve(t, v.Handler(rampart.RequireScope("a")(spy(t, false))), "Bearer "+token())
	assert.Equal(t, "scope", w.Body.String())
	assert.Contains(t, w.Header().Get("WWW-Authenticate"), "insufficient_scope")
}

func TestASourceMayExplainItself(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Source = func(*http.Request) (string, error) { return "", &auth.TokenError{Reason: auth.TokenTooLarge} }
	})
	_, err := v.Check(request(t))
	assert.Equal(t, auth.TokenTooLarge, reason(err))
}

func TestTheLogSaysWhatATokenSaysAndWhatIsAskedFor(t *testing.T) {
	for want, tt := range map[string]struct {
		raw    string
		change func(*auth.VerifierConfig)
	}{
		"wrong_issuer: https://other.example https://issuer.example": {token("iss", `"https://other.example"`), func(c *auth.VerifierConfig) { c.Issuer = "https://issuer.example" }},
		`wrong_audience: "billing" api or web`:                       {token("aud", `"billing"`), func(c *auth.VerifierConfig) { c.Audiences = []string{"api", "web"} }},
		"wrong_kind: refresh access":                                 {token("token_type", `"refresh"`), func(*auth.VerifierConfig) {}},
		"wrong_typ: logout+jwt JWT":                                  {forge(crypto.SHA256, `{"alg":"HS256","typ":"logout+jwt"}`, claims()), func(*auth.VerifierConfig) {}},
	} {
		var log logtest.Records
		v := newVerifier(t, tt.change, func(c *auth.VerifierConfig) { c.Logger = log.Logger() })
		w := serve(t, v.Handler(spy(t, false)), "Bearer "+tt.raw)
		record := log.All(t)[0]
		assert.Equal(t, want, fmt.Sprintf("%s: %s %s", record["reason"], record["got"], record["want"]))
		for _, text := range []string{"other.example", "issuer.example", "billing", "web"} {
			assert.NotContains(t, w.Body.String(), text)
		}
	}
}
