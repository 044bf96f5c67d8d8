package auth_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

func TestVerifyRefusesWhatIsNotOneStrictToken(t *testing.T) {
	v := newVerifier(t)
	good := token()
	segments := strings.Split(good, ".")
	header, body, sig := segments[0], segments[1], segments[2]
	headed := func(text string) string { return forge(crypto.SHA256, text, claims()) }
	tests := []struct {
		desc string
		raw  string
		want rampart.Denial
	}{
		{"a good token", good, ""},
		{"no text", "", auth.TokenMissing},
		{"longer than MaxBytes", strings.Repeat("a", 8193), auth.TokenTooLarge},
		{"one segment", header, auth.TokenMalformed},
		{"two segments", header + "." + body, auth.TokenMalformed},
		{"four segments", good + "." + sig, auth.TokenMalformed},
		{"five segments, as a JWE has", header + "....", auth.TokenMalformed},
		{"only dots", "..", auth.TokenMalformed},
		{"no signature", header + "." + body + ".", auth.TokenMalformed},
		{"no header", "." + body + "." + sig, auth.TokenMalformed},
		{"no claims", header + ".." + sign(crypto.SHA256, header+"."), auth.TokenClaims},
		{"padding", good + "=", auth.TokenMalformed},
		{"a line end in the signature", good[:len(good)-4] + "\n" + good[len(good)-4:], auth.TokenMalformed},
		{"a carriage return in the header", "\r" + good, auth.TokenMalformed},
		{"a leading space", " " + good, auth.TokenMalformed},
		{"the standard alphabet", header + "." + body + "." + strings.Repeat("+/", 21) + "A", auth.TokenMalformed},
		{"set bits behind the signature", good[:len(good)-1] + next(good[len(good)-1]), auth.TokenMalformed},
		{"set bits behind the claims, signed", signed(header + "." + loose(claims())), auth.TokenMalformed},
		{"another signature", header + "." + body + "." + b64(strings.Repeat("x", 32)), auth.TokenSignature},
		{"a short signature", header + "." + body + ".AAAA", auth.TokenSignature},
		{"altered claims", header + "." + b64(claims("user_id", "2")) + "." + sig, auth.TokenSignature},
		{"JSON serialisation", `{"payload":"` + body + `","protected":"` + header + `","signature":"` + sig + `"}`, auth.TokenMalformed},

		{"alg none", b64(`{"alg":"none"}`) + "." + body + ".AA", auth.TokenAlgorithm},
		{"alg none without a signature", b64(`{"alg":"none"}`) + "." + body + ".", auth.TokenMalformed},
		{"alg in another case", headed(`{"alg":"hs256"}`), auth.TokenAlgorithm},
		{"no alg", headed(`{"typ":"JWT"}`), auth.TokenMalformed},
		{"an empty alg", headed(`{"alg":""}`), auth.TokenMalformed},
		{"alg twice", headed(`{"alg":"HS256","alg":"HS256"}`), auth.TokenMalformed},
		{"alg twice, once escaped", headed(`{"alg":"HS256","\u0061lg":"HS256"}`), auth.TokenMalformed},
		{"alg an array", headed(`{"alg":["HS256"]}`), auth.TokenMalformed},
		{"another algorithm of the family", forge(crypto.SHA512, `{"alg":"HS512"}`, claims()), auth.TokenKey},
		{"a public-key algorithm", headed(`{"alg":"RS256"}`), auth.TokenKey},
		{"a header array", headed(`["HS256"]`), auth.TokenMalformed},
		{"text behind the header", headed(`{"alg":"HS256"}{}`), auth.TokenMalformed},
		{"a header that is cut off", headed(`{"alg":"HS256"`), auth.TokenMalformed},
		{"a header with a trailing comma", headed(`{"alg":"HS256",}`), auth.TokenMalformed},
		{"a deep header", headed(`{"alg":"HS256","x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`), auth.TokenMalformed},
		{"a header value that is no JSON", headed(`{"alg":"HS256","x":nil}`), auth.TokenMalformed},
		{"crit", headed(`{"alg":"HS256","crit":["exp"],"exp":1}`), auth.TokenMalformed},
		{"an empty crit", headed(`{"alg":"HS256","crit":[]}`), auth.TokenMalformed},
		{"b64", headed(`{"alg":"HS256","b64":false}`), auth.TokenMalformed},
		{"a nested token", headed(`{"alg":"HS256","cty":"JWT"}`), auth.TokenMalformed},
		{"kid a number", headed(`{"alg":"HS256","kid":1}`), auth.TokenMalformed},
		{"a huge kid", headed(`{"alg":"HS256","kid":"` + strings.Repeat("k", 513) + `"}`), auth.TokenMalformed},
		{"typ a number", headed(`{"alg":"HS256","typ":1}`), auth.TokenMalformed},
		{"typ of an access token that is not expected", headed(`{"alg":"HS256","typ":"at+jwt"}`), auth.TokenHeaderType},
		{"typ of a log-out token", headed(`{"alg":"HS256","typ":"logout+jwt"}`), auth.TokenHeaderType},
		{"typ in another spelling", headed(`{"alg":"HS256","typ":"application/jwt"}`), ""},
		{"no typ", headed(`{"alg":"HS256"}`), ""},
		{"a key in the header is not read", headed(`{"alg":"HS256","jwk":{"kty":"oct","k":"AA"},"jku":"https://evil.example","x5u":"","x5c":[]}`), ""},
		{"any kid for a key without one", headed(`{"alg":"HS256","kid":"../../dev/null"}`), ""},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			_, err := v.Verify(t.Context(), tt.raw, auth.Access)
			assert.Equal(t, tt.want, reason(err))
		})
	}
}

// next returns the character of base64url after c.
func next(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[(strings.IndexByte(alphabet, c)+1)%64])
}

// loose encodes claims with a bit set that no byte comes from.
func loose(claims string) string {
	for len(claims)%3 == 0 {
		claims += " "
	}
	text := b64(claims)
	return text[:len(text)-1] + next(text[len(text)-1])
}

func signed(input string) string { return input + "." + sign(crypto.SHA256, input) }

func TestVerifyChecksEveryClaim(t *testing.T) {
	v := newVerifier(t)
	now := time.Now().Unix()
	deep := strings.Repeat(`{"a":`, 30) + "1" + strings.Repeat("}", 30)
	tests := []struct {
		desc string
		raw  string
		want rampart.Denial
	}{
		{"exp in the past", token("exp", fmt.Sprint(now-1)), auth.TokenExpired},
		{"exp now", token("exp", fmt.Sprint(now)), auth.TokenExpired},
		{"no exp", token("exp", ""), auth.TokenNoExpiry},
		{"exp in another case", token("exp", "", "Exp", fmt.Sprint(now+60)), auth.TokenNoExpiry},
		{"exp with a fraction", token("exp", fmt.Sprintf("%d.25", now+60)), ""},
		{"exp with a long fraction", token("exp", fmt.Sprintf("%d.%s", now+60, strings.Repeat("9", 100))), ""},
		{"exp a string", token("exp", fmt.Sprintf(`"%d"`, now+60)), auth.TokenClaims},
		{"exp null", token("exp", "null"), auth.TokenClaims},
		{"exp true", token("exp", "true"), auth.TokenClaims},
		{"exp an array", token("exp", "[1]"), auth.TokenClaims},
		{"exp negative", token("exp", "-1"), auth.TokenClaims},
		{"exp zero", token("exp", "0"), auth.TokenExpired},
		{"exp with an exponent", token("exp", "1e20"), auth.TokenClaims},
		{"exp with a fraction and an exponent", token("exp", "4.1e9"), auth.TokenClaims},
		{"exp beyond int64", token("exp", "9223372036854775808"), auth.TokenClaims},
		{"exp that wraps around in uint64", token("exp", "18446744077809551616"), auth.TokenClaims},
		{"exp in the year 10000", token("exp", "253402300800"), auth.TokenClaims},
		{"exp in the year 9999", token("exp", "253402300799"), ""},
		{"exp NaN", token("exp", "NaN"), auth.TokenClaims},
		{"exp with a leading zero", token("exp", "04102444800"), auth.TokenClaims},
		{"exp without digits behind the point", token("exp", "4102444800."), auth.TokenClaims},
		{"exp twice", token("exp", fmt.Sprintf(`%d,"exp":%d`, now-9, now+60)), auth.TokenClaims},
		{"nbf in the future", token("nbf", fmt.Sprint(now+60)), auth.TokenNotYet},
		{"nbf in the past", token("nbf", fmt.Sprint(now-60)), ""},
		{"nbf a string", token("nbf", `"1"`), auth.TokenClaims},
		{"iat in the future", token("iat", fmt.Sprint(now+60)), auth.TokenNotYet},
		{"iat a string", token("iat", `"1"`), auth.TokenClaims},
		{"no iat", token("iat", ""), ""},
		{"no jti", token("jti", ""), auth.TokenNoID},
		{"jti a number", token("jti", "1"), auth.TokenClaims},
		{"no kind", token("token_type", ""), auth.TokenNoKind},
		{"a refresh token", token("token_type", `"refresh"`), auth.TokenWrongKind},
		{"a sliding token", token("token_type", `"sliding"`), auth.TokenWrongKind},
		{"an unknown kind", token("token_type", `"any"`), auth.TokenWrongKind},
		{"a kind in another case", token("token_type", `"Access"`), auth.TokenWrongKind},
		{"a list of kinds", token("token_type", `["access"]`), auth.TokenWrongKind},
		{"no subject", token("user_id", ""), auth.TokenNoSubject},
		{"sub is not the subject", token("user_id", "", "sub", `"1"`), auth.TokenNoSubject},
		{"an empty subject", token("user_id", `""`), auth.TokenClaims},
		{"a null subject", token("user_id", "null"), auth.TokenClaims},
		{"a subject true", token("user_id", "true"), auth.TokenClaims},
		{"a fractional subject", token("user_id", "1.0"), auth.TokenClaims},
		{"a subject with an exponent", token("user_id", "1e3"), auth.TokenClaims},
		{"a negative subject", token("user_id", "-1"), auth.TokenClaims},
		{"a subject beyond 2^53", token("user_id", "9007199254740993"), auth.TokenClaims},
		{"a sub of a wrong type", token("sub", "1"), auth.TokenClaims},
		{"an iss of a wrong type", token("iss", `["a"]`), auth.TokenClaims},
		{"an aud of a wrong type", token("aud", "1"), auth.TokenClaims},
		{"an aud with a number", token("aud", `["a",1]`), auth.TokenClaims},
		{"an aud with null", token("aud", `["a",null]`), auth.TokenClaims},
		{"any iss and aud", token("iss", `"x"`, "aud", `["y"]`), ""},
		{"a scope of a wrong type", token("scope", `1`), auth.TokenClaims},
		{"scopes of a wrong type", token("scopes", `{}`), auth.TokenClaims},
		{"a list of scopes under scope", token("scope", `["a"]`), ""},
		{"a string under scopes", token("scopes", `"a b"`), ""},
		{"a number among scopes", token("scope", `["a",1]`), auth.TokenClaims},
		{"a scope with a space in a list", token("scopes", `["a b"]`), auth.TokenClaims},
		{"an empty scope in a list", token("scopes", `[""]`), auth.TokenClaims},
		{"claims that are no object", forge(crypto.SHA256, plainHeader, `[1]`), auth.TokenClaims},
		{"text behind the claims", forge(crypto.SHA256, plainHeader, claims()+"x"), auth.TokenClaims},
		{"a byte order mark", forge(crypto.SHA256, plainHeader, "\xef\xbb\xbf"+claims()), auth.TokenClaims},
		{"invalid UTF-8", token("x", "\"\xff\""), auth.TokenClaims},
		{"a lone surrogate", token("x", `"\ud800"`), auth.TokenClaims},
		{"a name twice, deep inside", token("x", `{"y":{"z":1,"z":2}}`), auth.TokenClaims},
		{"deep nesting", token("x", deep), auth.TokenClaims},
		{"moderate nesting", token("x", `{"a":[{"b":[1,"}]"]}]}`), ""},
		{"claims that are not canonical base64url", signed(b64(plainHeader) + "." + b64(claims()) + "="), auth.TokenMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			_, err := v.Verify(t.Context(), tt.raw, auth.Access)
			assert.Equal(t, tt.want, reason(err))
		})
	}
}

func TestKindsAreNeverInterchangeable(t *testing.T) {
	v := newVerifier(t)
	kinds := []auth.Kind{auth.Access, auth.Refresh, auth.Sliding}
	for _, have := range kinds {
		raw := token("token_type", fmt.Sprintf("%q", have))
		for _, want := range kinds {
			_, err := v.Verify(t.Context(), raw, want)
			assert.Equal(t, have == want, err == nil, "%s as %s: %v", have, want, err)
		}
		got, err := v.Verify(t.Context(), raw, auth.Any)
		require.NoError(t, err)
		assert.Equal(t, have, got.Kind())
		_, err = v.Verify(t.Context(), raw, "")
		assert.Equal(t, auth.TokenWrongKind, reason(err))
	}
}

func TestToken(t *testing.T) {
	v := newVerifier(t)
	raw := token("iss", `"me"`, "exp", "4102444800.5", "iat", "1600000000", "scope", `"a b  c"`, "scopes", `["d"]`,
		"nested", `{"list":[1,2]}`, "user_id", `"al\u0069ce"`, "nul\\u006c", "null")
	tok, err := v.Verify(t.Context(), raw, auth.Access)
	require.NoError(t, err)
	assert.Equal(t, "0123456789abcdef0123456789abcdef", tok.ID())
	assert.Equal(t, "alice", tok.Subject())
	assert.Empty(t, tok.Session())
	assert.Equal(t, "me", tok.Issuer())
	assert.Equal(t, auth.Access, tok.Kind())
	assert.Equal(t, time.Unix(4102444800, 500000000), tok.Expires())
	assert.Equal(t, time.Unix(1600000000, 0), tok.IssuedAt())

	var scopes []string
	for s := range tok.Scopes() {
		scopes = append(scopes, s)
	}
	assert.Equal(t, []string{"a", "b", "c", "d"}, scopes)
	for _, s := range scopes {
		assert.True(t, tok.HasScope(s))
	}
	for _, s := range []string{"", " ", "a b", "A", "ab"} {
		assert.False(t, tok.HasScope(s), "%q", s)
	}

	var nested struct {
		List []int `json:"list"`
	}
	require.NoError(t, tok.Claim("nested", &nested))
	assert.Equal(t, []int{1, 2}, nested.List)
	assert.ErrorIs(t, tok.Claim("absent", &nested), auth.ErrNoClaim)
	var n int
	assert.Error(t, tok.Claim("nested", &n))
	assert.Error(t, (&auth.Token{}).Claim("x", &n))
	assert.Equal(t, "[kind=access id=0123456789abcdef0123456789abcdef]", tok.LogValue().String())
}

func TestAnIntegerSubjectIsItsText(t *testing.T) {
	v := newVerifier(t)
	for _, value := range []string{"1", `"1"`} {
		tok, err := v.Verify(t.Context(), token("user_id", value), auth.Access)
		require.NoError(t, err)
		assert.Equal(t, "1", tok.Subject())
	}
}

func TestIssuerAndAudience(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Issuer, c.Audiences = "https://issuer.example", []string{"api", "other"}
	})
	tests := []struct {
		desc     string
		iss, aud string
		want     rampart.Denial
	}{
		{"both", `"https://issuer.example"`, `"api"`, ""},
		{"one of a list", `"https://issuer.example"`, `["x","other"]`, ""},
		{"no issuer", "", `"api"`, auth.TokenIssuer},
		{"another issuer", `"https://issuer.example/"`, `"api"`, auth.TokenIssuer},
		{"no audience", `"https://issuer.example"`, "", auth.TokenAudience},
		{"an empty list", `"https://issuer.example"`, "[]", auth.TokenAudience},
		{"a longer audience", `"https://issuer.example"`, `"api2"`, auth.TokenAudience},
		{"another case", `"https://issuer.example"`, `["API"]`, auth.TokenAudience},
		{"a star is no audience", `"*"`, `"*"`, auth.TokenIssuer},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			_, err := v.Verify(t.Context(), token("iss", tt.iss, "aud", tt.aud), auth.Access)
			assert.Equal(t, tt.want, reason(err))
		})
	}
}

func TestLeeway(t *testing.T) {
	now := time.Unix(2_000_000_000, 0)
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Leeway, c.Now = 10*time.Second, func() time.Time { return now }
	})
	for exp, want := range map[int64]rampart.Denial{-10: auth.TokenExpired, -9: "", 0: ""} {
		_, err := v.Verify(t.Context(), token("exp", fmt.Sprint(now.Unix()+exp)), auth.Access)
		assert.Equal(t, want, reason(err), "exp %d", exp)
	}
	for nbf, want := range map[int64]rampart.Denial{10: "", 11: auth.TokenNotYet} {
		_, err := v.Verify(t.Context(), token("exp", "2000009999", "nbf", fmt.Sprint(now.Unix()+nbf)), auth.Access)
		assert.Equal(t, want, reason(err), "nbf %d", nbf)
	}
}

func TestTypedAccessTokens(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.HeaderTypes = []string{"at+jwt"} })
	tests := []struct {
		desc, typ, kind string
		ask             auth.Kind
		want            rampart.Denial
	}{
		{"the type alone", "at+jwt", "", auth.Access, ""},
		{"the type and the kind", "application/AT+JWT", `"access"`, auth.Access, ""},
		{"the kind alone", "JWT", `"access"`, auth.Access, auth.TokenHeaderType},
		{"an OpenID ID token", "JWT", "", auth.Access, auth.TokenNoKind},
		{"the type on a refresh token", "at+jwt", `"refresh"`, auth.Refresh, auth.TokenWrongKind},
		{"a refresh token", "JWT", `"refresh"`, auth.Refresh, ""},
		{"an access token as a refresh token", "at+jwt", "", auth.Refresh, auth.TokenWrongKind},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			raw := forge(crypto.SHA256, fmt.Sprintf(`{"alg":"HS256","typ":%q}`, tt.typ), claims("token_type", tt.kind))
			_, err := v.Verify(t.Context(), raw, tt.ask)
			assert.Equal(t, tt.want, reason(err))
		})
	}
}

func TestUntypedTokensPassOnlyWhereSaid(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.DangerouslyUntyped = true })
	raw := token("token_type", "", "jti", "")
	tok, err := v.Verify(t.Context(), raw, auth.Access)
	require.NoError(t, err)
	assert.Empty(t, tok.Kind())
	_, err = v.Verify(t.Context(), raw, auth.Refresh)
	assert.Equal(t, auth.TokenNoKind, reason(err))
	_, err = v.Verify(t.Context(), token("token_type", `"refresh"`), auth.Access)
	assert.Equal(t, auth.TokenWrongKind, reason(err))
}

func TestRevokedIsAskedEachTime(t *testing.T) {
	var revoked bool
	var failure error
	asked := 0
	v := newVerifier(t, func(c *auth.VerifierConfig) {
		c.Revoked = func(context.Context, *auth.Token) (bool, error) { asked++; return revoked, failure }
	})
	raw := token()
	_, err := v.Verify(t.Context(), raw, auth.Access)
	require.NoError(t, err)
	revoked = true
	_, err = v.Verify(t.Context(), raw, auth.Access)
	assert.Equal(t, auth.TokenRevoked, reason(err))
	revoked, failure = false, errors.New("down")
	_, err = v.Verify(t.Context(), raw, auth.Access)
	assert.Equal(t, auth.TokenUnverified, reason(err))
	assert.ErrorIs(t, err, failure)
	assert.Equal(t, "auth: token refused: unverified: down", err.Error())
	assert.Equal(t, 3, asked)
}

// sourceFunc is a KeySource.
type sourceFunc func(kid string, alg auth.Algorithm) (*auth.Key, error)

func (f sourceFunc) Key(_ context.Context, kid string, alg auth.Algorithm) (*auth.Key, error) {
	return f(kid, alg)
}

func TestKeySources(t *testing.T) {
	down := errors.New("down")
	long, err := auth.NewKey(auth.HS512, "", []byte(secret))
	require.NoError(t, err)
	tests := []struct {
		desc string
		key  *auth.Key
		err  error
		want rampart.Denial
	}{
		{"the key", newKey(t), nil, ""},
		{"an unknown key", nil, fmt.Errorf("x: %w", auth.ErrUnknownKey), auth.TokenKey},
		{"a failure is not the client's fault", nil, down, auth.TokenUnverified},
		{"nothing", nil, nil, auth.TokenAlgorithm},
		{"a key of another algorithm", long, nil, auth.TokenAlgorithm},
		{"a zero key", &auth.Key{}, nil, auth.TokenAlgorithm},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			v := newVerifier(t, func(c *auth.VerifierConfig) {
				c.Keys = sourceFunc(func(string, auth.Algorithm) (*auth.Key, error) { return tt.key, tt.err })
			})
			_, err := v.Verify(t.Context(), token(), auth.Access)
			assert.Equal(t, tt.want, reason(err))
		})
	}
}

func TestTheZeroVerifierRefuses(t *testing.T) {
	var v auth.Verifier
	for _, v := range []*auth.Verifier{&v, nil} {
		_, err := v.Verify(t.Context(), token(), auth.Access)
		assert.Equal(t, auth.TokenUnverified, reason(err))
		_, err = v.Check(request(t, "Bearer "+token()))
		assert.Equal(t, auth.TokenUnverified, reason(err))
		w := serve(t, v.Handler(spy(t, false)), "Bearer "+token())
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	}
}

func TestNewVerifierReportsEveryMistake(t *testing.T) {
	_, err := auth.NewVerifier(auth.VerifierConfig{})
	assert.Equal(t, "Keys: missing\nIssuer: missing\nAudiences: missing", conferrtest.Text(err))
	var nilKeys *auth.Keys
	_, err = auth.NewVerifier(auth.VerifierConfig{
		Keys: nilKeys, Issuer: "*", Audiences: []string{"", "*"}, Leeway: time.Hour, SubjectClaim: "exp", KindClaim: "sub",
		HeaderTypes: []string{"application/jwt"}, RequestKind: auth.Refresh, MaxBytes: math.MaxInt,
	})
	assert.Equal(t, `Keys: missing
Audiences: invalid
Audiences: conflict: "*"
Leeway: invalid: "1h0m0s"
SubjectClaim: invalid: "exp"
KindClaim: invalid: "sub"
RequestKind: invalid: "refresh"
HeaderTypes: invalid: "application/jwt"
MaxBytes: invalid: "9223372036854775807"`, conferrtest.Text(err))
	cfg := auth.Simplejwt([]byte("short"))
	cfg.SubjectClaim, cfg.KindClaim, cfg.HeaderTypes, cfg.DangerouslyUntyped = "scope", "scope", []string{"at+jwt"}, true
	_, err = auth.NewVerifier(cfg)
	assert.Equal(t, `material: weak
KindClaim: conflict: "scope"
DangerouslyUntyped: pointless
ScopeClaims: invalid: "scope"`, conferrtest.Text(err))
	_, err = cfg.Keys.Key(t.Context(), "", auth.HS256)
	assert.Error(t, err)
}

func TestLaterChangesOfTheConfigHaveNoEffect(t *testing.T) {
	audiences := []string{"api"}
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.Audiences = audiences })
	audiences[0] = "evil"
	_, err := v.Verify(t.Context(), token("aud", `"evil"`), auth.Access)
	assert.Equal(t, auth.TokenAudience, reason(err))
}

func TestDifferentHeadersAreToldApart(t *testing.T) {
	v := newVerifier(t)
	for range 2 { // the second time the verifier knows the header
		_, err := v.Verify(t.Context(), token(), auth.Access)
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), forge(crypto.SHA256, `{"alg":"HS256"}`, claims()), auth.Access)
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), forge(crypto.SHA256, `{"alg":"HS384"}`, claims()), auth.Access)
		assert.Equal(t, auth.TokenKey, reason(err))
	}
}

// Where each caller signs with a key of its own, its name is the issuer.
func TestTheIssuerMayBeTheSubject(t *testing.T) {
	v := newVerifier(t, func(c *auth.VerifierConfig) { c.SubjectClaim, c.Issuer = "iss", "shop" })
	tok, err := v.Verify(t.Context(), token("user_id", "", "iss", `"shop"`), auth.Access)
	require.NoError(t, err)
	assert.Equal(t, "shop", tok.Subject())
	for _, members := range [][]string{{"user_id", ""}, {"iss", `""`}, {"iss", `"another"`}, {"iss", "7"}} {
		_, err := v.Verify(t.Context(), token(members...), auth.Access)
		require.Error(t, err, members)
	}
	anyone := newVerifier(t, func(c *auth.VerifierConfig) { c.SubjectClaim = "iss" })
	_, err = anyone.Verify(t.Context(), token(), auth.Access)
	require.Error(t, err, "no issuer, no subject")

	cfg := session.Simplejwt([]byte(secret))
	cfg.Tokens.SubjectClaim = "iss"
	_, err = session.New(cfg)
	require.ErrorContains(t, err, "Tokens.SubjectClaim: conflict")
}

func TestARefusalNamesTheSettingThatDecides(t *testing.T) {
	for reason, want := range map[rampart.Denial]string{
		auth.TokenTooLarge:   "auth: token refused: too_large: see VerifierConfig.MaxBytes",
		auth.TokenHeaderType: "auth: token refused: wrong_typ: see VerifierConfig.HeaderTypes",
		auth.TokenNoKind:     "auth: token refused: no_kind: see VerifierConfig.KindClaim",
		auth.TokenWrongKind:  "auth: token refused: wrong_kind: see VerifierConfig.RequestKind",
		auth.TokenNoID:       "auth: token refused: no_id: see VerifierConfig.AccessClaims",
		auth.TokenNoSubject:  "auth: token refused: no_subject: see VerifierConfig.SubjectClaim",
		auth.TokenIssuer:     "auth: token refused: wrong_issuer: see VerifierConfig.Issuer",
		auth.TokenAudience:   "auth: token refused: wrong_audience: see VerifierConfig.Audiences",
		auth.TokenSignature:  "auth: token refused: bad_signature",
	} {
		assert.EqualError(t, &auth.TokenError{Reason: reason}, want)
	}
	assert.EqualError(t, &auth.TokenError{Reason: auth.TokenUnverified, Err: errors.New("down")}, "auth: token refused: unverified: down")
}
