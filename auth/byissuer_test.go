package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authtest"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

func byIssuer(tb testing.TB, first *auth.Verifier, more ...*auth.Verifier) *auth.Verifier {
	tb.Helper()
	v, err := auth.ByIssuer(first, more...)
	require.NoError(tb, err)
	return v
}

func byVendor(v authtest.Vendor, tokens auth.VerifierConfig) profile {
	return profile{vendor: v, tokens: tokens}
}

// Three issuers whose keys are all called key-1, one of them for many tenants.
func TestByIssuerHoldsATokenAgainstTheKeysOfItsOwnIssuerOnly(t *testing.T) {
	a, b, c := authtest.NewIssuer(t), authtest.NewIssuer(t), authtest.NewIssuer(t)
	entra := profile{vendor: authtest.Entra, tokens: auth.Entra(), template: true}
	v := byIssuer(t, byVendor(authtest.Keycloak, auth.Keycloak()).verifier(t, a), byVendor(authtest.Auth0, auth.Auth0()).verifier(t, b), entra.verifier(t, c))
	sources := []struct {
		idp    *authtest.Issuer
		vendor authtest.Vendor
	}{{a, authtest.Keycloak}, {b, authtest.Auth0}, {c, authtest.Entra}}
	for range 2 { // the second time the tokens are cached
		for i, signer := range sources {
			for j, shape := range sources {
				raw := signer.idp.Token(shape.vendor, authtest.Access, map[string]any{"iss": shape.idp.URL(shape.vendor)})
				tok, err := v.Verify(t.Context(), raw, auth.Access)
				if i == j {
					require.NoError(t, err)
					assert.Equal(t, shape.idp.URL(shape.vendor), tok.Issuer())
					continue
				}
				assert.Equal(t, auth.TokenSignature, reason(err), "%s's shape signed by %s", shape.vendor, signer.vendor)
			}
		}
	}
	for _, s := range sources {
		for _, sort := range authtest.Sorts() {
			_, err := v.Verify(t.Context(), s.idp.Token(s.vendor, sort), auth.Access)
			assert.Equal(t, sort == authtest.Access, err == nil, "%s, %s: %v", s.vendor, sort, err)
		}
	}
	// The shape of one issuer with the iss and key of another is judged by the other's profile.
	_, err := v.Verify(t.Context(), b.Token(authtest.Keycloak, authtest.Access, map[string]any{"iss": b.URL(authtest.Auth0), "azp": nil}), auth.Access)
	assert.Equal(t, auth.TokenNoKind, reason(err))
}

func TestByIssuerRefusesEveryOtherIss(t *testing.T) {
	idp := authtest.NewIssuer(t)
	entra := profile{vendor: authtest.Entra, tokens: auth.Entra(), template: true}
	url := idp.URL(authtest.Auth0)
	v := byIssuer(t, byVendor(authtest.Auth0, auth.Auth0()).verifier(t, idp), entra.verifier(t, idp))
	host := strings.TrimSuffix(url, "/auth0/")
	tests := []struct {
		desc string
		iss  any
		tid  any
		want rampart.Denial
	}{
		{"ours", url, nil, ""},
		{"none", nil, nil, auth.TokenIssuer},
		{"empty", "", nil, auth.TokenIssuer},
		{"a star", "*", nil, auth.TokenIssuer},
		{"a slash too few", strings.TrimSuffix(url, "/"), nil, auth.TokenIssuer},
		{"a slash too many", url + "/", nil, auth.TokenIssuer},
		{"another case", strings.ToUpper(url), nil, auth.TokenIssuer},
		{"a port", strings.Replace(url, "/auth0", ":443/auth0", 1), nil, auth.TokenIssuer},
		{"a space", url + " ", nil, auth.TokenIssuer},
		{"a look-alike", strings.Replace(url, "auth", "\u0430uth", 1), nil, auth.TokenIssuer},
		{"NUL", url + "\x00", nil, auth.TokenIssuer},
		{"a list", []string{url}, nil, auth.TokenClaims},
		{"a number", 7, nil, auth.TokenClaims},
		{"the template itself", host + "/{tenantid}/v2.0", "{tenantid}", auth.TokenIssuer},
		{"a template without tid", host + "/" + authtest.Tenant + "/v2.0", nil, auth.TokenIssuer},
		{"a tid that is not in iss", host + "/" + authtest.Tenant + "/v2.0", "99999999-8888-7777-6666-555555555555", auth.TokenIssuer},
		{"a path as tid", host + "/../v2.0", "..", auth.TokenIssuer},
		{"slashes in tid", host + "/a/b/v2.0", "a/b", auth.TokenIssuer},
		{"an empty tid", host + "//v2.0", "", auth.TokenIssuer},
		{"a tid in upper case", host + "/AAAAAAAA-2222-3333-4444-555555555555/v2.0", "AAAAAAAA-2222-3333-4444-555555555555", auth.TokenIssuer},
		{"a tid in braces", host + "/{1111111-2222-3333-4444-55555555555}/v2.0", "{1111111-2222-3333-4444-55555555555}", auth.TokenIssuer},
		{"a tid with a newline", host + "/1111111-2222-3333-4444-5555555555555\n/v2.0", "1111111-2222-3333-4444-5555555555555\n", auth.TokenIssuer},
		{"a list as tid", host + "/" + authtest.Tenant + "/v2.0", []string{authtest.Tenant}, auth.TokenIssuer},
		{"a tenant that is not let in", host + "/99999999-8888-7777-6666-555555555555/v2.0", "99999999-8888-7777-6666-555555555555", auth.TokenTenant},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			vendor := authtest.Auth0
			if tt.tid != nil {
				vendor = authtest.Entra
			}
			_, err := v.Verify(t.Context(), idp.Token(vendor, authtest.Access, map[string]any{"iss": tt.iss, "tid": tt.tid}), auth.Access)
			assert.Equal(t, tt.want, reason(err))
		})
	}
	for desc, tt := range map[string]struct {
		raw  string
		want rampart.Denial
	}{
		"no text":                 {"", auth.TokenMissing},
		"too long":                {strings.Repeat("a", 9000), auth.TokenTooLarge},
		"garbage":                 {"garbage", auth.TokenMalformed},
		"claims that are no text": {"e30.!.e30", auth.TokenMalformed},
		"claims that are no JSON": {"e30." + b64("{") + ".e30", auth.TokenClaims},
		"claims that are a list":  {"e30." + b64("[]") + ".e30", auth.TokenClaims},
		"iss twice, other first":  {twice(t, idp, `"https://evil.example"`, url), auth.TokenClaims},
		"iss twice, ours first":   {twice(t, idp, `"`+url+`"`, "https://evil.example"), auth.TokenSignature},
	} {
		_, err := v.Verify(t.Context(), tt.raw, auth.Access)
		assert.Equal(t, tt.want, reason(err), desc)
	}
}

// Microsoft's older and newer tokens of all tenants, side by side.
func TestByIssuerTellsTemplatesApart(t *testing.T) {
	idp := authtest.NewIssuer(t)
	two := profile{vendor: authtest.Entra, tokens: auth.Entra(), template: true}
	one := profile{vendor: authtest.EntraV1, tokens: auth.EntraV1(), template: true}
	v := byIssuer(t, one.verifier(t, idp), two.verifier(t, idp))
	for _, vendor := range []authtest.Vendor{authtest.Entra, authtest.EntraV1} {
		for _, sort := range authtest.Sorts() {
			_, err := v.Verify(t.Context(), idp.Token(vendor, sort), auth.Access)
			assert.Equal(t, sort == authtest.Access, err == nil, "%s, %s: %v", vendor, sort, err)
		}
	}
}

// twice returns a token whose claims begin with another iss.
func twice(tb testing.TB, idp *authtest.Issuer, first, second string) string {
	tb.Helper()
	raw := idp.Token(authtest.Auth0, authtest.Access, map[string]any{"iss": second})
	parts := strings.Split(raw, ".")
	return parts[0] + "." + b64(`{"iss":`+first+","+payload(tb, raw)[1:]) + "." + parts[2]
}

// What one issuer's key signs with iss twice is refused by its verifier, whichever
// of the two the router read.
func TestByIssuerBelievesNothingThatItReadItself(t *testing.T) {
	cfg := auth.Simplejwt([]byte(secret))
	cfg.Issuer, cfg.Logger = "https://a.example", slog.New(slog.DiscardHandler)
	a, err := auth.NewVerifier(cfg)
	require.NoError(t, err)
	cfg.Issuer = "https://b.example"
	b, err := auth.NewVerifier(cfg)
	require.NoError(t, err)
	v := byIssuer(t, a, b)
	good, err := v.Verify(t.Context(), token("iss", `"https://b.example"`), auth.Access)
	require.NoError(t, err)
	assert.Equal(t, "https://b.example", good.Issuer())
	for _, iss := range []string{`"https://a.example","iss":"https://b.example"`, `"https://a.example","\u0069ss":"https://b.example"`} {
		_, err = v.Verify(t.Context(), token("iss", iss), auth.Access)
		assert.Equal(t, auth.TokenClaims, reason(err), iss)
	}
}

func TestByIssuerServesRequestsAsItsFirstDoes(t *testing.T) {
	var log bytes.Buffer
	cfg := auth.Simplejwt([]byte(secret))
	cfg.Issuer, cfg.Logger = "https://a.example", slog.New(slog.NewTextHandler(&log, nil))
	cfg.Source = func(r *http.Request) (string, error) {
		if raw := r.Header.Get("Authorization"); raw != "" {
			return raw, nil
		}
		return "", auth.ErrNoToken
	}
	cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusTeapot) }
	a, err := auth.NewVerifier(cfg)
	require.NoError(t, err)
	var asked int
	b := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Issuer = "https://b.example"
		c.Revoked = func(context.Context, *auth.Token) (bool, error) { asked++; return false, nil }
	})
	v := byIssuer(t, a, b)
	h := v.Handler(rampart.RequireScope("read")(spyless()))
	assert.Equal(t, http.StatusOK, serve(t, h, token("iss", `"https://a.example"`, "scope", `"read"`)).Code)
	assert.Equal(t, http.StatusOK, serve(t, h, token("iss", `"https://b.example"`, "scope", `"read"`)).Code)
	assert.Equal(t, 1, asked, "each verifier asks by its own settings")
	assert.Equal(t, http.StatusTeapot, serve(t, h, token("iss", `"https://b.example"`)).Code, "a missing scope")
	assert.Equal(t, http.StatusTeapot, serve(t, h, token("iss", `"https://c.example"`)).Code)
	assert.Contains(t, log.String(), "wrong_issuer")
	assert.Contains(t, log.String(), "https://a.example or https://b.example")
	assert.Equal(t, http.StatusTeapot, serve(t, h).Code)
	assert.Equal(t, http.StatusOK, serve(t, v.Optional(spyless())).Code)
	assert.True(t, v.Present(request(t, "x")))
	assert.False(t, v.Present(request(t)))
}

func spyless() http.Handler { return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}) }

func TestByIssuerReportsEveryMistake(t *testing.T) {
	named := func(issuer string) *auth.Verifier {
		return newVerifier(t, func(c *auth.VerifierConfig) { c.Issuer = issuer })
	}
	a := named("https://a.example")
	for want, vs := range map[string][]*auth.Verifier{
		"first: missing": {nil},
		"more: missing":  {a, {}},
		"first: too_wide: \"*\"\nmore: duplicate: \"https://a.example\"": {named("*"), a, a},
		"more: conflict": {named("https://c.example"), byIssuer(t, a, named("https://b.example"))},
	} {
		v, err := auth.ByIssuer(vs[0], vs[1:]...)
		assert.Equal(t, want, conferrtest.Text(err))
		assert.Nil(t, v)
	}
}

// A longer token of one issuer does not go because another has a lower limit.
func TestByIssuerHasTheHighestMaxBytes(t *testing.T) {
	small := newVerifier(t, func(c *auth.VerifierConfig) { c.Issuer, c.MaxBytes = "https://a.example", 300 })
	large := newVerifier(t, func(c *auth.VerifierConfig) { c.Issuer, c.MaxBytes = "https://b.example", 9000 })
	long := `"` + strings.Repeat("x", 5000) + `"`
	for _, v := range []*auth.Verifier{byIssuer(t, small, large), byIssuer(t, large, small)} {
		_, err := v.Verify(t.Context(), token("iss", `"https://b.example"`, "x", long), auth.Access)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, serve(t, v.Handler(spyless()), "Bearer "+token("iss", `"https://b.example"`, "x", long)).Code)
		_, err = v.Verify(t.Context(), token("iss", `"https://a.example"`, "x", long), auth.Access)
		assert.Equal(t, auth.TokenTooLarge, reason(err))
	}
}

// A few issuers' cached tokens are found without reading them; those of many are
// read for their iss.
func TestByIssuerWithFewAndManyIssuers(t *testing.T) {
	for _, n := range []int{8, 20} {
		var vs []*auth.Verifier
		for i := range n {
			vs = append(vs, newVerifier(t, func(c *auth.VerifierConfig) { c.Issuer = fmt.Sprint("https://", i, ".example") }))
		}
		v := byIssuer(t, vs[0], vs[1:]...)
		for i := range n {
			raw := token("iss", fmt.Sprintf(`"https://%d.example"`, i))
			_, err := v.Verify(t.Context(), raw, auth.Access)
			require.NoError(t, err)
			if allocs := testing.AllocsPerRun(20, func() { _, err = v.Verify(t.Context(), raw, auth.Access) }); n == 8 {
				assert.Zero(t, allocs, "cached")
			}
			require.NoError(t, err)
		}
		_, err := v.Verify(t.Context(), token("iss", `"https://99.example"`), auth.Access)
		assert.Equal(t, auth.TokenIssuer, reason(err))
	}
}

// FuzzByIssuer: no text makes it panic, and nothing passes that the verifier of the
// iss that encoding/json reads does not take by itself.
func FuzzByIssuer(f *testing.F) {
	named := func(issuer string) *auth.Verifier {
		return newVerifier(f, func(c *auth.VerifierConfig) { c.Issuer = issuer })
	}
	one, two := named("https://a.example"), named("https://b.example")
	v := byIssuer(f, one, two)
	for _, seed := range []string{
		claims("iss", `"https://a.example"`), claims("iss", `"https://b.example"`, "tid", `"x"`), claims("\\u0069ss", `"https://a.example"`),
		`{"iss":"https://a.example","iss":"https://b.example"}`, claims(), `{`, `[]`, claims("iss", `["https://a.example"]`),
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, body string, good bool) {
		raw := forge(crypto.SHA256, plainHeader, body)
		if !good {
			raw = raw[:len(raw)-3]
		}
		tok, err := v.Verify(t.Context(), raw, auth.Access)
		if (tok == nil) != (err != nil) {
			t.Fatal("neither a token nor an error, or both")
		}
		if err != nil {
			return
		}
		var c map[string]json.RawMessage
		var iss string
		if !good || json.Unmarshal([]byte(body), &c) != nil || json.Unmarshal(c["iss"], &iss) != nil || iss != tok.Issuer() {
			t.Fatalf("taken: %q", body)
		}
		own := map[string]*auth.Verifier{"https://a.example": one, "https://b.example": two}[iss]
		if own == nil || errOf(own.Verify(t.Context(), raw, auth.Access)) != nil {
			t.Fatalf("its own verifier does not take it: %q", body)
		}
	})
}

func BenchmarkByIssuer(b *testing.B) {
	named := func(issuer string) *auth.Verifier {
		return newVerifier(b, func(c *auth.VerifierConfig) { c.Issuer = issuer })
	}
	v := byIssuer(b, named("https://a.example"), named("https://b.example"))
	raw := token("iss", `"https://b.example"`, "exp", "4102444800", "iat", "1700000000")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw, auth.Access); err != nil {
			b.Fatal(err)
		}
	}
}
