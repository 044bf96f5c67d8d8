package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth/authtest"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/jose"
)

func TestMemoryStore(t *testing.T) {
	authtest.TestStore(t, func(testing.TB) session.Store { return session.NewMemoryStore(0) })
}

func TestMemoryStoreIsBoundedAndExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := session.NewMemoryStore(2)
		row := func(id string) session.Session {
			return session.Session{ID: id, Subject: id, AuthenticatedAt: time.Now(), Expires: time.Now().Add(time.Hour), Ends: time.Now().Add(time.Hour)}
		}
		require.NoError(t, store.Create(t.Context(), row("a")))
		require.NoError(t, store.Create(t.Context(), row("b")))
		assert.ErrorIs(t, store.Create(t.Context(), row("c")), session.ErrStoreFull)
		_, err := store.Get(t.Context(), "a")
		assert.NoError(t, err, "nobody is logged out for a newcomer")
		time.Sleep(time.Hour)
		require.NoError(t, store.Create(t.Context(), row("c")))
		_, err = store.Get(t.Context(), "a")
		assert.ErrorIs(t, err, session.ErrNoSession)

		for _, subject := range []string{"1", "2", "3"} {
			require.NoError(t, errOf(store.RevokeSubject(t.Context(), subject, time.Now())))
		}
		assert.ErrorIs(t, errOf(store.RevokeSubject(t.Context(), "4", time.Now())), session.ErrStoreFull)
		assert.NoError(t, errOf(store.RevokeSubject(t.Context(), "1", time.Now())))
		assert.NoError(t, store.RevokeBefore(t.Context(), time.Now()))
		time.Sleep(401 * 24 * time.Hour)
		assert.NoError(t, errOf(store.RevokeSubject(t.Context(), "4", time.Now())), "no session is left that the others concern")
	})
}

func TestAFullMemoryStoreKeepsNoRowThatNobodyNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := session.NewMemoryStore(4)
		row := func(id string) session.Session {
			now := time.Now()
			return session.Session{ID: id, Subject: id, AuthenticatedAt: now, Expires: now.Add(time.Hour), Ends: now.Add(30 * 24 * time.Hour)}
		}
		foreign := jose.ForeignSession("django", "jti")
		idle, ended, outlived := jose.NewSession(), jose.NewSession(), jose.NewSession()
		for _, id := range []string{foreign, idle} {
			require.NoError(t, store.Create(t.Context(), row(id)))
		}
		time.Sleep(time.Hour) // both are idle for too long
		for _, id := range []string{ended, outlived} {
			require.NoError(t, store.Create(t.Context(), row(id)))
		}
		require.NoError(t, errOf(store.Revoke(t.Context(), ended)))
		require.NoError(t, errOf(store.RevokeSubject(t.Context(), outlived, time.Now())))
		require.NoError(t, errOf(store.Revoke(t.Context(), foreign)))

		for range 3 { // in the places of the others
			require.NoError(t, store.Create(t.Context(), row(jose.NewSession())))
		}
		assert.ErrorIs(t, store.Create(t.Context(), row(jose.NewSession())), session.ErrStoreFull)
		_, err := store.Get(t.Context(), foreign)
		assert.NoError(t, err, "its token would begin a session anew")
	})
}
