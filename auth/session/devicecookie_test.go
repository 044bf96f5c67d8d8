package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/jose/josetest"
)

func newDeviceCookie(tb testing.TB, change ...func(*session.DeviceCookieConfig)) *session.DeviceCookie {
	tb.Helper()
	cfg := session.DeviceCookieConfig{Key: newKey(tb)}
	for _, f := range change {
		f(&cfg)
	}
	d, err := session.NewDeviceCookie(cfg)
	require.NoError(tb, err)
	return d
}

func otherKey(tb testing.TB) *auth.Key {
	tb.Helper()
	key, err := auth.NewKey(auth.HS256, "", []byte("another secret of at least 32 bytes"))
	require.NoError(tb, err)
	return key
}

// A browser keeps the cookies that it is sent.
type browser []*http.Cookie

func (b *browser) request(tb testing.TB) *http.Request {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/", nil)
	for _, c := range *b {
		r.AddCookie(c)
	}
	return r
}

func (b *browser) logIn(tb testing.TB, d *session.DeviceCookie, account string) *http.Cookie {
	tb.Helper()
	w := httptest.NewRecorder()
	d.Set(w, b.request(tb), account)
	cookies := w.Result().Cookies()
	require.Len(tb, cookies, 1)
	*b = cookies
	return cookies[0]
}

func (b *browser) known(tb testing.TB, d *session.DeviceCookie, account string) bool {
	tb.Helper()
	_, known := d.Device(b.request(tb), account)
	return known
}

func TestADeviceIsKnownForTheAccountsThatLoggedIn(t *testing.T) {
	d := newDeviceCookie(t)
	var mine, other browser
	assert.False(t, mine.known(t, d, "alice"))
	cookie := mine.logIn(t, d, "alice")
	assert.True(t, mine.known(t, d, "alice"))
	assert.False(t, mine.known(t, d, "bob"))
	assert.False(t, other.known(t, d, "alice"))
	mine.logIn(t, d, "bob")
	assert.True(t, mine.known(t, d, "alice"))
	assert.True(t, mine.known(t, d, "bob"))

	assert.Equal(t, "__Host-device", cookie.Name)
	assert.True(t, cookie.Secure && cookie.HttpOnly && cookie.Path == "/" && cookie.Domain == "")
	assert.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	assert.NotContains(t, cookie.Value, "alice")
	assert.True(t, mine.known(t, newDeviceCookie(t), "alice"), "on another instance")
	assert.False(t, mine.known(t, newDeviceCookie(t, func(c *session.DeviceCookieConfig) { c.Key = otherKey(t) }), "alice"), "with another key")
}

func TestADeviceHasAnIDForTheLimitOfItsGuesses(t *testing.T) {
	d := newDeviceCookie(t)
	var mine browser
	mine.logIn(t, d, "alice")
	first, known := d.Device(mine.request(t), "alice")
	require.True(t, known)
	again, _ := d.Device(mine.request(t), "alice")
	assert.Equal(t, first, again)
	mine.logIn(t, d, "alice")
	next, known := d.Device(mine.request(t), "alice")
	require.True(t, known)
	assert.NotEqual(t, first, next)
}

func TestADeviceForgetsTheAccountsThatItHasNoRoomFor(t *testing.T) {
	d := newDeviceCookie(t)
	var mine browser
	for i := range 40 {
		cookie := mine.logIn(t, d, fmt.Sprint("user", i))
		assert.Less(t, len(cookie.Value), 400)
		mine.logIn(t, d, fmt.Sprint("user", i)) // takes no second place
	}
	for i := range 40 {
		assert.Equal(t, i >= 36, mine.known(t, d, fmt.Sprint("user", i)), i)
	}
}

func TestADeviceIsKnownForItsLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeviceCookie(t, func(c *session.DeviceCookieConfig) { c.Lifetime = time.Hour })
		var mine browser
		mine.logIn(t, d, "alice")
		time.Sleep(time.Hour - time.Second)
		assert.True(t, mine.known(t, d, "alice"))
		cookie := mine.logIn(t, d, "bob")
		assert.Equal(t, 3600, cookie.MaxAge)
		time.Sleep(time.Second)
		assert.False(t, mine.known(t, d, "alice"), "whatever the browser does")
		assert.True(t, mine.known(t, d, "bob"))
	})
}

func TestNobodyCanMakeADeviceKnown(t *testing.T) {
	d := newDeviceCookie(t)
	var mine browser
	good := mine.logIn(t, d, "alice").Value
	for desc, value := range map[string]string{
		"empty":             "",
		"a word":            "alice",
		"zeros":             strings.Repeat("A", len(good)),
		"cut":               good[:len(good)-1],
		"longer":            good + "A",
		"padded":            good + "=",
		"another id":        josetest.Flip(good, 2),
		"another expiry":    josetest.Flip(good, 24),
		"another signature": josetest.Flip(good, 40),
		"too long":          strings.Repeat(good+".", 20),
	} {
		b := browser{{Name: "__Host-device", Value: value}}
		assert.False(t, b.known(t, d, "alice"), desc)
		b.logIn(t, d, "alice")
		assert.True(t, b.known(t, d, "alice"), "after a log-in: %s", desc)
	}
	b := browser{{Name: "__Host-device", Value: good}, {Name: "__Host-device", Value: good}}
	assert.False(t, b.known(t, d, "alice"), "twice")
	b = browser{{Name: "__Host-device", Value: "junk." + good + "."}}
	assert.True(t, b.known(t, d, "alice"), "among others")
}

func TestTheZeroDeviceCookieKnowsNobody(t *testing.T) {
	var mine browser
	mine.logIn(t, newDeviceCookie(t), "alice")
	for _, d := range []*session.DeviceCookie{nil, {}} {
		assert.False(t, mine.known(t, d, "alice"))
		w := httptest.NewRecorder()
		d.Set(w, mine.request(t), "alice")
		assert.Empty(t, w.Result().Cookies())
	}
}

func TestEachMistakeOfADeviceCookieIsReported(t *testing.T) {
	strong, err := auth.NewKey(auth.HS512, "", []byte(secret))
	require.NoError(t, err)
	for want, cfg := range map[string]session.DeviceCookieConfig{
		"Key: missing Name: invalid":                        {Name: "device"},
		"Key: mismatch Lifetime: invalid Accounts: invalid": {Key: strong, Lifetime: time.Second, Accounts: 17},
		"Lifetime: invalid Accounts: invalid":               {Key: newKey(t), Lifetime: 401 * 24 * time.Hour, Accounts: -1},
	} {
		_, err := session.NewDeviceCookie(cfg)
		var got []string
		for m := range rampart.Mistakes(err) {
			got = append(got, m.Field+": "+string(m.Reason))
		}
		assert.Equal(t, want, strings.Join(got, " "))
	}
	d := newDeviceCookie(t)
	for _, verb := range []string{"%v", "%+v", "%s", "%#v", "%x", "%q"} {
		for _, v := range []any{d, *d, session.DeviceCookieConfig{Key: newKey(t)}} {
			assert.NotContains(t, fmt.Sprintf(verb, v), secret[:8])
			assert.NotContains(t, fmt.Sprintf(verb, v), fmt.Sprintf("%x", secret[:8]))
		}
	}
}

func TestALogInSetsTheDeviceCookie(t *testing.T) {
	d := newDeviceCookie(t)
	known := make([]bool, 0, 4)
	f := newFixture(t, func(c *session.Config) {
		c.DeviceCookie = d
		c.Guard = func(_ context.Context, r *http.Request, name string) (func(error), error) {
			_, ok := d.Device(r, name)
			known = append(known, ok)
			return nil, nil //nolint:nilnil // lets all pass
		}
	})
	var mine browser
	logIn := func(h http.Handler, body string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for _, c := range mine {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if cookies := w.Result().Cookies(); len(cookies) > 0 {
			mine = cookies
		}
		return w.Code
	}
	assert.Equal(t, http.StatusUnauthorized, logIn(f.IssueHandler(), `{"username":"alice","password":"wrong"}`))
	assert.Empty(t, mine)
	assert.Equal(t, http.StatusOK, logIn(f.IssueHandler(), goodLogin))
	require.Len(t, mine, 1)
	assert.Equal(t, http.StatusUnauthorized, logIn(f.IssueHandler(), `{"username":"alice","password":"wrong"}`))
	assert.Equal(t, http.StatusOK, logIn(f.IssueSlidingHandler(), goodLogin))
	assert.Equal(t, []bool{false, false, true, true}, known)
}
