package sanitize_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

// account reads itself: two words only. It must never be filled past that.
type account struct {
	Name  string
	Admin bool
}

func (a *account) UnmarshalJSON(raw []byte) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil || s != "guest" && s != "user" {
		return errors.New("neither of the words")
	}
	a.Name += s // which shows if it is called twice
	return nil
}

// level reads itself from text.
type level int

func (l *level) UnmarshalText(text []byte) error {
	if string(text) != "low" && string(text) != "high" {
		return errors.New("neither")
	}
	*l += level(len(text))
	return nil
}

func (l level) MarshalText() ([]byte, error) {
	return []byte([]string{"", "", "", "low", "high"}[l]), nil
}

// Base is embedded as a pointer.
type Base struct {
	ID    int    `json:"id" validate:"min=1"`
	Title string `json:"title"`
}

type kinds struct {
	*Base
	Any      any                    `json:"any"`
	Raw      json.RawMessage        `json:"raw"`
	Pair     [2]int                 `json:"pair" validate:"omitempty,unique"`
	Bytes    []byte                 `json:"bytes" validate:"max=3"`
	ByInt    map[int8]string        `json:"byInt"`
	ByUint   map[uint]int           `json:"byUint"`
	ByAddr   map[netip.Addr]int     `json:"byAddr"`
	ByLevel  map[level]string       `json:"byLevel" validate:"dive,keys,required,endkeys,max=2"`
	Wait     time.Duration          `json:"wait" validate:"omitempty,min=1s,max=1h30m"`
	When     time.Time              `json:"when"`
	Past     *time.Time             `json:"past" validate:"omitempty,lt"`
	Null     sql.Null[int]          `json:"null" validate:"min=2"`
	Name     sql.NullString         `json:"name" sanitize:"trim" validate:"max=3"`
	Seen     sql.NullTime           `json:"seen"`
	Account  account                `json:"account"`
	Accounts map[string]*account    `json:"accounts"`
	Level    level                  `json:"level"`
	Big      *big.Int               `json:"big"`
	Number   json.Number            `json:"number"`
	Deep     **int                  `json:"deep"`
	List     [][]string             `json:"list" validate:"max=2,dive,max=1,dive,max=2"`
	Opt      sanitize.Optional[any] `json:"opt"`
	Title    string                 `json:"title" validate:"max=5"` // hides Base's
}

func TestTypes(t *testing.T) {
	b := newBinder[kinds](t, sanitize.Config{})
	v, got := bindJSON(t, b, `{
		"id": 3, "title": "a", "any": {"a":[1,"b",true,null,2.5]}, "raw": {"x" : [1, {}]}, "pair": [1,2], "bytes": "AAEC", "byInt": {"-3":"a"},
		"byUint": {"0":1}, "byAddr": {"::1":1}, "byLevel": {"high":"x"}, "wait": "1h", "when": "9999-12-31T23:59:59.123456789Z", "past": "1990-01-01T00:00:00+23:59",
		"null": 2, "name": " ab ", "seen": null, "account": "guest", "accounts": {"a":"user","b":null}, "level": "low", "big": 123456789012345678901234567890,
		"number": 1e400, "deep": 5, "list": [["a"],[]], "opt": [1]}`)
	require.Empty(t, got)
	five := 5
	p := &five
	addr := netip.IPv6Loopback()
	past := time.Date(1990, 1, 1, 0, 0, 0, 0, time.FixedZone("", 24*3600-60))
	want := kinds{
		Base: &Base{ID: 3}, Title: "a", Any: map[string]any{"a": []any{1.0, "b", true, nil, 2.5}}, Raw: json.RawMessage(`{"x" : [1, {}]}`), Pair: [2]int{1, 2}, Bytes: []byte{0, 1, 2},
		ByInt: map[int8]string{-3: "a"}, ByUint: map[uint]int{0: 1}, ByAddr: map[netip.Addr]int{addr: 1}, ByLevel: map[level]string{4: "x"}, Wait: time.Hour,
		When: time.Date(9999, 12, 31, 23, 59, 59, 123456789, time.UTC), Past: v.Past, Null: sql.Null[int]{V: 2, Valid: true}, Name: sql.NullString{String: "ab", Valid: true},
		Account: account{Name: "guest"}, Accounts: map[string]*account{"a": {Name: "user"}, "b": nil}, Level: 3, Big: v.Big, Number: "1e400", Deep: &p, List: [][]string{{"a"}, {}},
		Opt: sanitize.Optional[any]{Value: []any{1.0}, Set: true},
	}
	assert.Equal(t, want, v)
	assert.True(t, past.Equal(*v.Past))
	assert.Equal(t, "123456789012345678901234567890", v.Big.String())

	v, got = bindJSON(t, b, `{}`)
	require.Empty(t, got, "an embedded pointer that is nil has no fields")
	assert.Equal(t, kinds{}, v)
	v, got = bindJSON(t, b, `{"id":1,"any":null,"raw":null,"null":null,"opt":null,"deep":null,"big":null}`)
	require.Empty(t, got)
	assert.Equal(t, kinds{Base: &Base{ID: 1}, Raw: json.RawMessage("null"), Opt: sanitize.Optional[any]{Set: true, Null: true}}, v)
}

func TestTypesRefuse(t *testing.T) {
	b := newBinder[kinds](t, sanitize.Config{Limits: sanitize.Limits{MaxDepth: 8}})
	for member, want := range map[string]string{
		`"id":0`:               "#/id:min_value",
		`"any":{"a":"\u0000"}`: "#/any/a:null_characters_not_allowed", `"any":{"a\u0000":1}`: "#/any/a%00:null_characters_not_allowed",
		`"any":9007199254740993`: "#/any:invalid", `"any":[1e999]`: "#/any/0:invalid", `"any":{"a":1,"a":2}`: "#/any/a:duplicate_name",
		`"any":` + strings.Repeat("[", 8) + strings.Repeat("]", 8): "#:too_deep",
		`"raw":{"a":"\u0000"}`: "#/raw:null_characters_not_allowed", `"raw":{"a":1,"a":2}`: "#/raw/a:duplicate_name",
		`"raw":` + strings.Repeat("[", 8) + strings.Repeat("]", 8): "#:too_deep",
		`"pair":[1]`: "#/pair:invalid", `"pair":[1,2,3]`: "#/pair:invalid", `"pair":[2,2]`: "#/pair:unique", `"pair":{"0":1}`: "#/pair:not_a_list",
		`"bytes":"AAE"`: "#/bytes:invalid", `"bytes":"AAF="`: "#/bytes:invalid", `"bytes":"AA\nEC"`: "#/bytes:invalid", `"bytes":"AAECAw=="`: "#/bytes:max_length", `"bytes":[1]`: "#/bytes:invalid", `"bytes":"-_8="`: "#/bytes:invalid",
		`"byInt":{"01":"a"}`: "#/byInt/01:invalid", `"byInt":{"+1":"a"}`: "#/byInt/+1:invalid", `"byInt":{"128":"a"}`: "#/byInt/128:invalid", `"byInt":{"-0":"a"}`: "#/byInt/-0:invalid", `"byInt":{"a":"a"}`: "#/byInt/a:invalid",
		`"byUint":{"-1":1}`: "#/byUint/-1:invalid", `"byUint":{"00":1}`: "#/byUint/00:invalid", `"byAddr":{"::1":1,"0::1":2}`: "#/byAddr/0::1:repeated", `"byAddr":{"x":1}`: "#/byAddr/x:invalid",
		`"byLevel":{"mid":"a"}`: "#/byLevel/mid:invalid", `"byLevel":{"low":"abc"}`: "#/byLevel/low:max_length",
		`"wait":"1"`: "#/wait:invalid", `"wait":3600000000000`: "#/wait:invalid", `"wait":"1ms"`: "#/wait:min_value", `"wait":"91m"`: "#/wait:max_value", `"wait":"99999999h"`: "#/wait:invalid",
		`"when":"2026-01-02 03:04:05Z"`: "#/when:invalid", `"when":"2026-01-02T03:04:05"`: "#/when:invalid", `"when":"2026-01-02T3:04:05Z"`: "#/when:invalid", `"when":"2026-01-02T03:04:05,5Z"`: "#/when:invalid",
		`"when":"2026-01-02T03:04:05+24:00"`: "#/when:invalid", `"when":"2026-01-02T03:04:05+01:60"`: "#/when:invalid", `"when":"2026-02-30T03:04:05Z"`: "#/when:invalid", `"when":"0000-01-02T03:04:05Z"`: "#/when:invalid",
		`"when":"0001-01-01T00:30:00+01:00"`: "#/when:invalid", `"when":"9999-12-31T23:30:00-01:00"`: "#/when:invalid", `"when":"10000-01-01T00:00:00Z"`: "#/when:invalid", `"when":"2026-01-02T03:04:05.1234567891Z"`: "#/when:invalid", `"when":"2026-01-02T03:04:05.Z"`: "#/when:invalid", `"when":"2026-01-02t03:04:05z"`: "#/when:invalid", `"when":"2026-01-02T03:04:05-24:00"`: "#/when:invalid", `"when":"2026-01-02T03:04:05Z "`: "#/when:invalid", `"when":"2026-01-02T03:04:05+0100"`: "#/when:invalid", `"when":1767323045`: "#/when:invalid", `"when":"0000-12-31T23:30:00-01:00"`: "#/when:invalid",
		`"past":"2999-01-01T00:00:00Z"`: "#/past:max_value", `"null":1`: "#/null:min_value", `"null":"2"`: "#/null:invalid", `"name":"abcd"`: "#/name:max_length", `"name":{"String":"a","Valid":true}`: "#/name:invalid",
		`"account":{"Name":"root","Admin":true}`: "#/account:invalid", `"account":"root"`: "#/account:invalid", `"account":null`: "#/account:invalid", `"account":"us\u0000"`: "#/account:null_characters_not_allowed",
		`"accounts":{"a":{"Name":"root","Admin":true}}`: "#/accounts/a:invalid", `"level":"mid"`: "#/level:invalid", `"level":3`: "#/level:invalid", `"big":1.5`: "#/big:invalid",
		`"number":"1"`: "#/number:invalid", `"number":true`: "#/number:invalid", `"deep":"x"`: "#/deep:invalid", `"list":[["a","b"]]`: "#/list/0:max_length", `"list":[["abc"]]`: "#/list/0/0:max_length",
		`"opt":"\u0000"`: "#/opt:null_characters_not_allowed", `"title":"abcdef"`: "#/title:max_length",
	} {
		_, got := bindJSON(t, b, "{"+member+"}")
		assert.Equal(t, []string{want}, got, member)
	}
}

func TestListsAndMapsAtTheTop(t *testing.T) {
	list := newBinder[[]booking](t, sanitize.Config{})
	v, got := bindJSON(t, list, `[{"password":" abc","confirm":"abc","to":1,"email":"a@B.co","kind":"person"}]`)
	require.Empty(t, got)
	assert.Equal(t, "a@b.co", v[0].Email)
	_, got = bindJSON(t, list, `[{"password":"abc","confirm":"x","to":1,"email":"a@b.co","kind":"person"},{},7]`)
	assert.Equal(t, []string{"#/0/confirm:eqfield", "#/1/password:required", "#/1/confirm:required", "#/1/to:required", "#/1/phone:required", "#/1/email:required", "#/1/kind:required", "#/2:invalid"}, got)
	for body, want := range map[string]string{`{}`: "#:not_a_list", `null`: "#:null", `[1`: "#:syntax", `[] []`: "#:trailing_data"} {
		_, got = bindJSON(t, list, body)
		assert.Equal(t, []string{want}, got, body)
	}
	_, err := list.BindQuery(post("application/json", ""))
	assert.Equal(t, "not_configured", problem(t, err).Code, "a query has names")
	assert.Equal(t, []string{"#/0/phone:required", "#/0/email:required"}, faults(list.Value(&[]booking{{Password: "abc", Confirm: "abc", To: 1, Kind: "person"}})))

	dict := newBinder[map[string]address](t, sanitize.Config{})
	m, got := bindJSON(t, dict, `{"a":{"street":"x"}}`)
	require.Empty(t, got)
	assert.Equal(t, map[string]address{"a": {"x"}}, m)
	_, got = bindJSON(t, dict, `{"a":{}}`)
	assert.Equal(t, []string{"#/a/street:required"}, got)
	empty, got := bindJSON(t, list, `[]`)
	assert.Empty(t, got)
	assert.NotNil(t, empty)
}

func TestTypesInForms(t *testing.T) {
	b := newBinder[kinds](t, sanitize.Config{Limits: sanitize.Limits{ContentTypes: []string{formType}}})
	v, err := b.Bind(nil, post(formType, "id=3&any=x&raw=a%22b&pair=1&pair=2&bytes=AAEC&byInt[-3]=a&wait=1h&when=2026-01-02T03:04:05Z&null=2&name=+ab&account=guest&accounts.a=user&level=low&big=12&number=1e4&deep=5&list[0]=a&list[1][]=b&title=t"))
	require.NoError(t, err)
	five := 5
	p := &five
	assert.Equal(t, kinds{
		Base: &Base{ID: 3}, Title: "t", Any: "x", Raw: json.RawMessage(`"a\"b"`), Pair: [2]int{1, 2}, Bytes: []byte{0, 1, 2}, ByInt: map[int8]string{-3: "a"}, Wait: time.Hour, When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Null: sql.Null[int]{V: 2, Valid: true}, Name: sql.NullString{String: "ab", Valid: true}, Account: account{Name: "guest"}, Accounts: map[string]*account{"a": {Name: "user"}},
		Level: 3, Big: big.NewInt(12), Number: "1e4", Deep: &p, List: [][]string{{"a"}, {"b"}},
	}, v)
	for form, want := range map[string]string{
		"any=%00": "#/any:null_characters_not_allowed", "any=a&any=b": "#/any:repeated", "any.x=1": "#/any/x:unknown_field", "account=root": "#/account:invalid", "account.Admin=true": "#/account/Admin:unknown_field",
		"pair=1&pair=2&pair=3": "#/pair:max_length", "number=x": "#/number:invalid", "byInt[01]=a": "#/byInt/01:invalid", "big=x": "#/big:invalid", "deep=1&deep=2": "#/deep:repeated",
	} {
		_, err := b.Bind(nil, post(formType, form))
		assert.Equal(t, []string{want}, faults(err), form)
	}
}

// streamed reads tokens itself, past every limit.
type streamed struct{ A string }

func (*streamed) UnmarshalJSONFrom(any) error { return nil }

func TestTypesThatCannotBeFilled(t *testing.T) {
	type unexported struct{ A int }
	type loop struct {
		*Base
		B int `json:"b"`
	}
	type form struct {
		Streamed streamed
		*unexported
		Fine loop
		Tags struct {
			Base `validate:"omitempty"`
		}
		F func()
	}
	_, err := sanitize.NewBinder[form](sanitize.Config{})
	assert.Equal(t, []string{
		"Streamed: unsupported: sanitize_test.streamed", "unexported: unsupported: *sanitize_test.unexported", "Tags.Base: unsupported: validate:omitempty", "F: unsupported: func()",
	}, mistakes(err))
	_, err = sanitize.NewBinder[Ring](sanitize.Config{})
	assert.Equal(t, []string{"Ring: unsupported: *sanitize_test.Ring"}, mistakes(err))
	_, err = sanitize.NewBinder[Left](sanitize.Config{})
	assert.NotEmpty(t, mistakes(err), "a circle of two")
}

// Ring embeds itself; Left and Right each other.
type (
	Ring struct {
		*Ring
		A int
	}
	Left  struct{ *Right }
	Right struct{ *Left }
)

func TestNumbersAsKeysHaveOneForm(t *testing.T) {
	type form struct {
		M map[int]int `json:"m"`
	}
	b := newBinder[form](t, sanitize.Config{})
	for i := range 3 {
		v, got := bindJSON(t, b, `{"m":{"`+strconv.Itoa(i-1)+`":1}}`)
		assert.Empty(t, got)
		assert.Equal(t, map[int]int{i - 1: 1}, v.M)
	}
}
