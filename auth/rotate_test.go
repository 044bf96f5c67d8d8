package auth_test

import (
	"encoding/base64"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
)

func named(tb testing.TB, kid string) *auth.Key {
	tb.Helper()
	key, err := auth.NewKey(auth.HS256, kid, []byte(kid+secret))
	require.NoError(tb, err)
	return key
}

func TestRotateKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := named(t, "a"), named(t, "b"), named(t, "c")
		set := newKeys(t, a)
		has := func(kid string) bool {
			_, err := set.Key(t.Context(), kid, auth.HS256)
			return err == nil
		}
		require.NoError(t, set.Rotate(b, time.Hour))
		assert.True(t, has("a"))
		assert.Error(t, set.Rotate(named(t, "a"), time.Hour), "a kid comes once")
		assert.Error(t, set.Rotate(nil, 0))
		time.Sleep(30 * time.Minute)
		require.NoError(t, set.Rotate(c, 2*time.Hour))
		time.Sleep(30 * time.Minute)
		assert.False(t, has("a"), "a later rotation does not prolong it")
		assert.True(t, has("b"))
		require.NoError(t, set.Rotate(named(t, "d"), 0))
		assert.False(t, has("b") || has("c"))
		assert.Error(t, (&auth.Keys{}).Rotate(a, 0))
	})
}

func TestAnAnnouncedKeyVerifiesBeforeItSigns(t *testing.T) {
	private := privateKeys(t)
	key := func(kid string) *auth.Key {
		k, err := auth.NewKey(auth.ES256, kid, private[auth.ES256])
		require.NoError(t, err)
		return k
	}
	a, b := key("a"), key("b")
	set := newKeys(t, a)
	published := func() string {
		w := httptest.NewRecorder()
		set.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
		return w.Body.String()
	}
	service := newService(t, signedBy(set))
	signer := func() string {
		pair, err := service.Issue(t.Context(), "alice", nil)
		require.NoError(t, err)
		head, err := base64.RawURLEncoding.DecodeString(strings.Split(pair.Access, ".")[0])
		require.NoError(t, err)
		return string(head)
	}
	require.NoError(t, set.Announce(b))
	found, err := set.Key(t.Context(), "b", auth.ES256)
	require.NoError(t, err)
	assert.Same(t, b, found)
	assert.Contains(t, published(), `"kid":"b"`)
	assert.Contains(t, signer(), `"kid":"a"`)
	assert.Error(t, set.Announce(b), "a kid comes once")
	assert.Error(t, set.Announce(nil))
	assert.Error(t, set.Rotate(key("b"), time.Hour), "another key with the id of the announced one")

	require.NoError(t, set.Rotate(b, time.Hour))
	assert.Contains(t, signer(), `"kid":"b"`)
	assert.Equal(t, 2, strings.Count(published(), `"kid"`))
	require.NoError(t, set.Announce(key("c")))
	require.NoError(t, set.Rotate(key("d"), 0))
	assert.Equal(t, 1, strings.Count(published(), `"kid"`), "a leak ends those announced too")
	assert.Error(t, (&auth.Keys{}).Announce(a))
}

func TestTokensWithoutAKidOutliveSeveralRotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := newKeys(t, newKey(t)) // without an id, as Django's is
		v := newVerifier(t, func(c *auth.VerifierConfig) { c.Keys = set })
		raw := token("exp", strconv.FormatInt(time.Now().Add(24*time.Hour).Unix(), 10))
		for _, kid := range []string{"a", "b", "c"} {
			require.NoError(t, set.Rotate(named(t, kid), time.Hour))
			_, err := v.Verify(t.Context(), raw, auth.Access)
			assert.NoError(t, err, kid)
		}
		time.Sleep(time.Hour)
		_, err := v.Verify(t.Context(), raw, auth.Access)
		assert.Equal(t, auth.TokenSignature, reason(err), "it is held against the one key that is left")
	})
}

func TestARetiredKeyIsNoLongerPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		private := privateKeys(t)
		key := func(kid string) *auth.Key {
			k, err := auth.NewKey(auth.ES256, kid, private[auth.ES256])
			require.NoError(t, err)
			return k
		}
		set := newKeys(t, key("old"))
		published := func() (body, cacheControl string) {
			w := httptest.NewRecorder()
			set.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
			return w.Body.String(), w.Header().Get("Cache-Control")
		}
		require.NoError(t, set.Rotate(key("new"), time.Hour))
		body, held := published()
		assert.Contains(t, body, `"kid":"old"`)
		assert.Equal(t, "public, max-age=300", held)
		time.Sleep(time.Hour - 90*time.Second)
		_, held = published()
		assert.Equal(t, "public, max-age=90", held, "no cache shows a key that has ended here")
		time.Sleep(90 * time.Second)
		body, held = published()
		assert.NotContains(t, body, `"kid":"old"`)
		assert.Equal(t, 1, strings.Count(body, `"kid":"new"`))
		assert.Equal(t, "public, max-age=300", held)
		require.NoError(t, set.Rotate(key("old"), 0), "its id is free")
	})
}
