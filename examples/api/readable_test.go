package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A page of an allowed origin must be able to tell why it was refused, whichever
// layer did it, and what to do then.
func TestAnAllowedOriginsScriptCanReadEveryRefusal(t *testing.T) {
	const origin = "https://admin.ecolaura.com"
	exposed := []string{"Ratelimit", "Ratelimit-Policy", "Retry-After", "Www-Authenticate", "X-Request-Id"} // the case of names is nothing
	s := startService(t, "-anon-rate", "5/hour", "-user-rate", "1000/hour")                                 // one registration
	bob, _ := s.login("bob")
	operator := s.operator()
	tests := []struct {
		desc               string
		order              string // an operator's, before
		method, path, body string
		headers            []string
		status             int
		code               string
		has                []string // headers, which the script can read
	}{
		{"no token", "", "GET", "/api/secure/", "", nil, 401, "not_authenticated", []string{"WWW-Authenticate"}},
		{"a forged token", "", "GET", "/api/secure/", "", []string{bearer("a.b.c")}, 401, "token_not_valid", []string{"WWW-Authenticate"}},
		{"a wrong password", "", "POST", "/api/token/", `{"username":"bob","password":"x"}`, []string{asJSON}, 401, "no_active_account", nil},
		{"a wrong API key", "", "GET", "/api/partner/", "", []string{"X-API-Key: x"}, 401, "authentication_failed", nil},
		{"no scope", "", "POST", "/api/products/", `{"name":"Soap","price":"3.5"}`, []string{bearer(bob), asJSON}, 403, "insufficient_scope", []string{"WWW-Authenticate"}},
		{"bad input", "", "POST", "/api/register/", `{"email":"x"}`, []string{asJSON}, 422, "invalid", nil},
		{"over the limit", "", "POST", "/api/register/", `{"email":"x"}`, []string{asJSON}, 429, "throttled", []string{"Retry-After", "RateLimit", "RateLimit-Policy"}},
		{"locked down", `{"mode":"read_only","for":"1h"}`, "POST", "/api/register/", `{}`, []string{asJSON}, 503, "locked_down", []string{"Retry-After"}},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			if tt.order != "" {
				s.ops(operator, "lockdown/", tt.order)
			}
			a := s.do(tt.method, tt.path, tt.body, append(tt.headers, "Origin: "+origin)...)
			require.Equal(t, tt.status, a.status, a.body)
			assert.Equal(t, tt.code, a.field(t, "code"))
			assert.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
			assert.Equal(t, origin, a.header.Get("Access-Control-Allow-Origin"))
			assert.Contains(t, a.header.Values("Vary"), "Origin")
			assert.ElementsMatch(t, exposed, strings.Split(a.header.Get("Access-Control-Expose-Headers"), ", "))
			for _, name := range append(tt.has, "X-Request-ID") {
				assert.NotEmpty(t, a.header.Get(name), name)
			}
			other := s.do(tt.method, tt.path, tt.body, append(tt.headers, "Origin: https://evil.example")...)
			assert.Empty(t, other.header.Get("Access-Control-Allow-Origin"), "by no other origin")
			assert.Empty(t, other.header.Get("Access-Control-Expose-Headers"))
		})
	}
}
