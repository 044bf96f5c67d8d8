package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A thousand strangers who guess lock out neither the owner's browser nor the
// address that the owner logged in from; they do lock out other strangers.
func TestStrangersCannotLockTheOwnerOut(t *testing.T) {
	s := startService(t, "-trusted-proxies", "127.0.0.0/8", "-anon-rate", "100/hour", "-user-rate", "1000000/hour")
	s.behindProxy = true
	try := func(address, password string, headers ...string) answer {
		return s.post("/api/token/", `{"username":"alice","password":"`+password+`"}`, append(headers, "X-Forwarded-For: "+address)...)
	}
	a := try("192.0.2.1", demoPassword)
	require.Equal(t, 200, a.status, a.body)
	cookie, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
	require.NoError(t, err)
	assert.Equal(t, "__Host-device", cookie.Name)
	assert.True(t, cookie.Secure && cookie.HttpOnly)

	refused := 0
	for i := range 300 {
		if try(fmt.Sprintf("198.51.%d.%d", i/250, i%250+1), "guess").status == 429 {
			refused++
		}
	}
	assert.Equal(t, 201, refused, "100 log-ins an hour by strangers to this account, the owner's first among them, then none")
	assert.Equal(t, 429, try("203.0.113.9", demoPassword).status, "a stranger, even with the password")
	assert.Equal(t, 200, try("192.0.2.1", demoPassword).status, "a known address")
	assert.Equal(t, 200, try("203.0.113.9", demoPassword, "Cookie: __Host-device="+cookie.Value).status, "a known browser, from anywhere")
	assert.Equal(t, 429, try("203.0.113.10", demoPassword, "Cookie: __Host-device="+strings.Repeat("A", len(cookie.Value))).status, "a forged cookie")
	b := s.post("/api/token/", `{"username":"bob","password":"`+demoPassword+`"}`, "X-Forwarded-For: 203.0.113.10", "Cookie: __Host-device="+cookie.Value)
	assert.Equal(t, 200, b.status, "another account is not concerned")

	// Who knows a device may guess with it no more often than the limit for one.
	refused = 0
	for i := range 40 {
		if try(fmt.Sprintf("203.0.114.%d", i+1), "guess", "Cookie: __Host-device="+cookie.Value).status == 429 {
			refused++
		}
	}
	assert.Equal(t, 20, refused)
	assert.NotContains(t, s.logs.String(), cookie.Value)
	var digest string
	require.NoError(t, s.srv.db.QueryRow(`SELECT digest FROM known_addresses LIMIT 1`).Scan(&digest))
	assert.NotContains(t, digest, "192.0.2.1")
}

func TestTheKnownAddressesOfAnAccountAreBounded(t *testing.T) {
	s := startService(t, wide...)
	g := &guard{db: s.srv.db, key: []byte("0123456789abcdef0123456789abcdef")}
	for i := range 3 * maxKnown {
		require.NoError(t, g.remember(t.Context(), g.digest(fmt.Sprint("address ", i)), "bob"))
	}
	require.NoError(t, g.remember(t.Context(), g.digest("address of alice"), "alice"))
	var n int
	require.NoError(t, s.srv.db.QueryRow(`SELECT count(*) FROM known_addresses`).Scan(&n))
	assert.Equal(t, maxKnown+1, n)
}

// Whoever guesses API keys is stopped before a key is looked up; a partner at
// another address, with a good key, is not concerned, however often it asks.
func TestGuessedAPIKeysAreLimitedByAddress(t *testing.T) {
	s := startService(t, "-trusted-proxies", "127.0.0.0/8", "-anon-rate", "20/hour", "-user-rate", "1000/hour")
	s.behindProxy = true
	key := s.newKey("alice")
	ask := func(address, key string) int {
		return s.do("GET", "/api/partner/", "", "X-Forwarded-For: "+address, "X-API-Key: "+key).status
	}
	for range 20 {
		require.Equal(t, 401, ask("198.51.100.1", "eco_live_guess"))
	}
	assert.Equal(t, 429, ask("198.51.100.1", "eco_live_guess"))
	assert.Equal(t, 429, ask("198.51.100.1", key), "not even a good one")
	for range 40 {
		require.Equal(t, 200, ask("192.0.2.1", key), "what succeeds is no guess")
	}
}

// A flood of log-ins that nobody had the time to look at, or a database that
// fails, are no wrong guesses: the owner still gets in.
func TestLogInsThatNobodyLookedAtDoNotCount(t *testing.T) {
	s := startService(t, "-trusted-proxies", "127.0.0.0/8", "-anon-rate", "100/hour", "-user-rate", "1000000/hour")
	s.behindProxy = true
	a := s.logInAsAlice()
	require.Equal(t, 200, a.status, a.body)
	cookie, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
	require.NoError(t, err)
	known := "Cookie: __Host-device=" + cookie.Value
	s.rename("users", "users_gone")
	for range 30 { // a known browser has 20 guesses
		require.Equal(t, 503, s.logInAsAlice(known).status)
	}
	s.rename("users_gone", "users")
	assert.Equal(t, 200, s.logInAsAlice(known).status)
}

func TestAGuardThatCannotTellIsNoLimit(t *testing.T) {
	s := startService(t, "-user-rate", "1000000/hour")
	s.rename("known_addresses", "known_addresses_gone")
	a := s.logInAsAlice()
	assert.Equal(t, 503, a.status, a.body)
	assert.Equal(t, "unavailable", a.field(t, "code"))
	assert.Contains(t, s.logs.String(), `"event":"sys_backend_unavailable","error":"session: guard: limit by account: `)
	assert.NotContains(t, s.logs.String(), `"event":"excess_rate_limit_exceeded"`)
}

func (s *service) logInAsAlice(headers ...string) answer {
	s.t.Helper()
	return s.post("/api/token/", `{"username":"alice","password":"`+demoPassword+`"}`, headers...)
}

// rename makes a table fail those who ask it.
func (s *service) rename(from, to string) {
	s.t.Helper()
	_, err := s.srv.db.ExecContext(s.t.Context(), `ALTER TABLE `+from+` RENAME TO `+to)
	require.NoError(s.t, err)
}
