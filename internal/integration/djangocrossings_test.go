package integration_test

import (
	"cmp"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authdjango"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/auth/session"
)

// A side is Django or ours, over HTTP.
type side struct {
	name string
	base string // "": ours
	own  http.Handler
}

// oursOver serves Django's routes over its tables.
func oursOver(t testing.TB, store *authdjango.Store, h *password.Hasher) (side, *session.Service) {
	t.Helper()
	s, v := djangoService(t, store, store.Users(h, nil))
	mux := http.NewServeMux()
	mux.Handle("/api/token/", s.IssueHandler())
	mux.Handle("/api/token/refresh/", s.RefreshHandler())
	mux.Handle("/api/token/verify/", s.VerifyHandler())
	mux.Handle("/api/token/blacklist/", s.EndSessionHandler())
	mux.Handle("/api/secure/", v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })))
	return side{name: "ours", own: mux}, s
}

// tokens are what a client holds.
type tokens struct{ access, refresh string }

func (s side) login(t testing.TB, name string) tokens {
	t.Helper()
	a := ask(t, s.own, s.base, http.MethodPost, "/api/token/", "", map[string]string{"username": name, "password": "pw " + name})
	require.Equal(t, http.StatusOK, a.code, "%s: log-in of %s: %v", s.name, name, a.members)
	return tokens{a.text("access"), a.text("refresh")}
}

func (s side) post(t testing.TB, path, name, token string) djangoReply {
	t.Helper()
	return ask(t, s.own, s.base, http.MethodPost, "/api/token/"+path+"/", "", map[string]string{name: token})
}

func (s side) refresh(t testing.TB, token string) (tokens, int) {
	t.Helper()
	a := s.post(t, "refresh", "refresh", token)
	return tokens{a.text("access"), a.text("refresh")}, a.code
}

// renew is a refresh that works.
func (s side) renew(t testing.TB, old tokens) tokens {
	t.Helper()
	next, code := s.refresh(t, old.refresh)
	require.Equal(t, http.StatusOK, code, s.name)
	return tokens{next.access, cmp.Or(next.refresh, old.refresh)}
}

func (s side) logout(t testing.TB, token string) {
	t.Helper()
	require.Equal(t, http.StatusOK, s.post(t, "blacklist", "refresh", token).code, s.name)
}

func (s side) verify(t testing.TB, token string) int {
	t.Helper()
	return s.post(t, "verify", "token", token).code
}

func (s side) request(t testing.TB, access string) int {
	t.Helper()
	return ask(t, s.own, s.base, http.MethodGet, "/api/secure/", access, nil).code
}

// TestDjangoAndWeEndEachOthersTokens: what one side ends is dead at the other, and what
// neither ends lives at both, whichever side made it.
func TestDjangoAndWeEndEachOthersTokens(t *testing.T) {
	t.Parallel() // most of it is waiting
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			db, settings := b.open(t)
			d := startDjango(t, settings, true)
			names := [][]string{}
			for _, name := range []string{"u1", "u2", "u3"} {
				names = append(names, []string{name, "argon2"})
			}
			d.manage(t, map[string]any{"do": "users", "users": names})
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			ours, service := oursOver(t, store, cheap(t, password.Config{}))
			theirs := side{name: "Django", base: d.url}
			for _, way := range []struct{ ends, uses side }{{theirs, ours}, {ours, theirs}} {
				for _, makes := range []side{theirs, ours} {
					ends, uses := way.ends, way.uses
					name := "made by " + makes.name + ", ended by " + ends.name + ", used at " + uses.name + ": "
					unusable := func(desc, refresh string) {
						_, code := uses.refresh(t, refresh)
						assert.Equal(t, http.StatusUnauthorized, code, name+desc)
					}
					refused := func(desc string, code int) { // Debian's Django says 400 of a blacklisted one
						assert.Contains(t, []int{http.StatusUnauthorized, http.StatusBadRequest}, code, name+desc)
					}

					// 1 and 2: a log-out.
					in := makes.login(t, "u1")
					ends.logout(t, in.refresh)
					refused("1: verified after a log-out", uses.verify(t, in.refresh))
					unusable("2: used after a log-out", in.refresh)

					// 3 and 4: a rotation; the new token works there.
					in = makes.login(t, "u1")
					next := ends.renew(t, in)
					refused("3: verified after a rotation", uses.verify(t, in.refresh))
					unusable("4: used after a rotation", in.refresh)
					assert.Equal(t, http.StatusOK, uses.request(t, next.access), name+"the access token of a rotation")

					// 5: rotated to and fro, then logged out.
					next = uses.renew(t, next)
					next = ends.renew(t, next)
					next = ends.renew(t, next)
					assert.Equal(t, http.StatusOK, uses.request(t, next.access), name+"after three rotations")
					ends.logout(t, next.refresh)
					unusable("5: used after rotations and a log-out", next.refresh)

					// 6: an account that may log in no more.
					in = makes.login(t, "u3")
					d.manage(t, map[string]any{"do": "active", "user": 3, "active": false})
					assert.Equal(t, http.StatusUnauthorized, uses.request(t, in.access), name+"6: an inactive account")
					d.manage(t, map[string]any{"do": "active", "user": 3, "active": true})
					assert.Equal(t, http.StatusOK, uses.request(t, in.access), name+"active again")

					// 7: a log-out everywhere.
					in, other := makes.login(t, "u2"), uses.login(t, "u2")
					if ends.name == "Django" {
						d.manage(t, map[string]any{"do": "everywhere", "user": 2})
					} else {
						_, err := service.EndSubject(t.Context(), "2")
						require.NoError(t, err)
					}
					unusable("7: used after a log-out everywhere", in.refresh)
					unusable("7: another session, too", other.refresh)
				}
			}
			// Simplejwt 5.5 writes down what it rotates: that dies with the session, unseen here.
			in := ours.login(t, "u1")
			next := theirs.renew(t, in)
			if os.Getenv("PYTHONPATH") == "" { // an older one does not
				d.manage(t, map[string]any{"do": "outstand", "token": next.refresh})
			}
			access, err := auth.NewVerifier(session.Simplejwt([]byte(authSecret)).Tokens)
			require.NoError(t, err)
			token, err := access.Verify(t.Context(), in.access, auth.Access)
			require.NoError(t, err)
			ended, err := service.EndSession(t.Context(), token.Session())
			require.NoError(t, err)
			assert.Equal(t, 1, ended)
			_, code := theirs.refresh(t, next.refresh)
			assert.Equal(t, http.StatusUnauthorized, code)
			assert.Equal(t, http.StatusUnauthorized, ours.request(t, next.access), "its access token, too")
		})
	}
}
