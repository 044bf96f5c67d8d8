package strictjson_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ecolaura/rampart/internal/strictjson"
)

// FuzzObject: what is taken is an object of encoding/json, with the same members.
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[{"c":null}]}`, ` { "\u0061" : "x\ud83d\ude00" , "b":-1e5 } `, `[]`, `null`, `{"a":1,"a":2}`, `{{`, `{[[`, `{"a"}`, `{"a":}`, "{\"a\":\"\xff\"}", `{} x`} {
		f.Add(s)
	}
	rd := strictjson.NewReader()
	f.Fuzz(func(t *testing.T, text string) {
		got := map[string]string{}
		err := rd.Object(text, func(name, value string) error {
			got[name] = value
			return nil
		})
		if (err == nil) != (rd.Problem() == nil) {
			t.Fatalf("%v, and %v", err, rd.Problem())
		}
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &want); err != nil || !utf8.ValidString(text) || len(want) != len(got) {
			t.Fatalf("%v: %q became %q", err, text, got)
		}
		for name, value := range got {
			if string(want[name]) != value {
				t.Fatalf("%q: %q is not %q", name, value, want[name])
			}
			var s string
			if text, ok := strictjson.StringOf(value); ok && (json.Unmarshal(want[name], &s) != nil || s != text) {
				t.Fatalf("%q is not %q", text, want[name])
			}
		}
	})
}

// FuzzStringsOf: what is taken encoding/json reads alike, and what encoding/json takes
// for a list of strings is taken, too.
func FuzzStringsOf(f *testing.F) {
	for _, s := range []string{`["a","b c"]`, `[ "a" , "\u0062" ]`, `[]`, `[""]`, `["a",]`, `["a"`, `["a" "b"]`, `["a"]]`, `[,"a"]`, `[""[ "b"]`, `["a",1]`, `["a",null]`, `["\t"]`, "[\"\u00e9\"]", `"a"`, `[[]]`, `["a"}`, `[`, ``} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if !utf8.ValidString(value) || strings.Contains(value, `\`) || value == "" || strings.TrimSpace(value) != value {
			return // the reader has refused it, or encoding/json is less strict with surrogates
		}
		got, ok := strictjson.StringsOf(value)
		var want []*string
		isList := json.Unmarshal([]byte(value), &want) == nil && value[0] == '['
		for _, s := range want {
			isList = isList && s != nil
		}
		if ok != isList || ok && len(got) != len(want) {
			t.Fatalf("%q: %q, %v", value, got, ok)
		}
		for i := range got {
			if got[i] != *want[i] {
				t.Fatalf("%q: %q", value, got)
			}
		}
	})
}

// FuzzFields: a body has one answer, and what is taken encoding/json or net/url
// reads alike.
func FuzzFields(f *testing.F) {
	for _, s := range []string{`{"a":"x","l":["y",""]}`, `{"a":null,"l":null}`, `{"a":"\u0000"}`, "a=x&b=1", "a=1&a=2", "%zz", "a=%ff", "l=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, media := range []string{strictjson.JSON, strictjson.Form} {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			r.Header.Set("Content-Type", media)
			var a string
			var l []string
			limits := strictjson.Small(100, strictjson.JSON, strictjson.Form)
			limits.AllowUnknown = true
			p := limits.Object(httptest.NewRecorder(), r, strictjson.Field{Name: "a", Text: &a, Required: true}, strictjson.Field{Name: "l", List: &l, Nullable: true})
			if p != nil {
				if p.Status != 400 && p.Status != 413 && p.Status != 422 || p.Status != 413 && len(p.Errors) == 0 {
					t.Fatalf("%v %v", p, p.Errors)
				}
				continue
			}
			want := struct {
				A string   `json:"a"`
				L []string `json:"l"`
			}{}
			if media == strictjson.Form {
				values, err := url.ParseQuery(body)
				if err != nil {
					t.Fatal(err)
				}
				want.A = values.Get("a")
			} else if err := json.Unmarshal([]byte(body), &want); err != nil {
				t.Fatal(err)
			}
			if strings.TrimSpace(a) == "" || strings.Contains(a, "\x00") || len(body) > 100 {
				t.Fatalf("taken: %q", body)
			}
			if !strings.Contains(strings.ToLower(body), `\u`) && strings.Count(body, `"A"`)+strings.Count(body, `"L"`) == 0 && want.A != a {
				t.Fatalf("%q is not %q", a, want.A) // encoding/json matches names in any case; ours are exact
			}
		}
	})
}
