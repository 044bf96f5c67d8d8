package integration_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
)

const uses = 16 // of one refresh token, at once

// raceRounds is how often a refresh token is used by 16 at once.
func raceRounds() int {
	if os.Getenv("RAMPART_BARS") != "" {
		return 200
	}
	return 8
}

// sharedBackends are the stores that processes can share.
func sharedBackends() map[string]func(t testing.TB) backendAt {
	return map[string]func(t testing.TB) backendAt{
		"Redis": func(t testing.TB) backendAt {
			t.Helper()
			_, prefix := redisPrefix(t)
			return backendAt{Redis: redisAddr(), Prefix: prefix, Patient: true}
		},
		"SQLite": func(t testing.TB) backendAt {
			t.Helper()
			return backendAt{SQLite: filepath.Join(t.TempDir(), "auth.db")}
		},
		"PostgreSQL": func(t testing.TB) backendAt {
			t.Helper()
			var schema string
			require.NoError(t, openPostgres(t).QueryRowContext(t.Context(), "SELECT current_schema()").Scan(&schema))
			return backendAt{Schema: schema}
		},
	}
}

// foreignRefresh returns a refresh token as Django makes it with our secret.
func foreignRefresh() string {
	claims := fmt.Sprintf(`{"token_type":"refresh","exp":%d,"iat":%d,"jti":%q,"user_id":1}`,
		time.Now().Add(time.Hour).Unix(), time.Now().Add(-time.Minute).Unix(), rand.Text())
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(authSecret))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// race has the holders of one refresh token use it at once, round by round, and
// looks for exactly one successor. renew uses a token that often, with everybody;
// once uses it once more, with somebody.
func race(t *testing.T, grace time.Duration, issue func() string, renew func(token string) map[string]int, once func(token string) (successor, reason string)) {
	t.Helper()
	for round := range raceRounds() {
		token := issue()
		if round%4 == 3 {
			token = foreignRefresh() // which has no row yet
		}
		got := renew(token)
		require.Len(t, got, 1, "exactly one successor")
		for successor, n := range got {
			if grace < 0 {
				require.Equal(t, 1, n, "exactly one succeeds")
				_, reason := once(successor)
				require.Equal(t, string(auth.TokenRevoked), reason, "the reuse ended the session")
				continue
			}
			require.Equal(t, uses, n, "all get the same text")
			next, reason := once(successor)
			require.NotEmpty(t, next, reason)
			_, reason = once(token)
			require.Equal(t, string(auth.TokenReused), reason)
			_, reason = once(next)
			require.Equal(t, string(auth.TokenRevoked), reason)
		}
	}
}

// graces has the two ways: with the default, and with none.
func graces() map[string]time.Duration {
	return map[string]time.Duration{"with the grace": 0, "without a grace": -1}
}

func TestConcurrentRefreshesHaveOneSuccessor(t *testing.T) {
	stores := map[string]func(t testing.TB) session.Store{
		"memory": func(testing.TB) session.Store { return session.NewMemoryStore(0) },
	}
	for name, backend := range sharedBackends() {
		stores[name] = func(t testing.TB) session.Store {
			t.Helper()
			store, _ := backend(t).open(t)
			return store
		}
	}
	for name, open := range stores {
		for desc, grace := range graces() {
			t.Run(name+" "+desc, func(t *testing.T) {
				s, _ := authService(t, open(t), grace)
				once := func(token string) (string, string) {
					got, reason, err := renewAtOnce(t.Context(), s, token, 1)
					require.NoError(t, err)
					for successor := range got {
						return successor, ""
					}
					return "", reason
				}
				race(t, grace, func() string {
					pair, err := s.Issue(t.Context(), "1", nil)
					require.NoError(t, err)
					return pair.Refresh
				}, func(token string) map[string]int {
					got, _, err := renewAtOnce(t.Context(), s, token, uses)
					require.NoError(t, err)
					return got
				}, once)
			})
		}
	}
}

func TestConcurrentRefreshesInFourProcessesHaveOneSuccessor(t *testing.T) {
	const processes = 4
	for name, backend := range sharedBackends() {
		for desc, grace := range graces() {
			t.Run(name+" "+desc, func(t *testing.T) {
				b := backend(t)
				b.Grace = grace
				all := startProcesses(t, b, processes)
				turn := 0
				next := func() *process { // each is asked in turn
					turn++
					return all[turn%processes]
				}
				race(t, grace, func() string {
					a := next().do(command{Op: "issue", Subject: "1"})
					require.NoError(t, a.failure())
					return a.Refresh
				}, func(token string) map[string]int {
					at := time.Now().Add(5 * time.Millisecond)
					for _, p := range all {
						p.write(command{Op: "renew", Token: token, Uses: uses / processes, At: at})
					}
					got := map[string]int{}
					for _, p := range all {
						a := p.read()
						assert.NoError(t, a.failure())
						for successor, n := range a.Got {
							got[successor] += n
						}
					}
					return got
				}, func(token string) (string, string) {
					a := next().do(command{Op: "renew", Token: token, Uses: 1})
					require.NoError(t, a.failure())
					for successor := range a.Got {
						return successor, ""
					}
					return "", a.Reason
				})
			})
		}
	}
}
