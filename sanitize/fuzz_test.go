package sanitize_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

func FuzzText(f *testing.F) {
	f.Add("a\r\n\u202e\xff")
	f.Add("a\u2028b\u2029c\x1b[31m\u009b1m\u2066\u200f\u061c\u200b\ufeff" + strings.Repeat("\u202e", 1024))
	f.Add("e\x01\u0301 \u0344\u2126\U0001d15e")
	f.Fuzz(func(t *testing.T, s string) {
		for _, multiline := range []bool{false, true} {
			out := sanitize.Text(s, multiline)
			require.Equal(t, out, sanitize.Text(out, multiline))
			require.True(t, utf8.ValidString(out))
		}
		line := sanitize.LogLine(s)
		require.Equal(t, -1, strings.IndexFunc(line, forges), "%q", line)
		require.LessOrEqual(t, len(line), 1024+len("…"))
	})
}

// forges reports whether r, raw in a log, could end, hide, color or reorder a line.
func forges(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Cf)
}

func FuzzValidators(f *testing.F) {
	for _, s := range []string{"a@example.com", "+12025550123", "http://bücher.example:80/é?a#b", "/a/../b", "café.txt", "::1", "аlice", "田中", "\xff", "a@xn--a.com", "a@bℵc.com", "http://bℶc.com/", "a@ℷℸ.com", "a@\u1100\u1161.kr"} {
		f.Add(s)
	}
	validators := map[string]func(string) (string, error){
		"email": sanitize.Email, "phone": sanitize.Phone, "filename": sanitize.Filename, "username": sanitize.Username,
		"slug":     func(s string) (string, error) { return s, sanitize.Slug(s) },
		"redirect": func(s string) (string, error) { return sanitize.Redirect(s, "good.com") },
		"url": func(s string) (string, error) {
			u, err := sanitize.URL(s)
			if err != nil {
				return "", err
			}
			return u.String(), nil
		},
		"ip": func(s string) (string, error) {
			a, err := sanitize.IP(s)
			return a.String(), err
		},
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, validate := range validators {
			out, err := validate(s)
			if err != nil {
				continue
			}
			again, err := validate(out)
			require.NoError(t, err, "%s: %q became %q", name, s, out)
			require.Equal(t, out, again, name)
		}
		if _, err := sanitize.Email(s); err == nil {
			require.NoError(t, sanitize.DjangoEmail(s), "stricter than Django")
		}
	})
}

// FuzzQuery: what is accepted, net/url reads alike.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"q=a&page=2", "q=%61+b&tag=x&tag=y", "q=a;b", "q=%zz", "&&q=1", "tag[]=a&tag[1]=b&home.street=c", "labels[a][b]=c&opttag.0=1", "q=a&q=b", "q=%ff", "Q=a", "q"} {
		f.Add(s)
	}
	b := newBinder[search](f, forms())
	guard, err := sanitize.NewGuard(sanitize.GuardConfig{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		v, err := b.BindQuery(r)
		if err != nil {
			require.Contains(t, []int{400, 414, 422}, problem(t, err).Status)
			return
		}
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		for name := range values {
			if strings.ContainsAny(name, ".[") {
				return // the part of a field
			}
		}
		require.Equal(t, sanitize.Text(values.Get("q"), false), v.Q)
		require.Equal(t, values["tag"], v.Tags)
		if err := guard.Check(r); err != nil {
			require.Equal(t, 400, problem(t, err).Status) // a control character
		}
	})
}

func FuzzBind(f *testing.F) {
	for _, s := range []string{`{"bool":true}`, `{"tags":["a"],"labels":{"a":"b"},"home":{"street":"x"},"patch":null}`, `[`, `{"total":1.5,"when":"2026-01-02T03:04:05Z"}`, "bool=on&tags=a&tags=b", "bool=1&tags[0]=a&labels.a=b&others[0].street=c&deep[]=1", "\xff"} {
		f.Add(s)
	}
	cfg := everythingConfig()
	cfg.Limits.ContentTypes = []string{"application/json", formType}
	b := newBinder[everything](f, cfg)
	f.Fuzz(func(t *testing.T, body string) {
		for _, media := range []string{"application/json", formType} {
			v, err := b.Bind(httptest.NewRecorder(), post(media, body))
			if err != nil {
				require.Contains(t, []int{400, 413, 422}, problem(t, err).Status)
				continue
			}
			require.NotContains(t, v.Code+v.Color+v.Untagged, "\x00")
			if media == "application/json" {
				require.True(t, json.Valid([]byte(body)))
			}
		}
	})
}

// FuzzTags: tags are compiled or are mistakes; what compiles reads anything
// without a panic.
func FuzzTags(f *testing.F) {
	types := []reflect.Type{
		reflect.TypeFor[string](), reflect.TypeFor[int8](), reflect.TypeFor[uint](), reflect.TypeFor[float64](), reflect.TypeFor[bool](),
		reflect.TypeFor[[]string](), reflect.TypeFor[map[string]int](), reflect.TypeFor[*string](), reflect.TypeFor[time.Time](),
		reflect.TypeFor[sanitize.Optional[[]int]](), reflect.TypeFor[sanitize.File](), reflect.TypeFor[[]address](),
		reflect.TypeFor[any](), reflect.TypeFor[[]any](), reflect.TypeFor[[2]int](), reflect.TypeFor[[]byte](), reflect.TypeFor[map[int8]string](),
		reflect.TypeFor[time.Duration](), reflect.TypeFor[sql.NullString](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[json.Number](),
		reflect.TypeFor[*address](), reflect.TypeFor[account](), reflect.TypeFor[level](), reflect.TypeFor[*time.Time](), reflect.TypeFor[[][]string](),
	}
	for i, validate := range []string{
		"required,email,max=254", "oneof=1 2", "min=1,max=0x10", "gte=-1e3,lt=NaN", "required", "min=1,dive,required", "len=3,dive,gt=4",
		"omitempty,oneof='a b' c", "datetime=2006", "dive,oneof=-1", "types=image/png,max=1", "dive", "decimal=10:2,min=0", "contains=0x2C",
		"postcode_iso3166_alpha2=US", "excludesall=0x7C", "containsany=|", "len", "=,", "dive,dive", "bcp47_language_tag,cron",
		"required_if=X a,min=2", "unique", "unique=Street", "eqfield=X", "email|phone|eq=a", "omitzero,min=2", "omitnil,isdefault", "dive,keys,min=1,endkeys,required",
		"iscolor", "port", "structonly", "excluded_with=X", "validateFn", "min=1h,lt=2h", "gt", "spicedb=type", "-", "present", "oneof=a 0x7C b", "fieldcontains=X.Y", "required_with=X[0].A",
	} {
		f.Add(uint8(i), validate, "text,trim", "value")
		f.Add(uint8(0), validate, "html=ugc,lower", "-5")
	}
	cfg := sanitize.Config{Limits: sanitize.Limits{ContentTypes: []string{"application/json", formType, multipartType}}}
	f.Fuzz(func(t *testing.T, kind uint8, validate, clean, in string) {
		bind, err := sanitize.BindAs(cfg, reflect.StructOf([]reflect.StructField{{
			Name: "X", Type: types[int(kind)%len(types)], Tag: reflect.StructTag(fmt.Sprintf("validate:%q sanitize:%q", validate, clean)),
		}}))
		if err != nil {
			require.NotEmpty(t, mistakes(err))
			return
		}
		text, err := json.Marshal(in)
		require.NoError(t, err)
		for body, media := range map[string]string{
			`{"X":` + string(text) + `}`: "application/json", `{"X":[` + string(text) + `]}`: "application/json",
			`{"X":{"a":1}}`: "application/json", `{"X":1}`: "application/json", `{"X":null}`: "application/json", `{}`: "application/json", "X[0].A=" + url.QueryEscape(in): formType, "X=" + url.QueryEscape(in): formType,
			"--b\r\nContent-Disposition: form-data; name=X; filename=a.png\r\nContent-Type: image/png\r\n\r\n" + in + "\r\n--b--": multipartType + "; boundary=b",
		} {
			if err := bind(httptest.NewRecorder(), post(media, body)); err != nil {
				require.Contains(t, []int{400, 413, 422}, problem(t, err).Status)
			}
		}
	})
}
