package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The runbook's answers to guessing must work on a server as it comes, and none
// of them may keep operators from lifting it again.
func TestEveryPolicyCanBeTightenedAndNoneLocksOperatorsOut(t *testing.T) {
	for _, tt := range []struct {
		desc string
		args []string
		// what is just taken, and what is too tight; "" where nothing is
		rates map[string][2]string
	}{
		{"as it comes", nil, map[string][2]string{
			"edge":            {"60/hour", "59/hour"},
			"user":            {"60/hour", "1/2m"},
			"anon":            {"1/day"},
			"login-address":   {"2/hour", "1/hour"},
			"login-known":     {"2/hour", "1/hour"},
			"login-strangers": {"2/hour", "47/day"},
			"register":        {"1/day"},
			"password":        {"1/day"},
			"key-guesses":     {"1/day"},
			"partner":         {"1/day"},
		}},
		{"configured with little", []string{"-anon-rate", "10/hour", "-user-rate", "40/hour"}, map[string][2]string{
			"edge":            {"60/hour", "59/hour"},
			"user":            {"20/hour", "19/hour"},
			"anon":            {"1/day"},
			"login-address":   {"1/hour", "23/day"},
			"login-known":     {"1/hour", "23/day"},
			"login-strangers": {"2/hour", "1/hour"},
			"register":        {"1/day"},
			"password":        {"1/day"},
			"key-guesses":     {"1/day"},
			"partner":         {"1/day"},
		}},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			s := startService(t, tt.args...)
			operator := s.operator()
			var listed struct{ Rates []struct{ Policy string } }
			require.NoError(t, json.Unmarshal([]byte(s.do("GET", "/api/ops/rates/", "", operator).body), &listed))
			assert.Len(t, listed.Rates, len(tt.rates), "the test has every policy")
			for policy, rate := range tt.rates {
				order := func(rate string) string { return `{"policy":"` + policy + `","rate":"` + rate + `","for":"1h"}` }
				if rate[1] != "" {
					a := s.post("/api/ops/rates/", order(rate[1]), operator)
					assert.Equal(t, 422, a.status, "%s: %s", policy, a.body)
					assert.Contains(t, a.body, `"too_tight"`)
				}
				s.ops(operator, "rates/", order(rate[0]))
				operator = s.operator() // a new log-in
				s.ops(operator, "rates/lift/", `{"policy":"`+policy+`"}`)
			}
		})
	}
}
