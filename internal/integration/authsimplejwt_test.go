package integration_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
)

// djangoScript is simplejwt with its defaults but for the algorithm. It makes
// tokens of each kind for user 1, and says of ours, by kind, whether it takes
// them and for which user; of each refresh and sliding token it makes what
// simplejwt's own views would.
const djangoScript = `
import json, sys
ask = json.load(sys.stdin)
from django.conf import settings
jwt = {"ALGORITHM": ask["Algorithm"], "AUTH_TOKEN_CLASSES": (
    "rest_framework_simplejwt.tokens.AccessToken", "rest_framework_simplejwt.tokens.SlidingToken")}
if ask["Algorithm"] == "HS256":
    secret = ask["Secret"]
else:
    secret, jwt["SIGNING_KEY"], jwt["VERIFYING_KEY"] = "unused", ask["Private"], ask["Public"]
settings.configure(SECRET_KEY=secret, SIMPLE_JWT=jwt, USE_TZ=True, INSTALLED_APPS=[
    "django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "rest_framework_simplejwt"])
import django
django.setup()
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken
from rest_framework_simplejwt.authentication import JWTAuthentication
kinds = {"access": AccessToken, "refresh": RefreshToken, "sliding": SlidingToken}

class User:
    id = 1

def judge(text):
    taken = {}
    for kind, cls in kinds.items():
        try:
            token = cls(text)
            taken[kind] = {"User": token["user_id"], "Scope": token.get("scope", "")}
            if kind == "refresh":
                taken["renewed"] = {"User": token.access_token["user_id"], "Text": str(token.access_token)}
        except Exception as e:
            pass
    try:
        JWTAuthentication().get_validated_token(text.encode())
        taken["request"] = {}
    except Exception:
        pass
    return taken

made = {kind: str(cls.for_user(User)) for kind, cls in kinds.items()}
made["derived"] = str(RefreshToken(made["refresh"]).access_token)
json.dump({"Made": made, "Taken": [judge(t) for t in ask["Tokens"]]}, sys.stdout)
`

type djangoAsk struct {
	Algorithm, Secret, Private, Public string
	Tokens                             []string
}

type djangoAnswer struct {
	Made  map[string]string
	Taken []map[string]struct {
		User        int
		Scope, Text string
	}
}

// djangoPython is the interpreter that has Debian's simplejwt.
func djangoPython(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} { // Debian's packages belong to the latter
		if exec.CommandContext(t.Context(), name, "-c", "import django, rest_framework_simplejwt, psycopg2, argon2, bcrypt").Run() == nil {
			return name
		}
	}
	missing(t, "python", "run `make services` (python3-djangorestframework-simplejwt and others)")
	return ""
}

func askDjango(t testing.TB, python string, ask djangoAsk) (a djangoAnswer) {
	t.Helper()
	in, err := json.Marshal(ask)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), python, "-c", djangoScript)
	cmd.Stdin = bytes.NewReader(in)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	require.NoError(t, json.Unmarshal(out, &a))
	return a
}

func TestSimplejwtTakesOursAndWeTakeItsTokens(t *testing.T) {
	t.Parallel() // most of it is waiting
	python := djangoPython(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	require.NoError(t, err)
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for _, alg := range []auth.Algorithm{auth.HS256, auth.RS256} {
		t.Run(string(alg), func(t *testing.T) {
			discard := slog.New(slog.DiscardHandler)
			cfg := session.Simplejwt([]byte(authSecret))
			if alg == auth.RS256 { // its tokens have no kid
				key, err := auth.NewKey(alg, "", private)
				require.NoError(t, err)
				cfg.Tokens.Keys, err = auth.NewKeys(key)
				require.NoError(t, err)
			}
			store := session.NewMemoryStore(0)
			cfg.Tokens.Revoked, cfg.Tokens.Logger = session.RevokedIn(store), discard
			v, err := auth.NewVerifier(cfg.Tokens)
			require.NoError(t, err)
			cfg.Users, cfg.Sessions, cfg.Logger = everybody{}, store, discard
			s, err := session.New(cfg)
			require.NoError(t, err)

			pair, err := s.Issue(t.Context(), "1", map[string]any{"scope": "products:write"})
			require.NoError(t, err)
			sliding := postToken(t, s.IssueSlidingHandler(), `{"username":"1","password":"x"}`)
			answer := askDjango(t, python, djangoAsk{
				Algorithm: string(alg), Secret: authSecret,
				Private: text("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(private)), Public: text("PUBLIC KEY", public),
				Tokens: []string{pair.Access, pair.Refresh, sliding, pair.Access[:len(pair.Access)-4] + "AAAA"},
			})

			// Ours, there.
			kinds := []string{"access", "refresh", "sliding"}
			for i, kind := range kinds {
				for _, other := range kinds {
					taken, ok := answer.Taken[i][other]
					assert.Equal(t, kind == other, ok, "our %s token as %s", kind, other)
					if ok {
						assert.Equal(t, 1, taken.User)
					}
				}
				_, served := answer.Taken[i]["request"]
				assert.Equal(t, kind != "refresh", served, "a request with our %s token", kind)
			}
			assert.Equal(t, "products:write", answer.Taken[0]["access"].Scope)
			assert.Empty(t, answer.Taken[3], "a forged one")

			// Its, here; also the access token that it makes of our refresh token.
			made := map[string]auth.Kind{
				answer.Made["access"]: auth.Access, answer.Made["refresh"]: auth.Refresh, answer.Made["sliding"]: auth.Sliding,
				answer.Made["derived"]: auth.Access, answer.Taken[1]["renewed"].Text: auth.Access,
			}
			require.Len(t, made, 5)
			for raw, kind := range made {
				for _, as := range []auth.Kind{auth.Access, auth.Refresh, auth.Sliding} {
					token, err := v.Verify(t.Context(), raw, as)
					assert.Equal(t, kind == as, err == nil, "its %s token as %s: %v", kind, as, err)
					if err == nil {
						assert.Equal(t, "1", token.Subject())
					}
				}
			}

			// The endpoints take them, too: renewed, and ended by a log-out.
			access := postMember(t, s.RefreshHandler(), `{"refresh":"`+answer.Made["refresh"]+`"}`, "access")
			_, err = v.Verify(t.Context(), access, auth.Access)
			assert.NoError(t, err)
			slid := postToken(t, s.SlideHandler(), `{"token":"`+answer.Made["sliding"]+`"}`)
			_, err = v.Verify(t.Context(), slid, auth.Sliding)
			assert.NoError(t, err)
			assert.Equal(t, http.StatusOK, postAuth(t, s.EndSessionHandler(), `{"refresh":"`+answer.Made["refresh"]+`"}`).Code)
			assert.Equal(t, http.StatusUnauthorized, postAuth(t, s.RefreshHandler(), `{"refresh":"`+answer.Made["refresh"]+`"}`).Code)
		})
	}
}

func postAuth(t testing.TB, h http.Handler, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func postMember(t testing.TB, h http.Handler, body, name string) string {
	t.Helper()
	w := postAuth(t, h, body)
	var members map[string]string
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &members), w.Body.String())
	require.NotEmpty(t, members[name], w.Body.String())
	return members[name]
}

func postToken(t testing.TB, h http.Handler, body string) string {
	t.Helper()
	return postMember(t, h, body, "token")
}
