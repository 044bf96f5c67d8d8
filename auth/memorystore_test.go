package auth_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authtest"
)

func TestMemoryStore(t *testing.T) {
	authtest.TestStore(t, func(testing.TB) auth.SessionStore { return auth.NewMemoryStore(0) })
}

func TestMemoryStoreIsBoundedAndExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := auth.NewMemoryStore(2)
		session := func(id string) auth.Session {
			return auth.Session{ID: id, Subject: id, AuthenticatedAt: time.Now(), Expires: time.Now().Add(time.Hour), Ends: time.Now().Add(time.Hour)}
		}
		require.NoError(t, store.Create(t.Context(), session("a")))
		require.NoError(t, store.Create(t.Context(), session("b")))
		assert.ErrorIs(t, store.Create(t.Context(), session("c")), auth.ErrStoreFull)
		_, err := store.Get(t.Context(), "a")
		assert.NoError(t, err, "nobody is logged out for a newcomer")
		time.Sleep(time.Hour)
		require.NoError(t, store.Create(t.Context(), session("c")))
		_, err = store.Get(t.Context(), "a")
		assert.ErrorIs(t, err, auth.ErrNoSession)

		for _, subject := range []string{"1", "2", "3"} {
			require.NoError(t, store.RevokeSubject(t.Context(), subject, time.Now()))
		}
		assert.ErrorIs(t, store.RevokeSubject(t.Context(), "4", time.Now()), auth.ErrStoreFull)
		assert.NoError(t, store.RevokeSubject(t.Context(), "1", time.Now()))
		assert.NoError(t, store.RevokeBefore(t.Context(), time.Now()))
		time.Sleep(401 * 24 * time.Hour)
		assert.NoError(t, store.RevokeSubject(t.Context(), "4", time.Now()), "no session is left that the others concern")
	})
}
