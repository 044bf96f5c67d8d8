package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/jose"
)

// sharedStore is a Shared in memory. What real ones do is tested where the drivers are:
// internal/integration.
type sharedStore struct {
	*session.MemoryStore

	ended   map[string]bool            // jtis in the other issuer's blacklist
	newest  map[string]session.Session // what the other issuer has made of a session, by id
	refuses func(*auth.Token) (bool, error)
	claims  map[string]any
	err     error
}

func newShared() *sharedStore {
	return &sharedStore{MemoryStore: session.NewMemoryStore(0), ended: map[string]bool{}, newest: map[string]session.Session{}}
}

func (s *sharedStore) Create(ctx context.Context, sess session.Session) error {
	if sess.TokenID != "" && s.ended[sess.TokenID] {
		return session.ErrSuperseded
	}
	err := s.MemoryStore.Create(ctx, sess)
	if err == nil && sess.TokenID != "" {
		s.newest[sess.ID] = sess
	}
	return err
}

func (s *sharedStore) mark(sess session.Session, err error) (session.Session, error) {
	if made, ok := s.newest[sess.ID]; ok && made.Generation == sess.Generation {
		sess.TokenID = made.TokenID
	}
	sess.Blacklisted = s.ended[idOf(sess)]
	return sess, err
}

func idOf(s session.Session) string {
	if s.TokenID != "" {
		return s.TokenID
	}
	return s.ID + "." + string(rune('0'+s.Generation))
}

func (s *sharedStore) Get(ctx context.Context, id string) (session.Session, error) {
	return s.mark(s.MemoryStore.Get(ctx, id))
}

func (s *sharedStore) Advance(ctx context.Context, id string, gen int64, at, expires time.Time) (session.Session, bool, error) {
	old, err := s.Get(ctx, id)
	if err != nil || old.Blacklisted {
		return old, false, err
	}
	now, moved, err := s.MemoryStore.Advance(ctx, id, gen, at, expires)
	if moved {
		s.ended[idOf(old)] = true
	}
	now, err = s.mark(now, err)
	return now, moved, err
}

func (s *sharedStore) Succeed(ctx context.Context, id, jti string, at, expires time.Time) (session.Session, int64, error) {
	if s.err != nil {
		return session.Session{}, 0, s.err
	}
	now, err := s.Get(ctx, id)
	switch made := s.newest[id]; {
	case err != nil, made.TokenID == jti:
		return now, made.Generation, err
	case s.ended[jti], !now.Blacklisted:
		now.Blacklisted = s.ended[jti]
		return now, 0, nil
	}
	now, _, err = s.MemoryStore.Advance(ctx, id, now.Generation, at, expires)
	now.TokenID = jti
	s.newest[id] = now
	return now, now.Generation, err
}

func (s *sharedStore) Revoked(_ context.Context, t *auth.Token) (bool, error) {
	if s.refuses == nil {
		return false, nil
	}
	return s.refuses(t)
}

func (s *sharedStore) Claims(context.Context, string) (map[string]any, error) { return s.claims, s.err }

type anybody struct{}

func (anybody) Login(_ context.Context, name, _ string) (string, error) { return name, nil }
func (anybody) Active(context.Context, string) (bool, error)            { return true, nil }

const sharedSecret = "0123456789abcdef0123456789abcdef"

func sharing(t testing.TB, store session.Store) *session.Service {
	t.Helper()
	cfg := session.Simplejwt([]byte(sharedSecret))
	cfg.Users, cfg.Sessions, cfg.NoRotation = anybody{}, store, false
	cfg.Logger = slog.New(slog.DiscardHandler)
	s, err := session.New(cfg)
	require.NoError(t, err)
	return s
}

// claimsOf reads a token of ours.
func claimsOf(t testing.TB, raw string, kind auth.Kind) *auth.Token {
	t.Helper()
	v, err := auth.NewVerifier(auth.Simplejwt([]byte(sharedSecret)))
	require.NoError(t, err)
	token, err := v.Verify(t.Context(), raw, kind)
	require.NoError(t, err)
	return token
}

// remade is what Django makes of a refresh token: a new jti, the same claims.
func remade(t testing.TB, raw, jti string) string {
	t.Helper()
	claims := map[string]any{}
	token := claimsOf(t, raw, auth.Refresh)
	for name := range token.Claims() {
		var value any
		require.NoError(t, token.Claim(name, &value))
		claims[name] = value
	}
	now := time.Now().Unix()
	maps.Copy(claims, map[string]any{"token_type": "refresh", "jti": jti, "iat": now, "exp": now + 3600, "user_id": 1})
	claims["sid"], claims["auth_time"] = token.Session(), float64(token.AuthTime().UnixMicro())/1e6
	return signed(t, claims)
}

func signed(t testing.TB, claims map[string]any) string {
	t.Helper()
	text, err := json.Marshal(claims)
	require.NoError(t, err)
	key, err := auth.NewKey(auth.HS256, "", []byte(sharedSecret))
	require.NoError(t, err)
	raw, err := jose.Mint(t.Context(), key, "JWT", text)
	require.NoError(t, err)
	return raw
}

func reasonOf(err error) rampart.Denial {
	if te, ok := errors.AsType[*auth.TokenError](err); ok {
		return te.Reason
	}
	return ""
}

func TestWhatTheOtherIssuerMakesGoesOnAsTheSameSession(t *testing.T) {
	store := newShared()
	s := sharing(t, store)
	first, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	store.ended[first.Session+".1"] = true // rotated there
	theirs := remade(t, first.Refresh, "u1")

	_, err = s.Refresh(t.Context(), first.Refresh)
	assert.Equal(t, auth.TokenRevoked, reasonOf(err), "the old one")
	assert.Equal(t, http.StatusOK, postJSON(t, s.VerifyHandler(), `{"token":"`+theirs+`"}`).Code)
	next, err := s.Refresh(t.Context(), theirs)
	require.NoError(t, err)
	assert.Equal(t, first.Session, next.Session)
	assert.Equal(t, first.Session+".3", claimsOf(t, next.Refresh, auth.Refresh).ID())
	again, err := s.Refresh(t.Context(), theirs)
	require.NoError(t, err, "within the grace")
	assert.Equal(t, next.Refresh, again.Refresh)
	_, err = s.Refresh(t.Context(), first.Refresh)
	assert.Equal(t, auth.TokenReused, reasonOf(err), "used up twice, long ago")
	_, err = s.Refresh(t.Context(), next.Refresh)
	assert.Equal(t, auth.TokenRevoked, reasonOf(err))
}

func TestATokenThatTheOtherIssuerHasEndedIsOnlyRefused(t *testing.T) {
	store := newShared()
	s := sharing(t, store)
	first, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	second, err := s.Refresh(t.Context(), first.Refresh)
	require.NoError(t, err)
	store.ended[first.Session+".2"] = true
	theirs := remade(t, second.Refresh, "u1")
	for _, old := range []string{first.Refresh, second.Refresh} { // the first within the grace
		_, err = s.Refresh(t.Context(), old)
		assert.Equal(t, auth.TokenRevoked, reasonOf(err))
	}
	assert.Equal(t, http.StatusUnauthorized, postJSON(t, s.EndSessionHandler(), `{"refresh":"`+second.Refresh+`"}`).Code)
	_, err = s.Refresh(t.Context(), theirs)
	require.NoError(t, err, "its session goes on")
	third, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	store.ended[third.Session+".1"] = true
	require.Equal(t, http.StatusOK, postJSON(t, s.VerifyHandler(), `{"token":"`+remade(t, third.Refresh, "u2")+`"}`).Code)
	_, err = s.Refresh(t.Context(), third.Refresh)
	assert.Equal(t, auth.TokenRevoked, reasonOf(err), "its successor is the other issuer's, and not made again here")
	_, err = s.Refresh(t.Context(), remade(t, third.Refresh, "u2"))
	assert.NoError(t, err)
	store.ended["u3"] = true
	_, err = s.Refresh(t.Context(), remade(t, third.Refresh, "u3"))
	assert.Equal(t, auth.TokenRevoked, reasonOf(err))
	sessions, err := s.Sessions(t.Context(), "1")
	require.NoError(t, err)
	assert.Len(t, sessions, 2, "none has ended")
}

func TestTwoSuccessorsOfOneTokenEndTheSession(t *testing.T) {
	store := newShared()
	s := sharing(t, store)
	first, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	theirs := remade(t, first.Refresh, "u1")
	second, err := s.Refresh(t.Context(), first.Refresh)
	require.NoError(t, err)
	_, err = s.Refresh(t.Context(), theirs)
	assert.Equal(t, auth.TokenReused, reasonOf(err))
	_, err = s.Refresh(t.Context(), second.Refresh)
	assert.Equal(t, auth.TokenRevoked, reasonOf(err))
	_, err = s.Refresh(t.Context(), theirs)
	assert.Equal(t, auth.TokenRevoked, reasonOf(err))
}

func TestAForeignTokenThatWasEndedBeginsNoSession(t *testing.T) {
	store := newShared()
	s := sharing(t, store)
	now := time.Now().Unix()
	of := func(jti string) string {
		return signed(t, map[string]any{"token_type": "refresh", "jti": jti, "iat": now, "exp": now + 3600, "user_id": 1})
	}
	store.ended["u1"] = true
	_, err := s.Refresh(t.Context(), of("u1"))
	assert.Equal(t, auth.TokenRevoked, reasonOf(err))
	require.Equal(t, http.StatusOK, postJSON(t, s.VerifyHandler(), `{"token":"`+of("u2")+`"}`).Code)
	store.ended["u2"] = true
	_, err = s.Refresh(t.Context(), of("u2"))
	assert.Equal(t, auth.TokenRevoked, reasonOf(err))
	next, err := s.Refresh(t.Context(), of("u3"))
	require.NoError(t, err)
	assert.True(t, store.ended["u3"])
	assert.Equal(t, next.Session+".2", claimsOf(t, next.Refresh, auth.Refresh).ID())
}

func TestWithoutASharedStoreATokenOfASessionThatWeDidNotMakeIsRefused(t *testing.T) {
	s := sharing(t, session.NewMemoryStore(0))
	first, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	_, err = s.Refresh(t.Context(), remade(t, first.Refresh, "u1"))
	assert.Equal(t, auth.TokenNoID, reasonOf(err))
	shared := sharing(t, newShared())
	first, err = shared.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	_, err = shared.Refresh(t.Context(), remade(t, first.Refresh, jose.NewSession()+".1"))
	assert.Equal(t, auth.TokenNoID, reasonOf(err), "it is of another session")
}

func TestTheOtherIssuerHasASayInEveryRefresh(t *testing.T) {
	store := newShared()
	store.claims = map[string]any{"hash_password": "X"}
	s := sharing(t, store)
	first, err := s.Issue(t.Context(), "1", map[string]any{"scope": "a"})
	require.NoError(t, err)
	for raw, kind := range map[string]auth.Kind{first.Access: auth.Access, first.Refresh: auth.Refresh} {
		var claim string
		require.NoError(t, claimsOf(t, raw, kind).Claim("hash_password", &claim))
		assert.Equal(t, "X", claim)
	}
	_, err = s.Issue(t.Context(), "1", map[string]any{"hash_password": "mine"})
	assert.ErrorContains(t, err, "set by the store")
	store.refuses = func(token *auth.Token) (bool, error) { return token.Kind() == auth.Refresh, nil }
	_, err = s.Refresh(t.Context(), first.Refresh)
	assert.Equal(t, auth.TokenRevoked, reasonOf(err))
	down := errors.New("down")
	store.refuses = func(*auth.Token) (bool, error) { return false, down }
	_, err = s.Refresh(t.Context(), first.Refresh)
	assert.ErrorIs(t, err, down)
	store.refuses = nil
	second, err := s.Refresh(t.Context(), first.Refresh)
	require.NoError(t, err)
	var claim string
	require.NoError(t, claimsOf(t, second.Access, auth.Access).Claim("hash_password", &claim))
	assert.Equal(t, "X", claim)
	store.err = down
	_, err = s.Issue(t.Context(), "1", nil)
	assert.ErrorIs(t, err, down)
	_, err = s.Refresh(t.Context(), remade(t, second.Refresh, "u1"))
	assert.ErrorIs(t, err, down)
	assert.Equal(t, http.StatusServiceUnavailable, postJSON(t, s.IssueSlidingHandler(), `{"username":"1","password":"x"}`).Code)
}

func TestASlidingTokenKeepsItsIDWhereTheOtherIssuerEndsItByThat(t *testing.T) {
	store := newShared()
	s := sharing(t, store)
	last := ""
	sliding := func(h http.Handler, body string) *auth.Token {
		w := postJSON(t, h, body)
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		var answer struct{ Token string }
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		last = answer.Token
		return claimsOf(t, answer.Token, auth.Sliding)
	}
	first := sliding(s.IssueSlidingHandler(), `{"username":"1","password":"x"}`)
	assert.Equal(t, first.Session()+".1", first.ID())
	assert.Equal(t, first.ID(), sliding(s.SlideHandler(), `{"token":"`+last+`"}`).ID())
	store.ended[first.ID()] = true
	assert.Equal(t, http.StatusUnauthorized, postJSON(t, s.SlideHandler(), `{"token":"`+last+`"}`).Code)

	now := time.Now().Unix()
	foreign := signed(t, map[string]any{"token_type": "sliding", "jti": "u1", "iat": now, "exp": now + 60, "refresh_exp": now + 3600, "user_id": 1})
	assert.Equal(t, "u1", sliding(s.SlideHandler(), `{"token":"`+foreign+`"}`).ID())
}

func TestASlidingTokenKeepsWhatTheOtherIssuerAsksForWhenItIsRenewed(t *testing.T) {
	store := newShared()
	store.claims = map[string]any{"hash_password": "X"}
	s := sharing(t, store)
	claim := func(h http.Handler, body string) (raw, value string) {
		w := postJSON(t, h, body)
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		raw = member(t, w, "token")
		_ = claimsOf(t, raw, auth.Sliding).Claim("hash_password", &value) // "" without it
		return raw, value
	}
	raw, value := claim(s.IssueSlidingHandler(), `{"username":"1","password":"x"}`)
	assert.Equal(t, "X", value)
	store.claims = map[string]any{"hash_password": "Y"} // the password was changed
	_, value = claim(s.SlideHandler(), `{"token":"`+raw+`"}`)
	assert.Equal(t, "X", value, "that of the log-in, so that the change ends it")
}

// racing is a sharedStore in which something happens between two questions.
type racing struct {
	*sharedStore

	advance func() // before it moves
	succeed session.Session
}

func (r racing) Advance(ctx context.Context, id string, gen int64, at, expires time.Time) (session.Session, bool, error) {
	r.advance()
	return r.sharedStore.Advance(ctx, id, gen, at, expires)
}

func (r racing) Succeed(context.Context, string, string, time.Time, time.Time) (session.Session, int64, error) {
	return r.succeed, 0, nil
}

func TestATokenThatIsEndedWhileItIsRefreshedIsOnlyRefused(t *testing.T) {
	store := racing{sharedStore: newShared(), succeed: session.Session{Revoked: true}}
	s := sharing(t, store)
	first, err := s.Issue(t.Context(), "1", nil)
	require.NoError(t, err)
	_, err = s.Refresh(t.Context(), remade(t, first.Refresh, "u1"))
	assert.Equal(t, auth.TokenRevoked, reasonOf(err), "here: nobody used it twice")
	store.advance = func() { store.ended[first.Session+".1"] = true }
	s = sharing(t, store)
	_, err = s.Refresh(t.Context(), first.Refresh)
	assert.Equal(t, auth.TokenRevoked, reasonOf(err), "at the other issuer: it has not expired")
}
