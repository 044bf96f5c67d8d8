package sanitize_test

import (
	"errors"
	"fmt"
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
		{"an invalid boolean", "q=a&all=yes", 422, []string{"#/all:invalid"}},
		{"an invalid number", "q=a&ratio=NaN", 422, []string{"#/ratio:invalid"}},
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

type profile struct {
	Name    string                       `json:"name" sanitize:"trim" validate:"required"`
	Address address                      `json:"address" validate:"omitempty"`
	Items   []*lineItem                  `json:"items" validate:"max=3"`
	Labels  map[string]string            `json:"labels" sanitize:"trim" validate:"dive,keys,alpha,endkeys,max=3"`
	Nested  map[string]map[string][]int  `json:"nested"`
	Tags    []string                     `json:"tags" validate:"dive,min=1,max=3"`
	Dotted  string                       `json:"do.t"`
	Opt     sanitize.Optional[*lineItem] `json:"opt"`
	Confirm string                       `json:"confirm" validate:"omitempty,eqfield=Name"`
}

type lineItem struct {
	SKU   string `json:"sku" validate:"required,slug"`
	Count int    `json:"count" validate:"omitempty,min=2"`
}

func TestNestedForms(t *testing.T) {
	cfg := forms()
	cfg.Limits.MaxString, cfg.Limits.MaxDepth = 100, 5
	b := newBinder[profile](t, cfg)
	want := profile{
		Name: "a", Address: address{"x"}, Items: []*lineItem{{"s1", 2}, {"s2", 0}}, Labels: map[string]string{"a": "b", "c": "d"},
		Nested: map[string]map[string][]int{"a": {"b": {1, 2}}}, Tags: []string{"p", "q"}, Dotted: "z", Opt: sanitize.Optional[*lineItem]{Set: true, Value: &lineItem{SKU: "o"}}, Confirm: "a",
	}
	for _, form := range []string{
		"name=a&address.street=x&items[0].sku=s1&items[0].count=2&items[1].sku=s2&labels.a=b&labels.c=+d&nested.a.b=1&nested.a.b=2&tags=p&tags=q&do.t=z&opt.sku=o&confirm=a",
		"confirm=+a&name=+a&address[street]=x&items[0][sku]=s1&items[0][count]=2&items[1][sku]=s2&labels[a]=b&labels[c]=d&nested[a][b][]=1&nested[a][b][]=2&tags[]=p&tags[]=q&do.t=z&opt[sku]=o",
		"name=a&address.street=x&items.0.sku=s1&items.1.sku=s2&items.0.count=2&labels[a]=b&labels.c=d&nested[a].b[0]=1&nested.a[b].1=2&tags[0]=p&tags[1]=q&do.t=z&opt.sku=o&confirm=a",
	} {
		form = strings.Replace(form, "confirm=+a", "confirm=a", 1)
		cfg.Limits.MaxParams = 20
		v, err := newBinder[profile](t, cfg).Bind(httptest.NewRecorder(), post(formType, form))
		require.NoError(t, err, form)
		assert.Equal(t, want, v, form)
	}
	for form, want := range map[string][]string{
		"":                             {"#/name:required"},
		"name=a&address.street=abcdef": {"#/address/street:max_length"},
		"name=a&address.street=":       {"#/address/street:blank"},
		"name=a&address.nope=1":        {"#/address/nope:unknown_field", "#/address/street:required"},
		"name=a&address.Street=1":      {"#/address/Street:wrong_case", "#/address/street:required"},
		"name=a&address=1":             {"#/address:unknown_field"},
		"name=a&address.street=a&address[street]=b":        {"#/address/street:repeated"},
		"name=a&items[1].sku=x":                            {"#/items:invalid"},
		"name=a&items[01].sku=x":                           {"#/items:invalid"},
		"name=a&items[-1].sku=x":                           {"#/items:invalid"},
		"name=a&items[99999999999999999999].sku=x":         {"#/items:invalid"},
		"name=a&items=x":                                   {"#/items:unknown_field"},
		"name=a&items[].sku=x":                             {"#/items%5B%5D.sku:unknown_field"},
		"name=a&items[0].count=1":                          {"#/items/0/sku:required", "#/items/0/count:min_value"},
		"name=a&items[0].count=x&items[0].sku=a":           {"#/items/0/count:invalid"},
		"name=a&items[0].sku=a&items[0].sku=b":             {"#/items/0/sku:repeated"},
		"name=a&labels.b1=x":                               {"#/labels/b1:alpha"},
		"name=a&labels.a=abcd":                             {"#/labels/a:max_length"},
		"name=a&labels." + strings.Repeat("b", 101) + "=x": {"#/labels:string_too_long"},
		"name=a&labels=x":                                  {"#/labels:unknown_field"},
		"name=a&labels[a]=x&labels.a=y":                    {"#/labels/a:repeated"},
		"name=a&tags=abcd":                                 {"#/tags:max_length"},
		"name=a&tags[]=abcd":                               {"#/tags:max_length"},
		"name=a&tags[0]=abcd":                              {"#/tags/0:max_length"},
		"name=a&tags[x]=1":                                 {"#/tags:invalid"},
		"name.x=a":                                         {"#/name/x:unknown_field", "#/name:required"},
		"name=a&confirm=b":                                 {"#/confirm:eqfield"},
		"name=a&opt.count=3":                               {"#/opt/sku:required"},
		"name=a&address[street=x":                          {"#/address%5Bstreet:unknown_field"},
		"name=a&address..street=x":                         {"#/address..street:unknown_field"},
		"name=a&address[street]x=1":                        {"#/address%5Bstreet%5Dx:unknown_field"},
		"name=a&nested.a.b.0.c.d=1":                        {"#/nested.a.b.0.c.d:unknown_field"},
		"name=a&[x]=1&.y=1":                                {"#/%5Bx%5D:unknown_field", "#/.y:unknown_field"},
		"name=a&Address.street=x":                          {"#/Address:wrong_case"},
	} {
		_, err := b.Bind(httptest.NewRecorder(), post(formType, form))
		assert.Equal(t, want, faults(err), form)
	}
	_, err := b.BindQuery(httptest.NewRequest(http.MethodGet, "/?name=a&address.street=abcdef&items[0].sku=!&tags=abcd", nil))
	assert.Equal(t, []string{"address.street:max_length", "items.0.sku:slug", "tags:max_length"}, faults(err))
}

func TestEmptyFieldsOfFormsCanBeAbsent(t *testing.T) {
	type form struct {
		Name  string                    `json:"name" validate:"required"`
		Age   *int                      `json:"age"`
		Tags  []string                  `json:"tags" validate:"dive,min=1"`
		Opt   sanitize.Optional[string] `json:"opt"`
		Photo string                    `json:"photo"`
		Home  address                   `json:"home" validate:"omitempty"`
	}
	cfg := forms()
	cfg.EmptyAbsent = true
	b := newBinder[form](t, cfg)
	v, err := b.Bind(httptest.NewRecorder(), post(formType, "name=a&age=&tags=&tags[]=&tags[0]=&opt=&photo=&home.street="))
	require.NoError(t, err)
	assert.Equal(t, form{Name: "a"}, v)
	_, err = b.Bind(httptest.NewRecorder(), post(formType, "name=&nope=&home="))
	assert.Equal(t, []string{"#/nope:unknown_field", "#/name:required"}, faults(err))
	v, err = b.Bind(httptest.NewRecorder(), post(formType, "name=a&name=&age=3"))
	require.NoError(t, err)
	assert.Equal(t, 3, *v.Age)
	_, err = newBinder[form](t, forms()).Bind(httptest.NewRecorder(), post(formType, "name=a&age="))
	assert.Equal(t, []string{"#/age:invalid"}, faults(err))
}

func TestPathValues(t *testing.T) {
	type change struct {
		ID    int64                     `path:"id" validate:"min=2"`
		Owner string                    `path:"owner" sanitize:"lower" validate:"omitempty,alpha"`
		Kind  *string                   `path:"kind"`
		Ref   sanitize.Optional[string] `path:"ref" validate:"required"`
		Name  string                    `json:"name" validate:"required,max=3"`
	}
	b := newBinder[change](t, sanitize.Config{Limits: sanitize.Limits{ContentTypes: []string{"application/json", formType}}})
	do := func(bind func(*sanitize.Binder[change], *http.Request) (change, error), media, body string, values ...string) (change, []string) {
		r := post(media, body)
		for i := 0; i < len(values); i += 2 {
			r.SetPathValue(values[i], values[i+1])
		}
		v, err := bind(b, r)
		return v, faults(err)
	}
	body := func(b *sanitize.Binder[change], r *http.Request) (change, error) {
		return b.Bind(httptest.NewRecorder(), r)
	}
	query := func(b *sanitize.Binder[change], r *http.Request) (change, error) { return b.BindQuery(r) }
	kind := "k"
	want := change{ID: 42, Owner: "ann", Kind: &kind, Ref: sanitize.Optional[string]{Set: true, Value: "r"}, Name: "x"}
	for media, text := range map[string]string{"application/json": `{"name":"x"}`, formType: "name=x"} {
		v, got := do(body, media, text, "id", "42", "owner", "ANN", "kind", "k", "ref", "r")
		require.Empty(t, got)
		assert.Equal(t, want, v)
	}
	_, got := do(body, "application/json", `{"name":"x","ID":7,"id":7}`, "id", "42", "ref", "r")
	assert.Equal(t, []string{"#/ID:unknown_field", "#/id:unknown_field"}, got, "the body cannot choose another thing")
	_, got = do(body, "application/json", `{"name":"abcd"}`, "id", "1", "owner", "a1")
	assert.Equal(t, []string{"id:min_value", "owner:alpha", "ref:required", "#/name:max_length"}, got)
	_, got = do(body, "application/json", `{"name":"x"}`, "id", "+2", "owner", "a\x00", "ref", "r")
	assert.Equal(t, []string{"id:invalid", "owner:null_characters_not_allowed"}, got)
	_, got = do(body, "application/json", `{"name":"x"}`)
	assert.Equal(t, []string{"id:required", "ref:required"}, got)
	_, got = do(query, formType, "", "id", "42", "ref", "r", "name", "abcd")
	assert.Equal(t, []string{"name:max_length"}, got)
}

// TestNestedNamesTakeTimeInProportion: each parameter leads through as many structs as
// may be, each with places of its own to look at.
func TestNestedNamesTakeTimeInProportion(t *testing.T) {
	type deep struct {
		N string          `json:"n"`
		M map[string]deep `json:"m"`
		A []deep          `json:"a"`
		B *deep           `json:"b"`
	}
	cfg := forms()
	cfg.Limits.MaxParams = 1000
	b := newBinder[deep](t, cfg)
	allocs := func(params int) float64 {
		var body strings.Builder
		for i := range params {
			fmt.Fprintf(&body, "m%s[n]=x&", strings.Repeat(fmt.Sprintf("[k%d][m]", i), 14)+"[k]")
		}
		text := strings.TrimSuffix(body.String(), "&")
		return testing.AllocsPerRun(1, func() {
			_, err := b.Bind(httptest.NewRecorder(), post(formType, text))
			require.NoError(t, err)
		})
	}
	few, many := allocs(50), allocs(500)
	assert.Less(t, many, 12*few)
	assert.Less(t, many/500, 1000., "for each parameter")
}
