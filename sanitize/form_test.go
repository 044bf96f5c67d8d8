package sanitize_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/sanitize"
)

type search struct {
	ID     int                                  `json:"id"`
	Q      string                               `json:"q" sanitize:"text" validate:"required,max=10"`
	Page   uint                                 `json:"page" validate:"omitempty,min=2"`
	Ratio  float64                              `json:"ratio"`
	All    bool                                 `json:"all"`
	Addr   netip.Addr                           `json:"addr"`
	Tags   []string                             `json:"tag" validate:"max=2,dive,max=3"`
	Ptr    *int                                 `json:"ptr"`
	Opt    sanitize.Optional[string]            `json:"opt"`
	OptTag sanitize.Optional[*[]int]            `json:"opttag" validate:"max=1"`
	Home   address                              `json:"home" validate:"omitempty"`
	Matrix [][]int                              `json:"matrix"`
	Labels sanitize.Optional[map[string]string] `json:"labels"`
}

const formType = "application/x-www-form-urlencoded"

func forms() sanitize.Config {
	return sanitize.Config{Limits: sanitize.Limits{ContentTypes: []string{formType}, MaxParams: 12, MaxString: 20, MaxQueryLen: 200}}
}

func TestBindReadsForms(t *testing.T) {
	b := newBinder[search](t, forms())
	v, err := b.Bind(httptest.NewRecorder(), post(formType, "id=-7&q=+a%20b%26%C3%A9+&&page=2&ratio=1.5e1&all=on&addr=%3A%3A1&tag=a&tag=b&ptr=0&opt=&opttag=4"))
	require.NoError(t, err)
	assert.Equal(t, search{
		ID: -7, Q: "a b&é", Page: 2, Ratio: 15, All: true, Addr: netip.IPv6Loopback(), Tags: []string{"a", "b"}, Ptr: new(int),
		Opt: sanitize.Optional[string]{Set: true}, OptTag: sanitize.Optional[*[]int]{Set: true, Value: &[]int{4}},
	}, v)
}

func TestFormErrors(t *testing.T) {
	tests := []struct {
		desc, form string
		status     int
		want       []string
	}{
		{"all at once, in input order", "page=1&q=12345678901&tag=abcd&id=1.5&home=x", 422, []string{"#/page:min_value", "#/q:max_length", "#/tag:max_length", "#/id:invalid", "#/home:unknown_field"}},
		{"a missing field", "", 422, []string{"#/q:required"}},
		{"a scalar that is there twice", "q=a&q=b", 400, []string{"#/q:repeated"}},
		{"an Optional that is there twice", "q=a&opt=b&opt=b", 400, []string{"#/opt:repeated"}},
		{"a list with too many elements", "q=a&tag=a&tag=b&tag=c", 422, []string{"#/tag:max_length"}},
		{"an optional list with too many elements", "q=a&opttag=1&opttag=2", 422, []string{"#/opttag:max_length"}},
		{"a boolean that is none", "q=a&all=yes", 422, []string{"#/all:invalid"}},
		{"a number that is none", "q=a&ratio=NaN", 422, []string{"#/ratio:invalid"}},
		{"a hexadecimal number", "q=a&ratio=0x1p4", 422, []string{"#/ratio:invalid"}},
		{"an integer with a plus", "q=a&id=%2B1", 422, []string{"#/id:invalid"}},
		{"an empty integer", "q=a&id=", 422, []string{"#/id:invalid"}},
		{"NUL", "q=a%00", 422, []string{"#/q:null_characters_not_allowed"}},
		{"a list of lists", "q=a&matrix=1", 422, []string{"#/matrix:unknown_field"}},
		{"an optional dictionary", "q=a&labels=1", 422, []string{"#/labels:unknown_field"}},
		{"a wrong case", "q=a&PAGE=1", 422, []string{"#/PAGE:wrong_case"}},
		{"a long value", "q=" + strings.Repeat("a", 21), 422, []string{"#/q:string_too_long"}},
		{"a bad escape", "q=%zz", 400, []string{"#:syntax"}},
		{"a bad escape in a name", "%=a", 400, []string{"#:syntax"}},
		{"a semicolon", "q=a;b=c", 400, []string{"#:syntax"}},
		{"invalid UTF-8", "q=%ff", 400, []string{"#:invalid_utf8"}},
		{"too many parameters", strings.Repeat("a&", 12), 400, []string{"#:too_many_parameters"}},
	}
	b := newBinder[search](t, forms())
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			_, err := b.Bind(httptest.NewRecorder(), post(formType, tt.form))
			p, ok := errors.AsType[*rampart.Problem](err)
			require.True(t, ok, "%v", err)
			assert.Equal(t, tt.status, p.Status)
			assert.Equal(t, tt.want, faults(err))
		})
	}
}

func TestFormErrorsAreBounded(t *testing.T) {
	cfg := forms()
	cfg.Limits.MaxErrors = 2
	b := newBinder[search](t, cfg)
	for _, form := range []string{"a=1&b=1&c=1", "a=1"} {
		_, err := b.Bind(httptest.NewRecorder(), post(formType, form))
		assert.Len(t, faults(err), 2)
	}
}

func TestBindQuery(t *testing.T) {
	b := newBinder[search](t, forms())
	var got search
	var err error
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}/", func(_ http.ResponseWriter, r *http.Request) { got, err = b.BindQuery(r) })
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/things/42/?q=soap&all=0", nil))
	require.NoError(t, err)
	assert.Equal(t, search{ID: 42, Q: "soap"}, got)

	for target, want := range map[string][]string{
		"/things/42/?q=a&id=7":                                  {"id:repeated"},
		"/things/x/":                                            {"id:invalid", "q:required"},
		"/things/1/?q=a&q=b":                                    {"q:repeated"},
		"/things/1/?q=%zz":                                      {":syntax"},
		"/things/1/?q=a;b":                                      {":syntax"},
		"/things/1/?q=" + strings.Repeat("x", 200):              nil,
		"/things/1/?q=a&" + strings.Repeat("x", 150):            {strings.Repeat("x", 150) + ":unknown_field"},
		"/things/1/?q=a&%78%78%78=" + strings.Repeat("x", 21):   {"xxx:unknown_field"},
		"/things/1/?q=%61%62%63%64%65%66%67%68%69%6a%6b%6c&y=1": {"q:max_length", "y:unknown_field"},
	} {
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
		require.Error(t, err, target)
		if want == nil {
			assert.Equal(t, http.StatusRequestURITooLong, problem(t, err).Status)
			continue
		}
		assert.Equal(t, want, faults(err), target)
	}
}

func TestLongParameterNamesAreNotRepeated(t *testing.T) {
	b := newBinder[search](t, sanitize.Config{})
	_, err := b.BindQuery(httptest.NewRequest(http.MethodGet, "/?q=a&"+strings.Repeat("x", 300), nil))
	assert.Equal(t, []string{":unknown_field"}, faults(err))
}
