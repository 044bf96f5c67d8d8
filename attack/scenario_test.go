package attack_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/attack"
	"github.com/ecolaura/rampart/internal/weak"
)

func titles(findings []attack.Finding) (all []string) {
	for _, f := range findings {
		all = append(all, f.Title)
	}
	return all
}

const secret = "a signing secret of a service that falls for a trick"

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwt makes a token of bob's.
func jwt(t *testing.T, alg string, sign func(text string) []byte) string {
	t.Helper()
	text := b64([]byte(`{"alg":"`+alg+`","typ":"JWT"}`)) + "." + b64(fmt.Appendf(nil, `{"sub":"bob","exp":%d}`, time.Now().Add(time.Hour).Unix()))
	return text + "." + b64(sign(text))
}

func mac(secret []byte) func(string) []byte {
	return func(text string) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
}

// split reads a token.
func split(token string) (head map[string]any, text string, signature []byte) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || json.Unmarshal(raw, &head) != nil {
		return nil, "", nil
	}
	signature, _ = base64.RawURLEncoding.DecodeString(parts[2])
	return head, parts[0] + "." + parts[1], signature
}

func pemOf(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// A verifier that falls for one trick, and for no other, is found by each.
func TestEachForgeryIsTried(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	point, err := ecKey.PublicKey.Bytes()
	require.NoError(t, err)
	byRSA := func(text string) []byte {
		digest := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(rand.Reader, rsaKey, crypto.SHA256, digest[:])
		require.NoError(t, err)
		return signature
	}
	hmacOf := func(secret []byte) func(string) bool {
		return func(token string) bool {
			head, text, signature := split(token)
			return head["alg"] == "HS256" && hmac.Equal(signature, mac(secret)(text))
		}
	}
	good := jwt(t, "HS256", mac([]byte(secret)))
	goodRSA := jwt(t, "RS256", byRSA)
	jwks := fmt.Sprintf(`{"keys":[{"kty":"oct"},{"kty":"EC","crv":"P-256","x":%q,"y":%q},{"kty":"RSA","n":%q,"e":"AQAB"}]}`,
		b64(point[1:33]), b64(point[33:]), b64(rsaKey.N.Bytes()))
	tests := []struct {
		trick, good string
		falls       func(token string) bool
	}{
		{"algorithm none", good, func(token string) bool { head, _, sig := split(token); return head["alg"] == "none" && len(sig) == 0 }},
		{"algorithm nOnE", good, func(token string) bool { head, _, _ := split(token); return head["alg"] == "nOnE" }},
		{"no signature", good, func(token string) bool { head, _, sig := split(token); return head["alg"] == "HS256" && len(sig) == 0 }},
		{"two parts", good, func(token string) bool { return strings.Count(token, ".") == 1 }},
		{"half a signature", good, func(token string) bool {
			_, text, sig := split(token)
			full := mac([]byte(secret))(text)
			return len(sig) >= 12 && len(sig) < 32 && bytes.HasPrefix(full, sig)
		}},
		{"other claims", good, func(token string) bool {
			_, _, sig := split(token)
			_, _, own := split(good)
			return token != good && bytes.Equal(sig, own)
		}},
		{"a well-known secret", good, hmacOf([]byte("changeme"))},
		{"an empty secret", good, hmacOf(nil)},
		{"a key of the token's own", good, func(token string) bool {
			head, text, sig := split(token)
			jwk, _ := head["jwk"].(map[string]any)
			if jwk == nil || len(sig) != 64 {
				return false
			}
			var xy [2][]byte
			for i, name := range []string{"x", "y"} {
				coordinate, _ := jwk[name].(string)
				xy[i], _ = base64.RawURLEncoding.DecodeString(coordinate)
			}
			key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, xy[0], xy[1]))
			digest := sha256.Sum256([]byte(text))
			return err == nil && ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
		}},
		{"a signature of zeros", good, func(token string) bool {
			head, _, sig := split(token)
			return head["alg"] == "ES256" && bytes.Equal(sig, make([]byte, 64))
		}},
		{"an RSA key as a secret", goodRSA, hmacOf(pemOf(t, &rsaKey.PublicKey))},
		{"an EC key as a secret", goodRSA, hmacOf(bytes.TrimSpace(pemOf(t, &ecKey.PublicKey)))},
		{"a character more, of a token that is no JWT", "opaque-token-of-bob", func(token string) bool { return strings.HasPrefix(token, "opaque-token-of-bob") && len(token) > 19 }},
	}
	for _, tt := range tests {
		t.Run(tt.trick, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.HandleFunc("/secure", func(w http.ResponseWriter, r *http.Request) {
				_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
				if token != tt.good && !tt.falls(token) {
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, jwks) })
			findings, err := attack.Scan(t.Context(), attack.Target{
				Handler: mux, Secure: "/secure", JWKS: "/jwks", Bob: attack.Account{Name: "bob"},
				Login: func(context.Context, *attack.Client, attack.Account) (attack.Session, error) {
					return attack.Session{Access: tt.good}, nil
				},
			})
			require.NoError(t, err)
			i := slices.IndexFunc(findings, func(f attack.Finding) bool { return f.Title == "A forged token is accepted" })
			require.GreaterOrEqual(t, i, 0, "%v", titles(findings))
			assert.Equal(t, "CWE-347", findings[i].CWE)
			assert.Equal(t, attack.Critical, findings[i].Severity)
			assert.Contains(t, findings[i].Request, "GET /secure HTTP/1.1\r\n")
		})
	}
}

// open is a service that refuses nothing.
func open(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("X-Request-ID", r.Header.Get("X-Request-ID"))
	_, _ = io.WriteString(w, `{"access":"an access token","refresh":"a refresh token","is_admin":true}`)
}

func everything() attack.Target {
	return attack.Target{
		Alice: attack.Account{Name: "alice", Password: "alice's"}, Bob: attack.Account{Name: "bob", Password: "bob's"},
		Public: "/public", Secure: "/secure", Refresh: "/refresh", Logout: "/logout", Scoped: []attack.Request{{Path: "/scoped"}},
		Own: func(context.Context, *attack.Client, attack.Session) (attack.Request, error) {
			return attack.Request{Path: "/own"}, nil
		},
		Write: attack.Request{Path: "/write", Body: `{"name":"x","\u0061":1}`}, Invalid: []string{"{}"}, Upload: attack.Request{Path: "/upload"},
		Malformed: []attack.Request{{Path: "/public?a=1"}}, Limits: []attack.Limit{{Name: "l", Request: attack.Request{Path: "/public"}, Count: 3}}, Guesses: 3,
		Origins: []string{"https://www.example.com"}, KeyPath: "/key", Key: "a-long-enough-key-of-alice", RequestID: "X-Request-ID",
	}
}

func TestAServiceThatRefusesNothingHasMostWeaknesses(t *testing.T) {
	t.Parallel()
	target := everything()
	target.Handler = http.HandlerFunc(open)
	findings, err := attack.Scan(t.Context(), target)
	require.NoError(t, err)
	got := titles(findings)
	for _, title := range []string{
		"A private path is served without a token", "A caller gets what is another's", "A path for API keys is served without one", "A foreign Host is served",
		"A response lacks security headers", "A private response may be cached", "A hostile JSON body is taken", "A body without bounds is read",
		"A body of another content type is taken", "A member that no client may set is taken", "A JSON body that can be read in two ways is taken", "A hostile multipart body is taken",
		"Invalid input is taken", "A query that can be read in two ways is served", "A limit does not hold", "Passwords can be guessed without limit",
	} {
		assert.Contains(t, got, title)
	}
}

func TestAServiceThatIsNotAsDescribedIsAFinding(t *testing.T) {
	target := everything()
	target.Handler = http.NotFoundHandler()
	findings, err := attack.Scan(t.Context(), target)
	require.NoError(t, err)
	assert.Contains(t, titles(findings), "The service does not respond as the target says")
	assert.True(t, slices.ContainsFunc(findings, func(f attack.Finding) bool {
		return strings.Contains(f.Detail, "Alice cannot log in: attack: answered with status 404")
	}))

	target.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // only log-ins
		if r.URL.Path == "/api/token/" {
			open(w, r)
			return
		}
		http.NotFound(w, r)
	})
	target.Own = func(context.Context, *attack.Client, attack.Session) (attack.Request, error) {
		return attack.Request{}, errors.New("nothing to own")
	}
	findings, err = attack.Scan(t.Context(), target)
	require.NoError(t, err)
	layers := map[string]bool{}
	for _, f := range findings {
		if f.Title == "The service does not respond as the target says" {
			layers[f.Layer] = true
		}
	}
	assert.Equal(t, map[string]bool{"auth": true, "application": true, "apikey": true}, layers)
}

func TestAServiceThatHangsUpEndsInAnError(t *testing.T) {
	target := everything()
	target.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/token/" {
			open(w, r)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	})
	_, err := attack.Scan(t.Context(), target)
	require.ErrorContains(t, err, "attack: GET /secure")
}

func TestGuessesThatAHeaderSetsFree(t *testing.T) {
	tries := map[string]int{}
	target := attack.Target{
		Bob: attack.Account{Name: "bob", Password: "bob's"}, Guesses: 5,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if bytes.Contains(body, []byte("bob's")) {
				open(w, r)
				return
			}
			by := r.Header.Get("X-Real-IP")
			if tries[by]++; tries[by] > 4 {
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			w.WriteHeader(http.StatusUnauthorized)
		}),
	}
	findings, err := attack.Scan(t.Context(), target)
	require.NoError(t, err)
	i := slices.IndexFunc(findings, func(f attack.Finding) bool { return f.Title == "A header evades a limit" })
	require.GreaterOrEqual(t, i, 0, "%v", titles(findings))
	assert.Contains(t, findings[i].Detail, "X-Real-Ip: 192.0.2.2")

	target.Handler = http.HandlerFunc(open) // any password will do
	findings, err = attack.Scan(t.Context(), target)
	require.NoError(t, err)
	assert.Contains(t, titles(findings), "Passwords can be guessed without limit")
}

func TestAFindingCountsTheRequestThatWasRefused(t *testing.T) {
	t.Parallel()
	s := newWeak(t, "limit-early")
	target := s.Target()
	target.Handler = s
	findings, err := attack.Scan(t.Context(), target)
	require.NoError(t, err)
	i := slices.IndexFunc(findings, func(f attack.Finding) bool { return f.Title == "A limit refuses too early" })
	require.GreaterOrEqual(t, i, 0, "%v", titles(findings))
	assert.Contains(t, findings[i].Detail, "request 10 of 10 is refused")
}

func TestATokenBucketMayRefillMeanwhile(t *testing.T) {
	n := 0
	target := attack.Target{
		Limits: []attack.Limit{{Name: "bucket", Request: attack.Request{Path: "/bucket", Header: http.Header{"X-API-Key": {"k"}}}, Count: 3, Refill: time.Hour, Keyed: true}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/bucket" {
				return
			}
			if n++; n > 4 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusTooManyRequests)
			}
		}),
	}
	findings, err := attack.Scan(t.Context(), target)
	require.NoError(t, err)
	assert.Equal(t, []string{"A response lacks security headers"}, slices.Compact(titles(findings)))
}

func TestItRunsOverTLSWithoutAProxy(t *testing.T) {
	t.Parallel()
	s := newWeak(t)
	target := s.Target()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Forwarded-Proto", "https")
		s.ServeHTTP(w, r)
	}))
	defer srv.Close()
	client := srv.Client().Transport.(*http.Transport).TLSClientConfig
	target = attack.Target{
		URL: srv.URL, TLS: client, Header: http.Header{"Host": {weak.Host}}, Bob: target.Bob, Public: target.Public, Secure: target.Secure,
		Limits: target.Limits[:1], RequestID: target.RequestID, Log: target.Log,
	}
	findings, err := attack.Scan(t.Context(), target)
	require.NoError(t, err)
	assert.Empty(t, slices.DeleteFunc(titles(findings), func(s string) bool {
		// httptest answers "OPTIONS *" itself; 127.0.0.0/8 is trusted here, so an id of ours and a spoofed address are believed.
		return s == "A response lacks security headers" || s == "A client chooses the request id" || s == "A header evades a limit"
	}))

	target.TLS = nil // the certificate is of nobody that we know
	_, err = attack.Scan(t.Context(), target)
	require.ErrorContains(t, err, "nothing answers")
}

func TestSeveritiesHaveNames(t *testing.T) {
	assert.Equal(t, "low medium high critical unknown", fmt.Sprint(attack.Low, attack.Medium, attack.High, attack.Critical, attack.Severity(0)))
}

func TestNoSecretStandsInAFinding(t *testing.T) {
	t.Parallel()
	const password = `a "quoted" & spaced password`
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "the-secret-of-a-session"})
		w.WriteHeader(http.StatusOK)
		fmt.Fprintf(w, "%s %s %v panic: %s", r.URL, body, r.Header, body) // shown back, and each request is a finding
	})
	for name, form := range map[string]attack.LoginForm{"form": {Path: "/login", Cookies: true}, "json": {Path: "/login", JSON: true, Cookies: true}} {
		t.Run(name, func(t *testing.T) {
			findings, err := attack.Scan(t.Context(), attack.Target{
				Handler: h, Login: form.Login, Public: "/", Secure: "/secure",
				Alice: attack.Account{Name: "alice", Password: password}, Bob: attack.Account{Name: "bob", Password: password},
				Write: attack.Request{Path: "/write", Body: "{}"},
			})
			require.NoError(t, err)
			require.NotEmpty(t, findings)
			for _, f := range findings {
				for _, secret := range []string{password, `a \"quoted\"`, "a+%22quoted", "the-secret-of-a-session"} {
					require.NotContains(t, f.String(), secret)
				}
			}
		})
	}
}

func TestAScanEndsAfterMaxRequests(t *testing.T) {
	var n atomic.Int64
	var checks []string
	_, err := attack.Scan(t.Context(), attack.Target{
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1) }), Public: "/", MaxRequests: 10, Pace: time.Millisecond,
		Progress: func(check string, _ int) { checks = append(checks, check) },
	})
	require.ErrorIs(t, err, attack.ErrSpent)
	require.LessOrEqual(t, n.Load(), int64(10))
	require.NotEmpty(t, checks)
}
