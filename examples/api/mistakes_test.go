package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// posted is every path that takes a POST, with a field of its body.
var posted = map[string]string{ // read-only
	"/api/token/":                  "username",
	"/api/token/refresh/":          "refresh",
	"/api/token/verify/":           "token",
	"/api/token/blacklist/":        "refresh",
	"/api/password/":               "old",
	"/api/products/":               "name",
	"/api/register/":               "email",
	"/api/keys/":                   "name",
	"/api/keys/nope/rotate/":       "overlap",
	"/api/ops/sessions/end/":       "note",
	"/api/ops/keys/revoke/":        "note",
	"/api/ops/blocks/":             "note",
	"/api/ops/blocks/lift/":        "note",
	"/api/ops/rates/":              "note",
	"/api/ops/rates/lift/":         "note",
	"/api/ops/lockdown/":           "note",
	"/api/ops/lockdown/lift/":      "note",
	"/api/ops/signing-key/rotate/": "note",
	"/api/ops/field-key/rotate/":   "note",
}

// mistakes are made with every body; F is the name of a field.
var mistakes = []struct{ desc, body, contentType, want string }{ // read-only
	{"truncated", `{"F":"a`, asJSON, "400 parse_error syntax"},
	{"a list", `[{"F":"a"}]`, asJSON, "400 invalid invalid"},
	{"null", `null`, asJSON, "400 invalid null"},
	{"a name twice", `{"F":"a","F":"b"}`, asJSON, "400 parse_error duplicate_name"},
	{"nested too deeply", `{"F":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, asJSON, "400 parse_error too_deep"},
	{"too large", `{"F":"` + strings.Repeat("a", 2<<20) + `"}`, asJSON, "413 request_too_large"},
	{"a field of another type", `{"F":{"$gt":""}}`, asJSON, "400 invalid invalid"},
	{"an unknown field", `{"nope":"a"}`, asJSON, "422 invalid unknown_field"},
	{"invalid UTF-8", "{\"F\":\"\xff\"}", asJSON, "400 parse_error invalid_utf8"},
	{"XML", `<F/>`, "Content-Type: application/xml", "415 unsupported_media_type"},
	{"no body", ``, asJSON, "400 parse_error syntax"},
	{"trailing data", `{"F":"a"} {}`, asJSON, "400 parse_error trailing_data"},
}

func TestOneMistakeHasOneAnswerAtEveryPath(t *testing.T) {
	s := startService(t, wide...)
	alice, _ := s.login("alice")
	oscar := s.operator()
	for path, field := range posted {
		caller := bearer(alice)
		if strings.HasPrefix(path, "/api/ops/") {
			caller = oscar
		}
		for _, m := range mistakes {
			want := m.want
			if m.desc == "an unknown field" && strings.HasPrefix(path, "/api/token/") {
				want = "400 invalid required" // it is ignored, as in Django, and what must be there is missing
			}
			a := s.do("POST", path, strings.ReplaceAll(m.body, "F", field), caller, m.contentType)
			var p struct {
				Code   string
				Errors []struct{ Code string }
			}
			require.NoError(t, json.Unmarshal([]byte(a.body), &p), "%s: %s: %s", path, m.desc, a.body)
			got := fmt.Sprint(a.status, " ", p.Code)
			if len(p.Errors) > 0 {
				got += " " + p.Errors[0].Code
			}
			assert.Equal(t, want, got, "%s: %s: %s", path, m.desc, a.body)
		}
	}
}

// TestTheTableHasEveryPath: it is worth as much as it is complete.
func TestTheTableHasEveryPath(t *testing.T) {
	text, err := os.ReadFile("routes.go")
	require.NoError(t, err)
	found := 0
	for _, m := range regexp.MustCompile(`"POST (/api/[^"{]*)`).FindAllStringSubmatch(string(text), -1) {
		assert.Contains(t, posted, m[1])
		found++
	}
	s := startService(t, wide...)
	var ops struct{ Calls []string }
	require.NoError(t, json.Unmarshal([]byte(s.do("GET", "/api/ops/", "", s.operator()).body), &ops))
	for _, call := range ops.Calls {
		if path, ok := strings.CutPrefix(call, "POST "); ok {
			assert.Contains(t, posted, "/api/ops/"+path)
			found++
		}
	}
	assert.Len(t, posted, found+2, "and the two of the keys")
}
