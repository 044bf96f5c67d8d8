package strictjson_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/ecolaura/rampart/internal/strictjson"
	"github.com/ecolaura/rampart/sanitize"
)

// An endpoint takes one JSON object; valid is a body for it, and field one of
// its texts.
type endpoint struct {
	name, path, field, valid string
	handler                  http.Handler
	ignores                  bool // unknown fields
}

// endpoints are those of every package that reads bodies.
func endpoints(t *testing.T) []endpoint {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	type thing struct {
		Name string `json:"name" validate:"required"`
	}
	binder, err := sanitize.NewBinder[thing](sanitize.Config{Logger: log})
	require.NoError(t, err)
	bind := binder.Handler(func(http.ResponseWriter, *http.Request, thing) {})

	cfg := session.Simplejwt([]byte("a secret of at least thirty-two bytes"))
	cfg.Tokens.Logger, cfg.Logger = log, log
	cfg.Users, cfg.Sessions = nobody{}, session.NewMemoryStore(0)
	tokens, err := session.New(cfg)
	require.NoError(t, err)

	keys, err := apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: "shop", Logger: log})
	require.NoError(t, err)
	admin := keys.Admin(func(*http.Request) (apikey.Actor, bool) { return apikey.Actor{Owner: "alice"}, true })

	login := `{"username":"a","password":"x"}`
	return []endpoint{
		{"sanitize.Binder", "/", "name", `{"name":"a"}`, bind, false},
		{"auth.IssueHandler", "/", "username", login, tokens.IssueHandler(), true},
		{"auth.IssueSlidingHandler", "/", "username", login, tokens.IssueSlidingHandler(), true},
		{"auth.RefreshHandler", "/", "refresh", `{"refresh":"a"}`, tokens.RefreshHandler(), true},
		{"auth.SlideHandler", "/", "token", `{"token":"a"}`, tokens.SlideHandler(), true},
		{"auth.VerifyHandler", "/", "token", `{"token":"a"}`, tokens.VerifyHandler(), true},
		{"auth.EndSessionHandler", "/", "refresh", `{"refresh":"a"}`, tokens.EndSessionHandler(), true},
		{"apikey.Admin, a key", "/", "name", `{"name":"a"}`, admin, false},
		{"apikey.Admin, a rotation", "/nope/rotate/", "overlap", `{"overlap":"1h"}`, admin, false},
	}
}

type nobody struct{ session.Users }

func (nobody) Login(context.Context, string, string) (string, error) {
	return "", session.ErrBadCredentials
}

// mistakes are made with every body; F is the name of a field.
var mistakes = []struct { // read-only
	desc, body, contentType string
	want                    string // status, code and, if there is one, the code of the first of errors
}{
	{"truncated", `{"F":"a`, "", "400 parse_error syntax"},
	{"a list", `[{"F":"a"}]`, "", "400 invalid invalid"},
	{"null", `null`, "", "400 invalid null"},
	{"a name twice", `{"F":"a","F":"b"}`, "", "400 parse_error duplicate_name"},
	{"nested too deeply", `{"F":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "", "400 parse_error too_deep"},
	{"nested too deeply where nobody looks", `{"x":` + strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 41), "", "400 parse_error too_deep"},
	{"too large", `{"F":"` + strings.Repeat("a", 1<<20) + `"}`, "", "413 request_too_large"},
	{"a field of another type", `{"F":{"$gt":""}}`, "", "400 invalid invalid"},
	{"a number for a text", `{"F":1}`, "", "400 invalid invalid"},
	{"null for a field", `{"F":null}`, "", "400 invalid null"},
	{"invalid UTF-8", "{\"F\":\"\xff\"}", "", "400 parse_error invalid_utf8"},
	{"a lone surrogate", `{"F":"\ud800"}`, "", "400 parse_error syntax"},
	{"NUL", "{\"F\":\"\x00\"}", "", "400 parse_error syntax"},
	{"XML", `<F/>`, "application/xml", "415 unsupported_media_type"},
	{"another charset", `{"F":"a"}`, "application/json; charset=latin1", "415 unsupported_media_type"},
	{"no media type", `{"F":"a"}`, "none", "415 unsupported_media_type"},
	{"gzip", `{"F":"a"}`, "gzip", "415 unsupported_content_encoding"},
	{"no body", ``, "", "400 parse_error syntax"},
	{"blanks", " \n", "", "400 parse_error syntax"},
	{"trailing data", `{"F":"a"} {}`, "", "400 parse_error trailing_data"},
}

func TestOneMistakeHasOneAnswerAtEveryEndpoint(t *testing.T) {
	for _, e := range endpoints(t) {
		for _, m := range mistakes {
			got := e.post(t, strings.ReplaceAll(m.body, "F", e.field), m.contentType)
			assert.Equal(t, m.want, got, "%s: %s", e.name, m.desc)
		}
		taken := e.post(t, e.valid, "")
		assert.NotContains(t, taken, "400 ", e.name)
		assert.NotContains(t, taken, "422 ", e.name)
		unknown := e.post(t, `{"nope":[{}],`+e.valid[1:], "")
		if e.ignores {
			assert.Equal(t, taken, unknown, "%s: an unknown field", e.name)
		} else {
			assert.Equal(t, "422 invalid unknown_field", unknown, "%s: an unknown field", e.name)
			assert.Equal(t, "422 invalid wrong_case", e.post(t, strings.Replace(e.valid, e.field, strings.ToUpper(e.field), 1), ""), e.name)
		}
	}
}

// post returns status, code and the code of the first field error.
func (e endpoint) post(t *testing.T, body, contentType string) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, e.path, strings.NewReader(body))
	switch contentType {
	case "none":
	case "", "gzip":
		r.Header.Set("Content-Type", "application/json")
	default:
		r.Header.Set("Content-Type", contentType)
	}
	if contentType == "gzip" {
		r.Header.Set("Content-Encoding", "gzip")
	}
	w := httptest.NewRecorder()
	e.handler.ServeHTTP(w, r)
	var p struct {
		Code   string
		Errors []struct{ Code string }
	}
	if w.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	}
	got := fmt.Sprint(w.Code, " ", p.Code)
	if len(p.Errors) > 0 {
		got += " " + p.Errors[0].Code
	}
	return got
}

func TestExtendedParametersAreToldInTimeInProportion(t *testing.T) {
	for field, want := range map[string]bool{
		`application/json; charset*=utf-8''utf-8`:         true,
		`multipart/form-data; boundary*0=a; boundary*1=b`: true,
		`multipart/form-data; boundary*0*=a`:              true,
		`multipart/form-data; boundary="b*"`:              false,
		`application/json; charset=utf-8`:                 false,
		`a*b*`:                                            false,
	} {
		assert.Equal(t, want, strictjson.Extended(field), field)
	}
	took := cputime.Spent(func() { assert.False(t, strictjson.Extended(strings.Repeat("*", 1<<20))) })
	assert.Less(t, took, 100*time.Millisecond)
}
