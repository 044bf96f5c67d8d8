package sanitize_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/sanitize"
)

func TestUnreadableBodies(t *testing.T) {
	b := newBinder[registration](t, sanitize.Config{Limits: sanitize.Limits{MaxBody: 4096, MaxTokens: 100, MaxString: 50}})
	tests := []struct {
		desc, body string
		status     int
		want       string
	}{
		{"nothing", "", 400, "#:syntax"},
		{"white space", " \n", 400, "#:syntax"},
		{"truncated object", `{"email":"a`, 400, "#/email:syntax"},
		{"truncated list", `{"x":[1,`, 400, "#/x:syntax"},
		{"truncated name", `{"ema`, 400, "#:syntax"},
		{"no value", `{"email":}`, 400, "#/email:syntax"},
		{"single quotes", `{'a':1}`, 400, "#:syntax"},
		{"trailing comma", `{"email":"a",}`, 400, "#:syntax"},
		{"comment", `{/**/}`, 400, "#:syntax"},
		{"NaN", `{"email":NaN}`, 400, "#/email:syntax"},
		{"leading zero", `{"email":01}`, 400, "#:syntax"},
		{"byte order mark", "\ufeff{}", 400, "#:syntax"},
		{"a control character in a string", "{\"email\":\"a\nb\"}", 400, "#/email:syntax"},
		{"a lone surrogate", `{"email":"\ud800"}`, 400, "#/email:syntax"},
		{"invalid UTF-8", "{\"email\":\"\xc0\x80\"}", 400, "#:invalid_utf8"},
		{"a duplicate name", `{"email":"a@b.co","email":"c@d.co"}`, 400, "#/email:duplicate_name"},
		{"a duplicate name in escapes", `{"email":"a@b.co","\u0065mail":"c@d.co"}`, 400, "#/email:duplicate_name"},
		{"a duplicate name where nobody looks", `{"x":{"a":1,"a":2}}`, 400, "#/x/a:duplicate_name"},
		{"data after the value", `{}{}`, 400, "#:trailing_data"},
		{"garbage after the value", `{} x`, 400, "#:trailing_data"},
		{"a NUL after the value", "{}\x00", 400, "#:trailing_data"},
		{"deep nesting", strings.Repeat(`{"x":`, 33), 400, "#:too_deep"},
		{"deep nesting of lists", `{"x":` + strings.Repeat(`[`, 2000), 400, "#:too_deep"},
		{"too many values", `{"x":[` + strings.Repeat("1,", 100) + `1]}`, 400, "#:too_many_tokens"},
		{"a long number", `{"x":` + strings.Repeat("1", 101) + `}`, 400, "#/x:number_too_long"},
		{"a long string", `{"x":"` + strings.Repeat("1", 51) + `"}`, 400, "#/x:string_too_long"},
		{"a long name", `{"` + strings.Repeat("x", 51) + `":1}`, 400, "#/" + strings.Repeat("x", 51) + ":string_too_long"},
		{"a large body", `{"x":"` + strings.Repeat("1", 4096) + `"}`, 413, ""},
		{"another value than an object", `[]`, 400, "#:invalid"},
		{"null", `null`, 400, "#:null"},
		{"a string", `"x"`, 400, "#:invalid"},
	}
	for _, tt := range tests {
		for _, chunked := range []bool{false, true} {
			t.Run(tt.desc, func(t *testing.T) {
				r := post("application/json", tt.body)
				if chunked {
					r.ContentLength = -1
				}
				_, err := b.Bind(httptest.NewRecorder(), r)
				p, ok := errors.AsType[*rampart.Problem](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, tt.status, p.Status)
				assert.Equal(t, tt.want, strings.Join(faults(err), " "))
			})
		}
	}
}

func TestMediaTypes(t *testing.T) {
	jsonOnly := newBinder[registration](t, sanitize.Config{})
	both := newBinder[registration](t, sanitize.Config{Limits: sanitize.Limits{ContentTypes: []string{"application/json", "application/x-www-form-urlencoded"}}})
	tests := []struct {
		desc   string
		types  []string
		b      *sanitize.Binder[registration]
		status int
	}{
		{"JSON", []string{"application/json"}, jsonOnly, 422},
		{"JSON in another case with a charset", []string{"Application/JSON; charset=\"UTF-8\""}, jsonOnly, 422},
		{"a type with the suffix +json", []string{"application/merge-patch+json"}, jsonOnly, 422},
		{"JSON in Latin-1", []string{"application/json; charset=iso-8859-1"}, jsonOnly, 415},
		{"no type", nil, jsonOnly, 415},
		{"two types", []string{"application/json", "application/json"}, jsonOnly, 415},
		{"a type that does not parse", []string{"application/json; ="}, jsonOnly, 415},
		{"text", []string{"text/plain"}, jsonOnly, 415},
		{"an image with the suffix +json", []string{"image/x+json"}, jsonOnly, 415},
		{"a form where only JSON is admitted", []string{"application/x-www-form-urlencoded"}, jsonOnly, 415},
		{"multipart", []string{"multipart/form-data; boundary=x"}, both, 415},
		{"JSON where both are admitted", []string{"application/json"}, both, 422},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
			if tt.types != nil {
				r.Header["Content-Type"] = tt.types
			}
			_, err := tt.b.Bind(httptest.NewRecorder(), r)
			assert.Equal(t, tt.status, problem(t, err).Status)
		})
	}
}

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(s))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func TestEncodedBodies(t *testing.T) {
	type small struct {
		A string `json:"a"`
	}
	plain := newBinder[small](t, sanitize.Config{})
	encoded := newBinder[small](t, sanitize.Config{Limits: sanitize.Limits{AllowEncoded: true, MaxBody: 1000}})
	tests := []struct {
		desc, encoding, body string
		b                    *sanitize.Binder[small]
		status               int
	}{
		{"gzip where it is not admitted", "gzip", gzipped(t, `{"a":"x"}`), plain, 415},
		{"identity is an encoding too", "identity", `{"a":"x"}`, plain, 415},
		{"gzip where it is admitted", "GZIP", gzipped(t, `{"a":"x"}`), encoded, 200},
		{"another encoding", "br", "x", encoded, 415},
		{"a list of encodings", "gzip, gzip", gzipped(t, gzipped(t, `{"a":"x"}`)), encoded, 415},
		{"a bomb", "gzip", gzipped(t, `{"a":"`+strings.Repeat("x", 1<<20)), encoded, 413},
		{"a large encoded body", "gzip", strings.Repeat("x", 1001), encoded, 413},
		{"what is not gzip", "gzip", `{"a":"x"}`, encoded, 400},
		{"a truncated stream", "gzip", gzipped(t, `{"a":"x"}`)[:15], encoded, 400},
		{"garbage after the stream", "gzip", gzipped(t, `{"a":"x"}`) + "garbage", encoded, 400},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			r := post("application/json", tt.body)
			r.Header.Set("Content-Encoding", tt.encoding)
			v, err := tt.b.Bind(httptest.NewRecorder(), r)
			if tt.status == 200 {
				require.NoError(t, err)
				assert.Equal(t, "x", v.A)
				return
			}
			assert.Equal(t, tt.status, problem(t, err).Status)
		})
	}
	r := post("application/json", "")
	r.Header["Content-Encoding"] = []string{"gzip", "gzip"}
	_, err := encoded.Bind(httptest.NewRecorder(), r)
	assert.Equal(t, 415, problem(t, err).Status)
}
