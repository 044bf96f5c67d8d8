package sanitize_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/sanitize"
)

type registration struct {
	Email string `json:"email" sanitize:"trim" validate:"required,email"`
	Name  string `json:"name" sanitize:"text" validate:"required,min=1,max=200"`
	Phone string `json:"phone" sanitize:"trim" validate:"required,phone"`
	Note  string `json:"note" sanitize:"multiline" validate:"max=2000"`
}

type address struct {
	Street string `json:"street" validate:"required,max=5"`
}

type common struct {
	ID string `json:"id" validate:"omitempty,uuid"`
}

type everything struct {
	common
	Bool     bool                      `json:"bool" validate:"present"`
	Int      int8                      `json:"int" validate:"gte=-5,lt=100"`
	Uint     uint                      `json:"uint" validate:"omitempty,gt=1,lte=10"`
	Float    float64                   `json:"float" validate:"omitempty,min=0.5,max=2"`
	Level    int                       `json:"level" validate:"omitempty,oneof=1 2 3"`
	Color    string                    `json:"color" validate:"omitempty,oneof=red 'dark green'"`
	When     time.Time                 `json:"when"`
	Addr     *netip.Addr               `json:"addr"`
	Tags     []string                  `json:"tags" sanitize:"trim,lower" validate:"omitempty,min=1,max=3,dive,slug,max=4"`
	Labels   map[string]string         `json:"labels" validate:"max=2,dive,max=3"`
	Home     address                   `json:"home" validate:"omitempty"`
	Others   []address                 `json:"others"`
	Nullable *string                   `json:"nullable" validate:"omitempty,min=2"`
	Patch    sanitize.Optional[string] `json:"patch" validate:"len=3"`
	Deep     sanitize.Optional[*[]int] `json:"deep" validate:"max=2"`
	Code     string                    `json:"code" validate:"even"`
	Shout    string                    `json:"shout" sanitize:"shout"`
	Total    string                    `json:"total" validate:"omitempty,gt=0,decimal=5:2,lt=100.5"`
	Whole    string                    `json:"whole" validate:"omitempty,decimal=3:0"`
	Ignored  chan int                  `json:"-"`
	Untagged string
}

func post(contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/things/", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newBinder[T any](tb testing.TB, cfg sanitize.Config) *sanitize.Binder[T] {
	tb.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	b, err := sanitize.NewBinder[T](cfg)
	require.NoError(tb, err)
	return b
}

func everythingConfig() sanitize.Config {
	return sanitize.Config{
		Rules: map[string]func(string) error{"even": func(v string) error {
			switch {
			case v == "teapot":
				return &sanitize.Invalid{Code: "teapot", Detail: "Short and stout."}
			case len(v)%2 == 1:
				return errors.New("odd: " + v)
			}
			return nil
		}},
		Cleaners: map[string]func(string) string{"shout": strings.ToUpper},
	}
}

// problem is err, which must be a problem.
func problem(tb testing.TB, err error) *rampart.Problem {
	tb.Helper()
	p, ok := errors.AsType[*rampart.Problem](err)
	require.True(tb, ok, "%v", err)
	return p
}

// faults writes the field errors of a problem as "place:code".
func faults(err error) []string {
	p, ok := errors.AsType[*rampart.Problem](err)
	if !ok {
		return nil
	}
	list := []string{}
	for _, e := range p.Errors {
		list = append(list, e.Pointer+e.Parameter+":"+e.Code)
	}
	return list
}

func TestBindFillsCleansAndCanonicalises(t *testing.T) {
	b := newBinder[everything](t, everythingConfig())
	v, err := b.Bind(httptest.NewRecorder(), post("application/json; charset=UTF-8", `{
		"id": "", "bool": false, "int": -5, "uint": 2, "float": 1.25e0, "level": 3, "color": "dark green",
		"when": "2026-01-02T03:04:05Z", "addr": "2001:db8::1", "tags": [" A ", "b-c"], "labels": {"x": "1"},
		"home": {"street": "Main"}, "others": [{"street": "a"}, {"street": "\u0062"}], "nullable": null, "patch": "abc",
		"deep": [1, 2], "code": "ab", "shout": "hey", "total": 12.5, "whole": "-007", "Untagged": "x"}`))
	require.NoError(t, err)
	addr := netip.MustParseAddr("2001:db8::1")
	assert.Equal(t, everything{
		Int: -5, Uint: 2, Float: 1.25, Level: 3, Color: "dark green", When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Addr: &addr,
		Tags: []string{"a", "b-c"}, Labels: map[string]string{"x": "1"}, Home: address{"Main"}, Others: []address{{"a"}, {"b"}},
		Patch: sanitize.Optional[string]{Value: "abc", Set: true}, Deep: sanitize.Optional[*[]int]{Value: &[]int{1, 2}, Set: true},
		Code: "ab", Shout: "HEY", Total: "12.50", Whole: "-7", Untagged: "x",
	}, v)
}

func TestBindReportsEveryFieldInInputOrder(t *testing.T) {
	b := newBinder[everything](t, everythingConfig())
	v, err := b.Bind(httptest.NewRecorder(), post("application/json", `{
		"id": "nope", "int": 100, "uint": 1, "float": 3, "level": 4, "color": "green",
		"when": "yesterday", "addr": "::1%", "tags": ["ok", "UPPERCASE", "no!", 4], "labels": {"a": "1234", "b": "", "c": null},
		"home": {}, "others": [{"street": "abcdefg"}, 7], "nullable": "x", "patch": "ab", "deep": [1, 2, 3], "code": "odd",
		"shout": true, "total": "100.50", "whole": "0.5", "untagged": 1, "extra/~": {"a": [1, "b", {}]}}`))
	assert.Zero(t, v)
	p, ok := errors.AsType[*rampart.Problem](err)
	require.True(t, ok)
	assert.Equal(t, http.StatusBadRequest, p.Status, "some are of another type")
	assert.Equal(t, "invalid", p.Code)
	assert.Equal(t, []string{
		"#/id:uuid", "#/int:max_value", "#/uint:min_value", "#/float:max_value", "#/level:invalid_choice",
		"#/color:invalid_choice", "#/when:invalid", "#/addr:invalid", "#/tags/1:max_length", "#/tags/2:slug", "#/tags/3:invalid",
		"#/tags:max_length", "#/labels/a:max_length", "#/labels/c:null", "#/labels:max_length", "#/home/street:required",
		"#/others/0/street:max_length", "#/others/1:invalid", "#/nullable:min_length", "#/patch:min_length", "#/deep:max_length",
		"#/code:even", "#/shout:invalid", "#/total:max_value", "#/whole:max_decimal_places", "#/untagged:wrong_case",
		"#/extra~1~0:unknown_field", "#/bool:required",
	}, faults(err))
	for _, e := range p.Errors {
		assert.NotEmpty(t, e.Detail)
		for _, secret := range []string{"nope", "yesterday", "UPPER", "1234", "abcdefg", "odd"} {
			assert.NotContains(t, e.Detail, secret)
		}
	}
}

func TestBindOfOneField(t *testing.T) {
	b := newBinder[everything](t, everythingConfig())
	tests := []struct{ desc, member, want string }{
		{"an integer with a fraction is not one", `"int":1.0`, "#/int:invalid"},
		{"an integer with an exponent is not one", `"int":1e1`, "#/int:invalid"},
		{"an integer that overflows is refused", `"int":128`, "#/int:invalid"},
		{"an integer in quotes is a string", `"int":"1"`, "#/int:invalid"},
		{"a negative number does not wrap around", `"uint":-1`, "#/uint:invalid"},
		{"a float that overflows is refused", `"float":1e999`, "#/float:invalid"},
		{"a boolean is not a number", `"bool":1`, "#/bool:invalid"},
		{"a string is not a list", `"tags":"a"`, "#/tags:not_a_list"},
		{"an empty list where one must be", `"tags":[]`, "#/tags:empty"},
		{"a list is not a dictionary", `"labels":[]`, "#/labels:not_a_dict"},
		{"a string is not an object", `"home":"x"`, "#/home:invalid"},
		{"null is not a string", `"code":null`, "#/code:null"},
		{"null is not a list", `"tags":null`, "#/tags:null"},
		{"NUL in a string", `"code":"a\u0000"`, "#/code:null_characters_not_allowed"},
		{"NUL in a text that is parsed", `"addr":"::1\u0000"`, "#/addr:null_characters_not_allowed"},
		{"NUL in a key", `"labels":{"a\u0000":""}`, "#/labels/a%00:null_characters_not_allowed"},
		{"a rule that chooses its code", `"code":"teapot"`, "#/code:teapot"},
		{"a decimal with an exponent", `"total":1e1`, "#/total:invalid"},
		{"a decimal with a plus", `"total":"+1"`, "#/total:invalid"},
		{"a decimal without an integer part", `"total":".5"`, "#/total:invalid"},
		{"a decimal that ends in a point", `"total":"5."`, "#/total:invalid"},
		{"a decimal that is a boolean", `"total":true`, "#/total:invalid"},
		{"a decimal that is blank", `"total":" "`, "#/total:invalid"},
		{"a decimal that must be greater", `"total":"-0.00"`, "#/total:min_value"},
		{"a decimal with too many digits", `"total":"123456"`, "#/total:max_digits"},
		{"a decimal with too many digits before the point", `"total":"1234"`, "#/total:max_whole_digits"},
		{"a number where text must be", `"color":5`, "#/color:invalid"},
		{"an unknown format", `"id":"x"`, "#/id:uuid"},
		{"an empty text in a list", `"tags":[""]`, "#/tags/0:blank"},
		{"a pointer of a very long name is cut at its parent", `"` + strings.Repeat("x", 300) + `":1`, "#:unknown_field"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			body := `{"bool":true,` + tt.member + `}`
			if strings.HasPrefix(tt.member, `"bool"`) {
				body = `{` + tt.member + `}`
			}
			_, err := b.Bind(httptest.NewRecorder(), post("application/json", body))
			assert.Equal(t, []string{tt.want}, faults(err))
		})
	}
}

func TestRequiredRefusesZeroAndPresentDoesNot(t *testing.T) {
	type form struct {
		N int                       `json:"n" validate:"required"`
		B bool                      `json:"b" validate:"required"`
		S string                    `json:"s" validate:"required"`
		P *string                   `json:"p" validate:"required"`
		O sanitize.Optional[int]    `json:"o" validate:"required"`
		L []int                     `json:"l" validate:"required"`
		H address                   `json:"h" validate:"required"`
		T time.Time                 `json:"t" validate:"required"`
		Q sanitize.Optional[string] `json:"q" validate:"present"`
		R *int                      `json:"r" validate:"present"`
		C bool                      `json:"c" validate:"present"`
	}
	b := newBinder[form](t, sanitize.Config{})
	_, err := b.Bind(httptest.NewRecorder(), post("application/json", `{}`))
	assert.Equal(t, []string{
		"#/n:required", "#/b:required", "#/s:required", "#/p:required", "#/o:required", "#/l:required", "#/h:required", "#/t:required",
		"#/q:required", "#/r:required", "#/c:required",
	}, faults(err))
	assert.Equal(t, "This field is required.", problem(t, err).Errors[0].Detail)
	_, err = b.Bind(httptest.NewRecorder(), post("application/json", `{"n":0,"b":false,"s":"","p":null,"o":null,"l":[],"h":{"street":"a"},"t":"0001-01-01T00:00:00Z","q":null,"r":null,"c":false}`))
	assert.Equal(t, []string{"#/n:required", "#/b:required", "#/s:blank", "#/p:null", "#/o:null", "#/t:required"}, faults(err))
	v, err := b.Bind(httptest.NewRecorder(), post("application/json", `{"n":1,"b":true,"s":"a","p":"","o":0,"l":[],"h":{"street":"a"},"t":"2026-01-01T00:00:00Z","q":"","r":0,"c":false}`))
	require.NoError(t, err)
	assert.Empty(t, *v.P)
}

func TestOptionalTellsThreeThingsApart(t *testing.T) {
	type patch struct {
		Name sanitize.Optional[string] `json:"name" sanitize:"trim" validate:"min=2"`
	}
	b := newBinder[patch](t, sanitize.Config{})
	for body, want := range map[string]sanitize.Optional[string]{
		`{}`:             {},
		`{"name":null}`:  {Set: true, Null: true},
		`{"name":" ab"}`: {Set: true, Value: "ab"},
	} {
		v, err := b.Bind(httptest.NewRecorder(), post("application/json", body))
		require.NoError(t, err)
		assert.Equal(t, want, v.Name, body)
	}
	_, err := b.Bind(httptest.NewRecorder(), post("application/json", `{"name":"a"}`))
	assert.Equal(t, []string{"#/name:min_length"}, faults(err))
}

func TestErrorsAreBounded(t *testing.T) {
	type item struct {
		A string `json:"a" validate:"required"`
	}
	type list struct {
		Items []item `json:"items"`
	}
	b := newBinder[list](t, sanitize.Config{Limits: sanitize.Limits{MaxErrors: 3}})
	for body, status := range map[string]int{
		`{"items":[` + strings.Repeat(`{},`, 50) + `{}]}`: 422,
		`{"items":[` + strings.Repeat(`1,`, 50) + `1]}`:   400,
		`{"items":[{"b":1,"c":1,"d":1,"e":1`:              422,
		`{"items":[{"a":1},{"a":1},{"a":1},{"e":1`:        400,
	} {
		_, err := b.Bind(httptest.NewRecorder(), post("application/json", body))
		assert.Len(t, faults(err), 3)
		assert.Equal(t, status, problem(t, err).Status)
	}
}

func TestAllowUnknown(t *testing.T) {
	b := newBinder[address](t, sanitize.Config{AllowUnknown: true, Limits: sanitize.Limits{ContentTypes: []string{"application/json", "application/x-www-form-urlencoded"}}})
	v, err := b.Bind(httptest.NewRecorder(), post("application/json", `{"x":{"y":[1,2]},"street":"a","z":null}`))
	require.NoError(t, err)
	assert.Equal(t, "a", v.Street)
	_, err = b.Bind(httptest.NewRecorder(), post("application/x-www-form-urlencoded", `x=1&street=a`))
	require.NoError(t, err)
	for _, name := range []string{"Street", "STREET", `\u017ftreet`} { // the last one folds to an s
		_, err = b.Bind(httptest.NewRecorder(), post("application/json", `{"street":"a","`+name+`":"b"}`))
		assert.Len(t, faults(err), 1)
		assert.Contains(t, faults(err)[0], ":wrong_case")
	}
}

func TestHandler(t *testing.T) {
	var log bytes.Buffer
	reached := 0
	h := newBinder[registration](t, sanitize.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Handler(
		func(w http.ResponseWriter, _ *http.Request, v registration) {
			reached++
			assert.Equal(t, registration{Email: "Ann@example.com", Name: "Ann", Phone: "+4930123456"}, v)
			w.WriteHeader(http.StatusCreated)
		})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, post("application/json", `{"email":"Ann@EXAMPLE.com","name":" Ann","phone":"+49 30 123-456"}`))
	assert.Equal(t, http.StatusCreated, w.Code)
	assert.Equal(t, 1, reached)
	assert.Empty(t, log.String())

	w = httptest.NewRecorder()
	h.ServeHTTP(w, post("application/json", `{"email":"hunter2","name":"","phone":"+49 30 secret","x\nforged":1}`))
	assert.Equal(t, 1, reached)
	assert.Equal(t, http.StatusUnprocessableEntity, w.Code)
	assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	assert.JSONEq(t, `{"title":"Unprocessable Entity","status":422,"code":"invalid","detail":"Invalid input.","errors":[
		{"pointer":"#/email","code":"email","detail":"Enter a valid email address."},
		{"pointer":"#/name","code":"blank","detail":"This field may not be blank."},
		{"pointer":"#/phone","code":"phone","detail":"Enter a valid phone number in international form, such as +12025550123."},
		{"pointer":"#/x%0Aforged","code":"unknown_field","detail":"Unknown field."}]}`, w.Body.String())
	line := log.String()
	assert.Contains(t, line, "event=input_validation_fail")
	assert.Contains(t, line, "#/email:email #/name:blank #/phone:phone")
	assert.NotContains(t, line, "hunter2")
	assert.NotContains(t, line, "secret")
	assert.Equal(t, 1, strings.Count(line, "\n"))
}

func TestLogNamesAFewFieldsOnly(t *testing.T) {
	var log bytes.Buffer
	b := newBinder[address](t, sanitize.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	_, err := b.Bind(httptest.NewRecorder(), post("application/json", `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}`))
	require.Error(t, err)
	assert.Contains(t, log.String(), "#/h:unknown_field …")
	assert.NotContains(t, log.String(), "#/i:")
}

func TestErrorHandler(t *testing.T) {
	b := newBinder[address](t, sanitize.Config{ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
		assert.Equal(t, []string{"#/street:required"}, faults(err))
		w.WriteHeader(http.StatusTeapot)
	}})
	w := httptest.NewRecorder()
	b.Handler(func(http.ResponseWriter, *http.Request, address) { t.Error("reached") }).ServeHTTP(w, post("application/json", `{}`))
	assert.Equal(t, http.StatusTeapot, w.Code)
}

func TestZeroBinderRefuses(t *testing.T) {
	var b sanitize.Binder[address]
	w := httptest.NewRecorder()
	b.Handler(func(http.ResponseWriter, *http.Request, address) { t.Error("reached") }).ServeHTTP(w, post("application/json", `{"street":"a"}`))
	assert.Equal(t, http.StatusInternalServerError, w.Code)
	_, err := b.Bind(w, post("application/json", `{"street":"a"}`))
	assert.Error(t, err)
	_, err = b.BindQuery(httptest.NewRequest(http.MethodGet, "/?street=a", nil))
	assert.Error(t, err)
}

func TestBindWithoutABody(t *testing.T) {
	r := &http.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}}
	r.URL = httptest.NewRequest(http.MethodGet, "/", nil).URL
	_, err := newBinder[address](t, sanitize.Config{}).Bind(nil, r)
	assert.Equal(t, []string{"#:syntax"}, faults(err))
}

func TestConfigIsNotComparable(t *testing.T) {
	assert.False(t, reflect.TypeFor[sanitize.Config]().Comparable())
	assert.False(t, reflect.TypeFor[sanitize.GuardConfig]().Comparable())
	assert.False(t, reflect.TypeFor[sanitize.Limits]().Comparable())
}

func TestLaterChangesOfConfigHaveNoEffect(t *testing.T) {
	cfg := everythingConfig()
	cfg.Limits.ContentTypes = []string{"application/json"}
	b := newBinder[everything](t, cfg)
	cfg.Limits.ContentTypes[0] = "text/plain"
	clear(cfg.Rules)
	_, err := b.Bind(httptest.NewRecorder(), post("application/json", `{"bool":true,"code":"odd"}`))
	assert.Equal(t, []string{"#/code:even"}, faults(err))
}

func TestBinderIsSafeForConcurrentUse(t *testing.T) {
	b := newBinder[registration](t, sanitize.Config{})
	for range 8 {
		t.Run("goroutine", func(t *testing.T) {
			t.Parallel()
			for range 50 {
				v, err := b.Bind(httptest.NewRecorder(), post("application/json", `{"email":"a@example.com","name":"A","phone":"+12025550123"}`))
				require.NoError(t, err)
				assert.Equal(t, registration{Email: "a@example.com", Name: "A", Phone: "+12025550123"}, v)
				_, err = b.Bind(httptest.NewRecorder(), post("application/json", `{"email":1,"x":[{"a":2}]`))
				assert.Error(t, err)
			}
		})
	}
}

func TestRecursiveTypes(t *testing.T) {
	type node struct {
		Name     string  `json:"name" validate:"required"`
		Children []*node `json:"children"`
	}
	b := newBinder[node](t, sanitize.Config{})
	v, err := b.Bind(httptest.NewRecorder(), post("application/json", `{"name":"a","children":[{"name":"b","children":[{"name":"c"}]},null]}`))
	require.NoError(t, err)
	assert.Equal(t, "c", v.Children[0].Children[0].Name)
	assert.Nil(t, v.Children[1])
	_, err = b.Bind(httptest.NewRecorder(), post("application/json", `{"name":"a","children":[{"children":[{"name":7}]}]}`))
	assert.Equal(t, []string{"#/children/0/children/0/name:invalid", "#/children/0/name:required"}, faults(err))
}

// TestParamsSayWhatTheRuleSays: clients write sentences of their own with them.
func TestParamsSayWhatTheRuleSays(t *testing.T) {
	cfg := everythingConfig()
	cfg.Rules["prefix=ab"] = func(string) error { return errors.New("no") }
	type ruled struct {
		everything
		Start string `json:"start" validate:"omitempty,prefix=ab"`
		Own   string `json:"own" validate:"omitempty,contains=@"`

		Pairs []struct{ S string } `json:"pairs" validate:"unique=S"`
		Not   string               `json:"not" validate:"excluded_with=Int"`
		Same  string               `json:"same" validate:"omitempty,eqfield=Untagged"`
		Equal string               `json:"equal" validate:"omitempty,eqfield=Own"`

		Untagged string
	}
	b := newBinder[ruled](t, cfg)
	tests := []struct {
		member string
		want   map[string]string
	}{
		{`"int":100`, map[string]string{"lt": "100"}},
		{`"uint":1`, map[string]string{"gt": "1"}},
		{`"float":0.25`, map[string]string{"min": "0.5"}},
		{`"level":4`, map[string]string{"oneof": "1 2 3"}},
		{`"color":"green"`, map[string]string{"oneof": "red 'dark green'"}},
		{`"tags":["abcde"]`, map[string]string{"max": "4"}},
		{`"labels":{"a":"","b":"","c":""}`, map[string]string{"max": "2"}},
		{`"nullable":"x"`, map[string]string{"min": "2"}},
		{`"patch":"abcd"`, map[string]string{"len": "3"}},
		{`"total":"100.50"`, map[string]string{"lt": "100.5"}},
		{`"total":"1.234"`, map[string]string{"digits": "5", "places": "2"}},
		{`"start":"x"`, map[string]string{"prefix": "ab"}},
		{`"own":"x"`, map[string]string{"contains": "@"}},
		{`"same":"x"`, map[string]string{"eqfield": "Untagged"}},
		{`"equal":"x"`, map[string]string{"eqfield": "own"}},
		{`"pairs":[{"S":"x"},{"S":"x"}]`, nil},
		{`"not":"x","int":1`, nil},
		{`"id":"x"`, nil},
		{`"code":"odd"`, nil},
		{`"tags":[]`, nil},
		{`"int":"x"`, nil},
	}
	for _, tt := range tests {
		for range 2 {
			_, err := b.Bind(httptest.NewRecorder(), post("application/json", `{"bool":true,`+tt.member+`}`))
			errs := problem(t, err).Errors
			require.Len(t, errs, 1, tt.member)
			assert.Equal(t, tt.want, errs[0].Params, tt.member)
			text, err := json.Marshal(errs[0])
			require.NoError(t, err)
			assert.Equal(t, tt.want != nil, strings.Contains(string(text), `"params":{`), "%s", text)
			clear(errs[0].Params) // no other answer has the map
		}
	}
}
