package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/internal/cputime"
)

// typed returns a token with a header type.
func typed(typ string, members ...string) string {
	return forge(crypto.SHA256, fmt.Sprintf(`{"alg":"HS256","typ":%q}`, typ), claims(members...))
}

func TestWhatMakesAnAccessToken(t *testing.T) {
	untyped := []string{"token_type", "", "jti", ""}
	both := func(c *auth.VerifierConfig) { c.HeaderTypes = []string{"at+jwt", "JWT"} }
	only := func(types ...string) func(*auth.VerifierConfig) {
		return func(c *auth.VerifierConfig) { c.HeaderTypes = types }
	}
	bearer := func(c *auth.VerifierConfig) {
		c.KindClaim, c.Kinds = "typ", map[string]auth.Kind{"Bearer": auth.Access, "Refresh": auth.Refresh}
	}
	azp := func(c *auth.VerifierConfig) { c.AccessClaims = []string{"azp", "appid"} }
	tests := []struct {
		desc   string
		change func(*auth.VerifierConfig)
		raw    string
		ask    auth.Kind
		want   rampart.Denial
	}{
		{"during a change, JWT with a kind", both, typed("JWT"), auth.Access, ""},
		{"during a change, at+jwt without a kind", both, typed("at+jwt", "token_type", ""), auth.Access, ""},
		{"during a change, JWT without a kind", both, typed("JWT", "token_type", ""), auth.Access, auth.TokenNoKind},
		{"during a change, no typ with a kind", both, typed(""), auth.Access, ""},
		{"during a change, a refresh token", both, typed("JWT", "token_type", `"refresh"`), auth.Refresh, ""},
		{"during a change, a refresh token of typ at+jwt", both, typed("at+jwt", "token_type", `"refresh"`), auth.Refresh, auth.TokenWrongKind},
		{"during a change, a third type", both, typed("logout+jwt"), auth.Access, auth.TokenHeaderType},
		{"a type in capitals, listed in lower case", only("jwt"), typed("JWT"), auth.Access, ""},
		{"a type of its own", only("vnd.example+jwt"), typed("application/VND.example+jwt"), auth.Access, ""},
		{"a type of its own says nothing of the kind", only("vnd.example+jwt"), typed("vnd.example+jwt", "token_type", ""), auth.Access, auth.TokenNoKind},
		{"JWT where another type is asked for", only("vnd.example+jwt"), typed("JWT"), auth.Access, auth.TokenHeaderType},
		{"at+jwt where JWT is asked for", only("JWT"), typed("at+jwt"), auth.Access, auth.TokenHeaderType},

		{"a kind in the issuer's words", bearer, typed("JWT", "token_type", "", "typ", `"Bearer"`), auth.Access, ""},
		{"another kind in the issuer's words", bearer, typed("JWT", "token_type", "", "typ", `"Refresh"`), auth.Refresh, ""},
		{"one kind for another", bearer, typed("JWT", "token_type", "", "typ", `"Refresh"`), auth.Access, auth.TokenWrongKind},
		{"an unknown kind", bearer, typed("JWT", "token_type", "", "typ", `"ID"`), auth.Access, auth.TokenWrongKind},
		{"an unknown kind where any is asked for", bearer, typed("JWT", "token_type", "", "typ", `"ID"`), auth.Any, auth.TokenWrongKind},
		{"our word for the kind", bearer, typed("JWT", "token_type", "", "typ", `"access"`), auth.Access, auth.TokenWrongKind},
		{"the kind null", bearer, typed("JWT", "token_type", "", "typ", `null`), auth.Access, auth.TokenWrongKind},
		{"our claim for the kind", bearer, typed("JWT"), auth.Access, auth.TokenNoKind},

		{"the first access claim", azp, token(append(untyped, "azp", `"app"`)...), auth.Access, ""},
		{"the second access claim", azp, token(append(untyped, "appid", `"app"`)...), auth.Access, ""},
		{"an access claim of another type", azp, token(append(untyped, "appid", `{"a":1}`)...), auth.Access, ""},
		{"neither access claim", azp, token(append(untyped, "x", `"app"`)...), auth.Access, auth.TokenNoKind},
		{"an empty access claim", azp, token(append(untyped, "azp", `""`)...), auth.Access, auth.TokenNoKind},
		{"an access claim null", azp, token(append(untyped, "azp", `null`)...), auth.Access, auth.TokenNoKind},
		{"an access claim of an empty list", azp, token(append(untyped, "azp", `[ ]`)...), auth.Access, auth.TokenNoKind},
		{"an access claim of an empty object", azp, token(append(untyped, "azp", `{}`)...), auth.Access, auth.TokenNoKind},
		{"an access claim and another kind", azp, token("token_type", `"refresh"`, "azp", `"app"`), auth.Access, auth.TokenWrongKind},
		{"an access claim as a refresh token", azp, token(append(untyped, "azp", `"app"`)...), auth.Refresh, auth.TokenWrongKind},
		{"a kind without jti and access claim", azp, token("jti", ""), auth.Access, auth.TokenNoID},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			v := newVerifier(t, tt.change)
			_, err := v.Verify(t.Context(), tt.raw, tt.ask)
			assert.Equal(t, tt.want, reason(err))
		})
	}
}

func TestUntypedTokensKeepTheirHeaderType(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.HeaderTypes, c.DangerouslyUntyped = []string{"vnd.example+jwt"}, true
	})
	_, err := v.Verify(t.Context(), typed("JWT", "token_type", ""), auth.Access)
	assert.Equal(t, auth.TokenHeaderType, reason(err))
	_, err = v.Verify(t.Context(), typed("vnd.example+jwt", "token_type", ""), auth.Access)
	assert.Empty(t, reason(err))
}

func TestRequiredAndRefusedClaims(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Claims = map[string][]string{"azp": {"app", "other"}, "verified": {"true"}, "level": {"2"}, "any": {"*"}}
		c.RefusedClaims = []string{"nonce"}
	})
	good := []string{"azp", `"app"`, "verified", "true", "level", "2", "any", `[0]`}
	tests := []struct {
		desc, name, value string
		want              rampart.Denial
	}{
		{"all of them", "x", "1", ""},
		{"another of the values", "azp", `"other"`, ""},
		{"the value escaped", "azp", `"\u0061pp"`, ""},
		{"none", "azp", "", auth.TokenWrongClaim},
		{"another value", "azp", `"evil"`, auth.TokenWrongClaim},
		{"another case", "azp", `"App"`, auth.TokenWrongClaim},
		{"the value and more", "azp", `"app "`, auth.TokenWrongClaim},
		{"a list with the value", "azp", `["app"]`, auth.TokenWrongClaim},
		{"an object with the value", "azp", `{"a":"app"}`, auth.TokenWrongClaim},
		{"null", "azp", `null`, auth.TokenWrongClaim},
		{"empty", "azp", `""`, auth.TokenWrongClaim},
		{"false for true", "verified", `false`, auth.TokenWrongClaim},
		{"a string for true", "verified", `"true"`, ""},
		{"another number", "level", `3`, auth.TokenWrongClaim},
		{"the number in another spelling", "level", `2.0`, auth.TokenWrongClaim},
		{"a star is no value", "azp", `"*"`, auth.TokenWrongClaim},
		{"any value, but null", "any", `null`, auth.TokenWrongClaim},
		{"any value, but an empty string", "any", `""`, auth.TokenWrongClaim},
		{"any value, but an empty list", "any", "[\t]", auth.TokenWrongClaim},
		{"any value, but an empty object", "any", `{ }`, auth.TokenWrongClaim},
		{"any value, and false is one", "any", `false`, ""},
		{"a refused claim", "nonce", `"n"`, auth.TokenRefusedClaim},
		{"a refused claim, empty", "nonce", `""`, auth.TokenRefusedClaim},
		{"a refused claim, null", "nonce", `null`, auth.TokenRefusedClaim},
		{"a refused claim in another case is another claim", "Nonce", `"n"`, ""},
		{"a refused claim, deep inside", "x", `{"nonce":1}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			members := slices.Clone(good)
			if i := slices.Index(members, tt.name); i >= 0 {
				members = slices.Delete(members, i, i+2)
			}
			_, err := v.Verify(t.Context(), token(append(members, tt.name, tt.value)...), auth.Access)
			assert.Equal(t, tt.want, reason(err))
			if te, ok := errors.AsType[*auth.TokenError](err); ok {
				assert.Equal(t, tt.name, te.Claim)
				assert.Contains(t, err.Error(), fmt.Sprintf("claim %q", tt.name))
			}
		})
	}
}

func TestScopeClaims(t *testing.T) {
	tests := []struct {
		desc    string
		names   []string
		members []string
		want    []string // nil: refused
	}{
		{"by default a string", nil, []string{"scope", `"a b"`}, []string{"a", "b"}},
		{"by default a list", nil, []string{"scope", `["a","b"]`}, []string{"a", "b"}},
		{"by default both claims", nil, []string{"scope", `["a"]`, "scopes", `"b c"`}, []string{"a", "b", "c"}},
		{"by default both claims, the first empty", nil, []string{"scope", `""`, "scopes", `"b"`}, []string{"b"}},
		{"by default both claims, the second empty", nil, []string{"scopes", `"b"`, "scope", `""`}, []string{"b"}},
		{"by default no scp", nil, []string{"scp", `"a"`}, []string{}},
		{"the first that is there", []string{"scp", "roles"}, []string{"scp", `"a b"`, "roles", `["c"]`}, []string{"a", "b"}},
		{"whatever their order in the token", []string{"scp", "roles"}, []string{"roles", `["c"]`, "scp", `"a b"`}, []string{"a", "b"}},
		{"the second, without the first", []string{"scp", "roles"}, []string{"roles", `["c"]`}, []string{"c"}},
		{"the first, though it is empty", []string{"scp", "roles"}, []string{"scp", `""`, "roles", `["c"]`}, []string{}},
		{"the first, though it is an empty list", []string{"scp", "roles"}, []string{"roles", `["c"]`, "scp", `[]`}, []string{}},
		{"not scope, if it is not named", []string{"scp"}, []string{"scope", `"admin"`, "scopes", `["admin"]`, "scp", `"a"`}, []string{"a"}},
		{"an unnamed claim may have any type", []string{"scp"}, []string{"scope", `{"a":1}`, "scp", `"a"`}, []string{"a"}},
		{"no claim at all", []string{}, []string{"scope", `"admin"`}, []string{}},
		{"a wrong type in the second", []string{"scp", "roles"}, []string{"scp", `"a"`, "roles", `{"a":1}`}, nil},
		{"null", []string{"scp"}, []string{"scp", `null`}, nil},
		{"a scope with a space in a list", []string{"scp"}, []string{"scp", `["a b"]`}, nil},
		{"a scope with a control character in a list", []string{"scp"}, []string{"scp", `["a\n"]`}, nil},
		{"a scope that is no text in a list", []string{"scp"}, []string{"scp", `["a",["b"]]`}, nil},
		{"a no-break space does not separate", []string{"scp"}, []string{"scp", `"a\u00a0b"`}, []string{"a\u00a0b"}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			v := newVerifier(t, func(c *auth.VerifierConfig) { c.ScopeClaims = tt.names })
			tok, err := v.Verify(t.Context(), token(tt.members...), auth.Access)
			if tt.want == nil {
				assert.Equal(t, auth.TokenClaims, reason(err))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, append([]string{}, slices.Collect(tok.Scopes())...))
		})
	}
}

// The longest token that can be configured, all of it scopes.
func TestALongListOfScopesIsReadInTimeInProportion(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.MaxBytes, c.CacheSize = 64<<10, -1 })
	raw := token("scope", `["`+strings.Repeat(`a","`, 12000)+`z"]`)
	require.Less(t, len(raw), 64<<10+1)
	took := cputime.Spent(func() {
		tok, err := v.Verify(t.Context(), raw, auth.Access)
		require.NoError(t, err)
		assert.True(t, tok.HasScope("z"))
	})
	assert.Less(t, took, 100*time.Millisecond)
}

func TestTenants(t *testing.T) {
	const tenant, other = "11111111-2222-3333-4444-555555555555", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	issuer := func(id string) string { return `"https://login.example/` + id + `/v2.0"` }
	for desc, tt := range map[string]struct {
		tenants []string
		members []string
		want    rampart.Denial
	}{
		"ours":                       {[]string{tenant}, []string{"iss", issuer(tenant), "tid", `"` + tenant + `"`}, ""},
		"another's":                  {[]string{tenant}, []string{"iss", issuer(other), "tid", `"` + other + `"`}, auth.TokenTenant},
		"anybody's":                  {[]string{"*"}, []string{"iss", issuer(other), "tid", `"` + other + `"`}, ""},
		"no tid":                     {[]string{"*"}, []string{"iss", issuer(other)}, auth.TokenIssuer},
		"tid of another than iss":    {[]string{"*"}, []string{"iss", issuer(other), "tid", `"` + tenant + `"`}, auth.TokenIssuer},
		"tid a list":                 {[]string{"*"}, []string{"iss", issuer(tenant), "tid", `["` + tenant + `"]`}, auth.TokenIssuer},
		"tid a path":                 {[]string{"*"}, []string{"iss", issuer("a/../b"), "tid", `"a/../b"`}, auth.TokenIssuer},
		"tid dots":                   {[]string{"*"}, []string{"iss", issuer(".."), "tid", `".."`}, auth.TokenIssuer},
		"tid empty":                  {[]string{"*"}, []string{"iss", issuer(""), "tid", `""`}, auth.TokenIssuer},
		"tid a star":                 {[]string{"*"}, []string{"iss", issuer("*"), "tid", `"*"`}, auth.TokenIssuer},
		"tid the template":           {[]string{"*"}, []string{"iss", issuer("{tenantid}"), "tid", `"{tenantid}"`}, auth.TokenIssuer},
		"tid a name":                 {[]string{"*"}, []string{"iss", issuer("contoso.onmicrosoft.com"), "tid", `"contoso.onmicrosoft.com"`}, auth.TokenIssuer},
		"tid 36 characters, no GUID": {[]string{"*"}, []string{"iss", issuer(strings.Repeat("/", 36)), "tid", `"` + strings.Repeat("/", 36) + `"`}, auth.TokenIssuer},
		"tid in upper case":          {[]string{"*"}, []string{"iss", issuer(strings.ToUpper(other)), "tid", `"` + strings.ToUpper(other) + `"`}, auth.TokenIssuer},
		"the end of iss is another":  {[]string{"*"}, []string{"iss", `"https://login.example/` + tenant + `/v1.0"`, "tid", `"` + tenant + `"`}, auth.TokenIssuer},
		"the begin of iss is other":  {[]string{"*"}, []string{"iss", `"https://logie.example/` + tenant + `/v2.0"`, "tid", `"` + tenant + `"`}, auth.TokenIssuer},
		"a longer iss":               {[]string{"*"}, []string{"iss", `"https://login.example/` + tenant + `/x/v2.0"`, "tid", `"` + tenant + `"`}, auth.TokenIssuer},
		"a short iss":                {[]string{"*"}, []string{"iss", `"https://login.example//v2.0"`, "tid", `"` + tenant + `"`}, auth.TokenIssuer},
		"a letter that is no digit":  {[]string{"*"}, []string{"iss", issuer("g1111111-2222-3333-4444-555555555555"), "tid", `"g1111111-2222-3333-4444-555555555555"`}, auth.TokenIssuer},
		"a hyphen at a wrong place":  {[]string{"*"}, []string{"iss", issuer("1111111-12222-3333-4444-555555555555"), "tid", `"1111111-12222-3333-4444-555555555555"`}, auth.TokenIssuer},
		"tid twice, by its name":     {[]string{"*"}, []string{"iss", issuer(tenant), "tid", `"` + tenant + `","tid":"` + other + `"`}, auth.TokenClaims},
	} {
		v := newVerifier(t, func(c *auth.VerifierConfig) {
			c.Issuer, c.Tenants = "https://login.example/{tenantid}/v2.0", tt.tenants
		})
		_, err := v.Verify(t.Context(), token(tt.members...), auth.Access)
		assert.Equal(t, tt.want, reason(err), desc)
	}
}

func TestAudienceClaim(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.AudienceClaim, c.Audiences = "client_id", []string{"app", "https://api.example"}
	})
	for desc, tt := range map[string]struct {
		members []string
		want    rampart.Denial
	}{
		"ours":                  {[]string{"client_id", `"app"`}, ""},
		"another's":             {[]string{"client_id", `"evil"`}, auth.TokenAudience},
		"none":                  {nil, auth.TokenAudience},
		"aud alone":             {[]string{"aud", `"app"`}, auth.TokenAudience},
		"our aud, too":          {[]string{"client_id", `"app"`, "aud", `["https://api.example"]`}, ""},
		"the aud of another":    {[]string{"client_id", `"app"`, "aud", `"https://other.example"`}, auth.TokenAudience},
		"an empty list as aud":  {[]string{"client_id", `"app"`, "aud", `[]`}, auth.TokenAudience},
		"a number as client_id": {[]string{"client_id", `1`}, auth.TokenClaims},
		"a number as aud":       {[]string{"client_id", `"app"`, "aud", `1`}, auth.TokenClaims},
	} {
		_, err := v.Verify(t.Context(), token(tt.members...), auth.Access)
		assert.Equal(t, tt.want, reason(err), desc)
	}
	anyone := newVerifier(t, func(c *auth.VerifierConfig) { c.AudienceClaim = "client_id" })
	_, err := anyone.Verify(t.Context(), token("aud", `"x"`), auth.Access)
	assert.Empty(t, reason(err), "Audiences is a star")
}

func TestCheckIsAskedLastAndOnEveryRequest(t *testing.T) {
	var failure error
	asked := 0
	var log bytes.Buffer
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c.Check = func(tok *auth.Token) error {
			asked++
			assert.Equal(t, "1", tok.Subject())
			return failure
		}
	})
	raw := token("scope", `"read"`)
	for _, bad := range []string{"", raw + "x", token("exp", "1"), token("token_type", `"refresh"`), token("user_id", "")} {
		_, err := v.Verify(t.Context(), bad, auth.Access)
		require.Error(t, err)
	}
	assert.Zero(t, asked, "nothing but a good token is shown")
	for range 2 {
		_, err := v.Verify(t.Context(), raw, auth.Access)
		require.NoError(t, err)
	}
	assert.Equal(t, 2, asked, "a cached one, too")

	failure = errors.New("the secret department of Bob")
	_, err := v.Verify(t.Context(), raw, auth.Access)
	assert.Equal(t, auth.TokenCheck, reason(err))
	require.ErrorIs(t, err, failure)
	w := serve(t, v.Handler(spy(t, false)), "Bearer "+raw)
	assert.Equal(t, http.StatusUnauthorized, w.Code)
	assert.NotContains(t, w.Body.String()+fmt.Sprint(w.Header()), "Bob")
	assert.Contains(t, w.Header().Get("Www-Authenticate"), `error="invalid_token"`)
	assert.Contains(t, log.String(), `error="the secret department of Bob"`)
	assert.Contains(t, log.String(), "setting=Check")
	failure = &auth.TokenError{Reason: auth.TokenScope}
	assert.Equal(t, http.StatusUnauthorized, serve(t, v.Handler(spy(t, false)), "Bearer "+raw).Code, "a check cannot choose the answer")
}

func TestCheckIsNotAskedForARevokedToken(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Revoked = func(context.Context, *auth.Token) (bool, error) { return true, nil }
		c.Check = func(*auth.Token) error { panic("asked") }
	})
	_, err := v.Verify(t.Context(), token(), auth.Access)
	assert.Equal(t, auth.TokenRevoked, reason(err))
}

func TestTheLogNamesTheClaimAndTheClientIsNotTold(t *testing.T) {
	for members, want := range map[[2]string]string{
		{"exp", `"x"`}:     "reason=bad_claims claim=exp",
		{"iat", `"x"`}:     "reason=bad_claims claim=iat",
		{"aud", `7`}:       "reason=bad_claims claim=aud",
		{"user_id", `1.5`}: "reason=bad_claims claim=user_id",
		{"scp", `7`}:       "reason=bad_claims claim=scp",
		{"x", "nil"}:       "reason=bad_claims",
		{"nonce", `"n"`}:   "reason=refused_claim claim=nonce setting=RefusedClaims",
		{"level", `9`}:     `reason=wrong_claim claim=level got=9 want="2 or 3" setting=Claims`,
		{"level", ""}:      "reason=wrong_claim claim=level setting=Claims",
	} {
		var log bytes.Buffer // a verifier folds repeats
		v := newVerifier(t, func(c *auth.VerifierConfig) {
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			c.RefusedClaims, c.Claims = []string{"nonce"}, map[string][]string{"level": {"2", "3"}}
			c.ScopeClaims = []string{"scp"}
		})
		base := []string{"level", "2"}
		if members[0] == "level" {
			base = nil
		}
		w := serve(t, v.Handler(spy(t, false)), "Bearer "+token(append(base, members[0], members[1])...))
		assert.Equal(t, http.StatusUnauthorized, w.Code)
		assert.Contains(t, log.String(), want)
		assert.Equal(t, want == "reason=bad_claims", !strings.Contains(log.String(), "claim="), "nothing to name: %s", want)
		assert.NotContains(t, w.Body.String(), members[0]+" ")
		assert.NotContains(t, w.Body.String(), "claim")
	}
}

func TestDecode(t *testing.T) {
	v := newVerifier(t)
	tok, err := v.Verify(t.Context(), token("email", `"a@b.example"`, "realm_access", `{"roles":["admin"]}`, "n", "3"), auth.Access)
	require.NoError(t, err)
	var c struct {
		Email string `json:"email"`
		Realm struct {
			Roles []string `json:"roles"`
		} `json:"realm_access"`
		Wrong string `json:"EMAIL"`
	}
	require.NoError(t, tok.Decode(&c))
	assert.Equal(t, "a@b.example", c.Email)
	assert.Equal(t, []string{"admin"}, c.Realm.Roles)
	assert.Empty(t, c.Wrong, "names are exact")
	c.Realm.Roles[0] = "changed"
	require.NoError(t, tok.Decode(&c))
	assert.Equal(t, []string{"admin"}, c.Realm.Roles)
	all := map[string]any{}
	require.NoError(t, tok.Decode(&all))
	assert.Contains(t, all, "user_id")
	var bad struct {
		N string `json:"n"`
	}
	assert.Error(t, tok.Decode(&bad))
	assert.Error(t, (&auth.Token{}).Decode(&all))
}

func TestNewVerifierReportsMistakesOfProfiles(t *testing.T) {
	cfg := auth.Simplejwt([]byte(secret))
	cfg.Tenants = []string{"x", "*"}
	cfg.AudienceClaim = "exp"
	cfg.HeaderTypes = []string{"", "a b", "JWT", "jwt"}
	cfg.Kinds = map[string]auth.Kind{"Bearer": auth.Any}
	cfg.AccessClaims = []string{"azp", "nonce", "azp", "sub", ""}
	cfg.Claims = map[string][]string{"token_type": {"*"}, "iss": {"*"}, "hd": {""}, "a": nil, "b": {}, "c": {"*", "x"}}
	cfg.RefusedClaims = []string{"nonce", "hd", "exp"}
	cfg.ScopeClaims = []string{"user_id", "scp", "scp", "tid"}
	cfg.DangerouslyUntyped = true
	_, err := auth.NewVerifier(cfg)
	assert.Equal(t, `Tenants: pointless
Tenants: invalid: "x"
Tenants: conflict: "*"
HeaderTypes: invalid
HeaderTypes: invalid: "a b"
HeaderTypes: duplicate: "jwt"
Kinds: invalid: "Bearer"
DangerouslyUntyped: conflict
AudienceClaim: invalid: "exp"
ScopeClaims: invalid: "user_id"
ScopeClaims: duplicate: "scp"
ScopeClaims: invalid: "tid"
Claims: invalid: "iss"
Claims: invalid: "token_type"
Claims: missing: "a"
Claims: missing: "b"
Claims: conflict: "c"
Claims: invalid: "hd"
RefusedClaims: invalid: "hd"
RefusedClaims: invalid: "exp"
AccessClaims: invalid: "nonce"
AccessClaims: duplicate: "azp"
AccessClaims: invalid: "sub"
AccessClaims: invalid`, conferrtest.Text(err))

	cfg = auth.Simplejwt([]byte(secret))
	cfg.Issuer, cfg.Kinds = "https://{tenantid}/{tenantid}", map[string]auth.Kind{"": auth.Access}
	for i := range 65 {
		cfg.RefusedClaims = append(cfg.RefusedClaims, fmt.Sprint("c", i))
	}
	_, err = auth.NewVerifier(cfg)
	assert.Equal(t, "Issuer: invalid: \"https://{tenantid}/{tenantid}\"\nTenants: missing\nKinds: invalid\nClaims: invalid", conferrtest.Text(err))

	// The last of 64 claims still counts.
	cfg = auth.Simplejwt([]byte(secret))
	cfg.Claims = map[string][]string{}
	for i := range 64 {
		cfg.Claims[fmt.Sprintf("c%02d", i)] = []string{"*"}
	}
	v, err := auth.NewVerifier(cfg)
	require.NoError(t, err)
	var members []string
	for _, name := range slices.Sorted(maps.Keys(cfg.Claims)) {
		members = append(members, name, "1")
	}
	_, err = v.Verify(t.Context(), token(members...), auth.Access)
	assert.Empty(t, reason(err))
	_, err = v.Verify(t.Context(), token(members[:126]...), auth.Access)
	assert.Equal(t, auth.TokenWrongClaim, reason(err))
}

func TestLaterChangesOfAProfileHaveNoEffect(t *testing.T) {
	cfg := auth.Simplejwt([]byte(secret))
	cfg.Issuer, cfg.Tenants = "https://a.example/{tenantid}", []string{"11111111-2222-3333-4444-555555555555"}
	cfg.Kinds = map[string]auth.Kind{"Bearer": auth.Access}
	cfg.Claims = map[string][]string{"azp": {"app"}}
	cfg.RefusedClaims, cfg.AccessClaims = []string{"nonce"}, []string{"cid"}
	cfg.ScopeClaims, cfg.HeaderTypes = []string{"scp"}, []string{"at+jwt", "JWT"}
	v, err := auth.NewVerifier(cfg)
	require.NoError(t, err)
	cfg.Tenants[0], cfg.Kinds["access"], cfg.Claims["azp"][0] = "*", auth.Access, "evil"
	cfg.RefusedClaims[0], cfg.AccessClaims[0], cfg.ScopeClaims[0], cfg.HeaderTypes[1] = "x", "x", "x", "x"
	base := []string{"token_type", `"Bearer"`, "iss", `"https://a.example/11111111-2222-3333-4444-555555555555"`, "tid", `"11111111-2222-3333-4444-555555555555"`, "azp", `"app"`, "scp", `"a"`}
	tok, err := v.Verify(t.Context(), token(base...), auth.Access)
	require.NoError(t, err)
	assert.True(t, tok.HasScope("a"))
	for _, change := range [][]string{{"token_type", `"access"`}, {"azp", `"evil"`}, {"nonce", `"x"`}, {"tid", `"*"`}} {
		_, err = v.Verify(t.Context(), token(append(slices.Clone(base), change...)...), auth.Access)
		assert.Error(t, err, change)
	}
}

func TestAServiceRefusesASettingThatItsOwnTokensWouldNotMeet(t *testing.T) {
	tokens := auth.Simplejwt([]byte(secret))
	tokens.Kinds, tokens.AudienceClaim = map[string]auth.Kind{"Bearer": auth.Access}, "client_id"
	tokens.Issuer, tokens.Tenants = "https://a.example/{tenantid}", []string{"*"}
	_, err := session.New(session.Config{Tokens: tokens, Users: people{}, Sessions: session.NewMemoryStore(0)})
	assert.Equal(t, "Tokens.Kinds: conflict\nTokens.Tenants: conflict\nTokens.AudienceClaim: conflict", conferrtest.Text(err))
}

// FuzzProfileClaims signs whatever the fuzzer makes of claims. What a profile takes
// has, to encoding/json, the audience, the client and the kind that it asks for, and
// nothing of an ID token.
func FuzzProfileClaims(f *testing.F) {
	key := newKeys(f, newKey(f))
	profiles := []auth.VerifierConfig{auth.Keycloak(), auth.Auth0(), auth.Entra(), auth.Cognito(), auth.Okta()}
	var verifiers []*auth.Verifier
	for _, p := range profiles {
		p.Keys, p.Audiences, p.CacheSize = key, []string{"api"}, -1
		p.Issuer = "https://a.example"
		p.Logger = slog.New(slog.DiscardHandler)
		v, err := auth.NewVerifier(p)
		require.NoError(f, err)
		verifiers = append(verifiers, v)
	}
	base := `"iss":"https://a.example","aud":["api","x"],"sub":"u","exp":4102444800,"jti":"j"`
	for _, seed := range []string{
		`{` + base + `,"typ":"Bearer","azp":"app","scope":"a b"}`, `{` + base + `,"azp":"app","nonce":null}`,
		`{` + base + `,"ver":"2.0","tid":"t","azp":"app","scp":["a"],"roles":"b"}`, `{` + base + `,"token_use":"access","client_id":"api"}`,
		`{` + base + `,"cid":{},"scp":[]}`, `{` + base + `,"typ":"ID","azp":"app"}`, `{` + base + `,"azp":[ ],"at_hash":"x"}`,
	} {
		for i := range verifiers {
			f.Add(seed, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, body string, which uint8) {
		i := int(which) % len(verifiers)
		tok, err := verifiers[i].Verify(t.Context(), forge(crypto.SHA256, plainHeader, body), auth.Access)
		if err != nil {
			return
		}
		var c map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &c) != nil {
			t.Fatalf("not JSON to encoding/json: %q", body)
		}
		text := func(name string) (s string) {
			_ = json.Unmarshal(c[name], &s)
			return s
		}
		p := profiles[i]
		for _, name := range p.RefusedClaims {
			if _, ok := c[name]; ok {
				t.Fatalf("with %s: %q", name, body)
			}
		}
		for name, want := range p.Claims {
			if c[name] == nil || want[0] != "*" && !slices.Contains(want, text(name)) {
				t.Fatalf("without %s: %q", name, body)
			}
		}
		if p.KindClaim != "" && p.Kinds[text(p.KindClaim)] != auth.Access {
			t.Fatalf("of another kind: %q", body)
		}
		if p.KindClaim == "" && text("token_type") != "access" && !slices.ContainsFunc(p.AccessClaims, func(name string) bool { return c[name] != nil }) {
			t.Fatalf("of no kind: %q", body)
		}
		var list []string
		if aud := c["aud"]; p.AudienceClaim == "" && text("aud") != "api" && (json.Unmarshal(aud, &list) != nil || !slices.Contains(list, "api")) {
			t.Fatalf("for another: %q", body)
		}
		if text("iss") != "https://a.example" || text("sub") != tok.Subject() || tok.Subject() == "" {
			t.Fatalf("read differently: %q", body)
		}
	})
}
