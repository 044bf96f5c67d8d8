package sanitize_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/go-playground/validator/v10"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

func bindJSON[T any](t *testing.T, b *sanitize.Binder[T], body string) (T, []string) {
	t.Helper()
	v, err := b.Bind(httptest.NewRecorder(), post("application/json", body))
	return v, faults(err)
}

func TestAbsentFieldsAreChecked(t *testing.T) {
	type adult struct {
		Age   int    `json:"age" validate:"gte=18"`
		Email string `json:"email" validate:"email"`
		Nick  string `json:"nick" validate:"omitempty,min=3"`
		Home  struct {
			City string   `json:"city" validate:"required"`
			Tags []string `json:"tags" validate:"required,dive,min=1"`
		} `json:"home"`
		Work  *address `json:"work"`
		Home2 address  `json:"home2" validate:"omitempty"`
	}
	b := newBinder[adult](t, sanitize.Config{})
	_, got := bindJSON(t, b, `{}`)
	assert.Equal(t, []string{"#/age:required", "#/email:required", "#/home/city:required", "#/home/tags:required"}, got)
	_, got = bindJSON(t, b, `{"age":17,"email":"","nick":"ab","home":{"tags":[""]},"work":{},"home2":{}}`)
	assert.Equal(t, []string{
		"#/age:min_value", "#/email:blank", "#/nick:min_length", "#/home/tags/0:blank", "#/home/city:required", "#/work/street:required", "#/home2/street:required",
	}, got)
	_, got = bindJSON(t, b, `{"age":18,"email":"a@b.co","nick":"","home":{"city":"x","tags":[]},"work":null}`)
	assert.Empty(t, got)
}

type booking struct {
	Password string                    `json:"password" sanitize:"trim" validate:"required,min=3"`
	Confirm  string                    `json:"confirm" sanitize:"trim" validate:"required,eqfield=Password"`
	From     int                       `json:"from"`
	To       int                       `json:"to" validate:"gtfield=From"`
	Phone    string                    `json:"phone" validate:"required_without=Email,omitempty,phone"`
	Email    string                    `json:"email" validate:"required_without=Phone,omitempty,email"`
	Kind     string                    `json:"kind" validate:"oneof=person company"`
	VAT      *string                   `json:"vat" validate:"required_if=Kind company,excluded_if=Kind person,omitempty,len=3"`
	Contact  string                    `json:"contact" validate:"omitempty,email|phone,max=20"`
	Color    string                    `json:"color" validate:"omitempty,iscolor"`
	Labels   map[string]string         `json:"labels" sanitize:"keys,trim,lower,endkeys,text" validate:"dive,keys,alpha,max=3,endkeys,required,max=5"`
	Codes    []string                  `json:"codes" validate:"unique,dive,eqfield=Kind|len=2"`
	Patch    sanitize.Optional[string] `json:"patch" validate:"excluded_with=Color,min=2"`
}

func TestRulesAcrossFields(t *testing.T) {
	b := newBinder[booking](t, sanitize.Config{})
	const valid = `"password":" abc","confirm":"abc ","to":1,"email":"a@B.co","kind":"person"`
	tests := []struct {
		desc, members string
		want          []string
	}{
		{"as it should be", ``, nil},
		{"a confirmation that differs", `"confirm":"abd"`, []string{"#/confirm:eqfield"}},
		{"a confirmation that comes before what it confirms", `"confirm":"abc"`, nil},
		{"an end before the start", `"from":2`, []string{"#/to:gtfield"}},
		{"an end that is not there", `"from":0,"to":null`, []string{"#/to:null"}},
		{"neither of two", `"email":""`, []string{"#/phone:required", "#/email:required"}},
		{"the other of two, in its canonical form", `"email":"","phone":"+1 202 555 0123"`, nil},
		{"required by a value", `"kind":"company"`, []string{"#/vat:required"}},
		{"required by a value, and null", `"kind":"company","vat":null`, []string{"#/vat:required"}},
		{"required by a value, and there", `"kind":"company","vat":"abc"`, nil},
		{"required by a value, and too short", `"kind":"company","vat":"ab"`, []string{"#/vat:min_length"}},
		{"excluded by a value", `"vat":"abc"`, []string{"#/vat:excluded_if"}},
		{"the first of a choice", `"contact":"a@B.co"`, nil},
		{"the second of a choice", `"contact":"+1 202 555 0123"`, nil},
		{"none of a choice", `"contact":"x"`, []string{"#/contact:email|phone"}},
		{"a choice, then another rule", `"contact":"abcdefghijklmnop@b.co"`, []string{"#/contact:max_length"}},
		{"an alias", `"color":"#ff0"`, nil},
		{"an alias that refuses", `"color":"red"`, []string{"#/color:iscolor"}},
		{"a key that breaks a rule", `"labels":{"a1":"x"}`, []string{"#/labels/a1:alpha"}},
		{"a key that is too long when it is cleaned", `"labels":{" ABCD ":"x"}`, []string{"#/labels/%20ABCD%20:max_length"}},
		{"a value that breaks a rule", `"labels":{"a":"abcdef"}`, []string{"#/labels/a:max_length"}},
		{"two keys that are one when they are cleaned", `"labels":{"a":"x"," A":"y"}`, []string{"#/labels/%20A:repeated"}},
		{"an element twice", `"codes":["aa","aa"]`, []string{"#/codes:unique"}},
		{"an element that asks another field", `"codes":["person","aa"]`, nil},
		{"an element that asks another field, in vain", `"codes":["company"]`, []string{"#/codes/0:eqfield|len"}},
		{"an Optional with another field", `"patch":"ab","color":"#fff"`, []string{"#/patch:excluded_with"}},
		{"an Optional that is too short", `"patch":"a"`, []string{"#/patch:min_length"}},
		{"an Optional that is null", `"patch":null,"color":"#fff"`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			var body strings.Builder
			body.WriteString(tt.members)
			for member := range strings.SplitSeq(valid, ",") {
				if name, _, _ := strings.Cut(member, ":"); !strings.Contains(tt.members, name+":") {
					body.WriteString("," + member)
				}
			}
			v, got := bindJSON(t, b, "{"+strings.TrimPrefix(body.String(), ",")+"}")
			assert.Equal(t, tt.want, got)
			if tt.want == nil {
				assert.Equal(t, "abc", v.Password)
				assert.Equal(t, "abc", v.Confirm)
			}
		})
	}
	v, _ := bindJSON(t, b, `{`+valid+`,"labels":{" AB":" x "},"contact":"+1 202 555 0123"}`)
	assert.Equal(t, map[string]string{"ab": "x"}, v.Labels)
	assert.Equal(t, "+12025550123", v.Contact)
	_, err := b.Bind(httptest.NewRecorder(), post("application/json", `{`+strings.Replace(valid, "abc ", "abd", 1)+`}`))
	assert.Equal(t, map[string]string{"eqfield": "password"}, problem(t, err).Errors[0].Params)

	other := booking{Password: " abc", Confirm: "abc ", To: 1, Email: "a@B.co", Kind: "person", Labels: map[string]string{" A ": "x"}, Codes: []string{"person"}}
	require.NoError(t, b.Value(&other))
	assert.Equal(t, map[string]string{"a": "x"}, other.Labels)
	assert.Equal(t, "a@b.co", other.Email)
	other.Confirm, other.Labels, other.Codes = "x", map[string]string{"a": "x", " A": "y"}, []string{"company"}
	assert.Equal(t, []string{"#/labels/%20A:repeated", "#/confirm:eqfield", "#/codes/0:eqfield|len"}, faults(b.Value(&other)))
}

func TestKeysAreCleanedAsElementsAre(t *testing.T) {
	type form struct {
		M map[string]string   `json:"m" sanitize:"striptags,trim"`
		N map[string]int      `json:"n" sanitize:"keys,trim,endkeys"`
		O map[string][]string `json:"o" sanitize:"lower"`
	}
	v, got := bindJSON(t, newBinder[form](t, sanitize.Config{}), `{"m":{"<b>a</b>":"<i>b</i>"},"n":{" x ":1},"o":{"A":["B"]}}`)
	assert.Empty(t, got)
	assert.Equal(t, form{map[string]string{"a": "b"}, map[string]int{"x": 1}, map[string][]string{"a": {"b"}}}, v)
}

func TestRulesThatTheUserRegisters(t *testing.T) {
	type ctxKey struct{}
	type item struct {
		SKU   string `json:"sku" validate:"sku"`
		Count int    `json:"count" validate:"even"`
	}
	type order struct {
		Owner string `json:"owner" validate:"owner,nick"`
		Total int    `json:"total" validate:"omitempty,even"`
		Items []item `json:"items"`
		Peer  string `json:"peer" validate:"omitempty,differs"`
	}
	cfg := sanitize.Config{
		Rules: map[string]func(string) error{"sku": func(s string) error {
			if strings.HasPrefix(s, "S-") {
				return nil
			}
			return errors.New("no")
		}},
		Validator: func(v *validator.Validate) error {
			v.RegisterAlias("nick", "sku|min=2,max=8")
			v.RegisterStructValidationCtx(func(ctx context.Context, sl validator.StructLevel) {
				o, _ := reflect.TypeAssert[order](sl.Current())
				if len(o.Items) > 1 && ctx.Value(ctxKey{}) == "poor" {
					sl.ReportError(o.Items, "items", "Items", "too_many", "")
				}
			}, order{})
			v.RegisterStructValidation(func(sl validator.StructLevel) {
				if i, _ := reflect.TypeAssert[item](sl.Current()); i.Count > 100 {
					sl.ReportError(i.Count, "Count", "Count", "stock", "")
				}
			}, item{})
			return errors.Join(
				v.RegisterValidation("even", func(fl validator.FieldLevel) bool { return fl.Field().Int()%2 == 0 }),
				v.RegisterValidation("differs", func(fl validator.FieldLevel) bool {
					return fl.Parent().FieldByName("Owner").String() != fl.Field().String()
				}),
				v.RegisterValidationCtx("owner", func(ctx context.Context, fl validator.FieldLevel) bool {
					return ctx.Value(ctxKey{}) != fl.Field().String()
				}),
			)
		},
	}
	b := newBinder[order](t, cfg)
	bind := func(user, body string) []string {
		r := post("application/json", body)
		_, err := b.Bind(httptest.NewRecorder(), r.WithContext(context.WithValue(r.Context(), ctxKey{}, user)))
		return faults(err)
	}
	assert.Empty(t, bind("eve", `{"owner":"ann","total":2,"items":[{"sku":"S-1","count":4}]}`))
	assert.Equal(t, []string{"#/owner:owner"}, bind("ann", `{"owner":"ann"}`))
	assert.Equal(t, []string{"#/items/0/sku:sku", "#/items/1/count:even", "#/items/2/count:stock", "#/owner:nick", "#/total:even", "#/peer:differs", "#/items:too_many"},
		// what asks other fields, or might, comes after the rest
		bind("poor", `{"owner":"x","total":3,"items":[{"sku":"x","count":0},{"sku":"S-1","count":1},{"sku":"S-1","count":102}],"peer":"x"}`))

	for want, f := range map[string]func(*validator.Validate) error{
		"Validator: invalid: ":  func(*validator.Validate) error { return errors.New("no") },
		"Validator: invalid:  ": func(v *validator.Validate) error { v.RegisterAlias("dive", "min=1"); return nil },
	} {
		_, err := sanitize.NewBinder[address](sanitize.Config{Validator: f})
		assert.Equal(t, []string{strings.TrimRight(want, " ") + " "}, mistakes(err))
	}
}

// TestARuleThatPanicsRefuses: the library panics where a tag does not fit a value, which
// shows at a request only if the value can be of any type.
func TestARuleThatPanicsRefuses(t *testing.T) {
	type form struct {
		Any  any   `json:"any" validate:"omitempty,min=2"`
		List []any `json:"list" validate:"unique"`
	}
	b := newBinder[form](t, sanitize.Config{})
	_, got := bindJSON(t, b, `{"any":true,"list":[{},{}]}`)
	assert.Equal(t, []string{"#/any:min_value", "#/list:unique"}, got)
	_, got = bindJSON(t, b, `{"any":"ab","list":[1,"1"]}`)
	assert.Empty(t, got)
	_, got = bindJSON(t, b, `{"any":1,"list":[1,1]}`)
	assert.Equal(t, []string{"#/any:min_value", "#/list:unique"}, got)
}

func TestStructRulesThatDoNotApply(t *testing.T) {
	type form struct {
		Only address            `json:"only" validate:"structonly"`
		No   *address           `json:"no" validate:"omitempty,nostructlevel"`
		Off  address            `json:"off" validate:"-"`
		List []address          `json:"list" validate:"-"`
		Map  map[string]address `json:"map" validate:"dive,structonly"`
		On   *address           `json:"on"`
	}
	b := newBinder[form](t, sanitize.Config{})
	_, got := bindJSON(t, b, `{"only":{},"no":{"street":"abcdef"},"off":{},"list":[{}],"map":{"a":{}},"on":{}}`)
	assert.Equal(t, []string{"#/on/street:required"}, got)
}

func TestPort(t *testing.T) {
	type form struct {
		Text   string `json:"text" validate:"omitempty,port"`
		Number uint32 `json:"number" validate:"omitempty,port"`
	}
	b := newBinder[form](t, sanitize.Config{})
	for body, want := range map[string][]string{
		`{"text":"443","number":65535}`: nil, `{"text":"0","number":65536}`: {"#/text:port", "#/number:port"}, `{"text":"065"}`: {"#/text:port"},
		`{"text":"65536"}`: {"#/text:port"}, `{"text":"+1"}`: {"#/text:port"},
	} {
		_, got := bindJSON(t, b, body)
		assert.Equal(t, want, got, body)
	}
}

func TestStricterFormats(t *testing.T) {
	type form struct {
		ASCII string `json:"ascii" validate:"omitempty,ascii"`
		Cron  string `json:"cron" validate:"omitempty,cron"`
		Host  string `json:"host" validate:"omitempty,hostname_rfc1123"`
		IPv4  string `json:"ipv4" validate:"omitempty,ipv4"`
		JSON  string `json:"json" validate:"omitempty,json"`
		UUID  string `json:"uuid" validate:"omitempty,uuid"`
	}
	b := newBinder[form](t, sanitize.Config{})
	for _, v := range []form{
		{ASCII: "a\tb\r\n~"},
		{Cron: "*/5 0-23 1,15 12 7"},
		{Cron: "0 0 12 ? * MON-FRI"},
		{Cron: "0 0 0 1 1 ? 2030"},
		{Cron: "@daily"},
		{Cron: "@every 1h30m"},
		{Cron: "*/90 * * * *"},
		{Host: "a"},
		{Host: "1a.b-c"},
		{Host: "a.0xg"},
		{IPv4: "1.2.3.4"},
		{JSON: ` {"a":[1,null]} `},
		{UUID: "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
	} {
		assert.NoError(t, b.Value(&v), v)
	}
	for _, v := range []form{
		{ASCII: "a\x1b"},
		{ASCII: "\x7f"},
		{ASCII: "é"},
		{Cron: "60 * * * *"},
		{Cron: "* 24 * * *"},
		{Cron: "* * 0 * *"},
		{Cron: "* * * 13 *"},
		{Cron: "* * * * 8"},
		{Cron: "60 0 0 * * *"},
		{Cron: "0 0 0 1 1 ? 1969"},
		{Cron: "*/0 * * * *"},
		{Cron: "* * * *"},
		{Cron: "99999999999999999999 * * * *"},
		{Host: "1.2.3.4"},
		{Host: "127"},
		{Host: "a.0x7f"},
		{Host: strings.Repeat("a.", 127) + "a"},
		{IPv4: "::ffff:1.2.3.4"},
		{IPv4: "01.2.3.4"},
		{JSON: `{"a":1,"a":2}`},
		{JSON: `{} {}`},
		{JSON: `"\ud800"`},
		{JSON: strings.Repeat("[", 40) + strings.Repeat("]", 40)},
		{UUID: "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"},
	} {
		assert.Len(t, faults(b.Value(&v)), 1, "%+v", v)
	}
}

func TestTheLibraryTakesTheStricterFormatsToo(t *testing.T) {
	type form struct {
		A string `json:"a" validate:"address"`
		B any    `json:"b" validate:"omitempty,email"`
		C any    `json:"c" validate:"omitempty,json"`
	}
	b := newBinder[form](t, sanitize.Config{Validator: func(v *validator.Validate) error { v.RegisterAlias("address", "ipv4|email"); return nil }})
	_, got := bindJSON(t, b, `{"a":"::ffff:1.2.3.4","b":"\"x\"@a.co","c":"{\"a\":1,\"a\":1}"}`)
	assert.Equal(t, []string{"#/b:email", "#/c:json", "#/a:address"}, got)
	_, got = bindJSON(t, b, `{"a":"a@b.co","b":"x@a.co","c":"{}"}`)
	assert.Empty(t, got)
	_, got = bindJSON(t, b, `{"a":"1.2.3.4","b":1,"c":[]}`)
	assert.Equal(t, []string{"#/b:email", "#/c:json"}, got)
}

// TestRulesOfStructsLookAtTheirPresence: the rules of their fields are run from here, also
// those that the library does not know.
func TestRulesOfStructsLookAtTheirPresence(t *testing.T) {
	type price struct {
		Amount string `json:"amount" validate:"present,decimal=4:2"`
	}
	type offer struct {
		Sold  bool                     `json:"sold"`
		Price price                    `json:"price" validate:"required_if=Sold true,omitempty"`
		Old   *price                   `json:"old" validate:"excluded_if=Sold true,omitempty"`
		Opt   sanitize.Optional[price] `json:"opt" validate:"required_if=Sold true"`
		Null  sql.Null[int]            `json:"null" validate:"required_if=Sold true,min=2"`
		Photo sanitize.File            `json:"photo" validate:"required_if=Sold true,types=image/png"`
		Kinds []price                  `json:"kinds" validate:"required_if=Sold true|max=1"`
		Addr  netip.Addr               `json:"addr" validate:"required_if=Sold true"`
		Own   span                     `json:"own" validate:"omitempty,wide"`
		Fn    span                     `json:"fn" validate:"omitempty,validateFn=IsWide"`
	}
	cfg := sanitize.Config{
		Limits: sanitize.Limits{ContentTypes: []string{"application/json", multipartType}},
		Validator: func(v *validator.Validate) error {
			v.RegisterStructValidation(func(validator.StructLevel) {}, price{})
			return v.RegisterValidation("wide", func(fl validator.FieldLevel) bool { return fl.Field().FieldByName("To").Int() > 2 })
		},
	}
	b := newBinder[offer](t, cfg)
	_, got := bindJSON(t, b, `{}`)
	assert.Empty(t, got)
	_, got = bindJSON(t, b, `{"sold":true}`)
	assert.Equal(t, []string{"#/price:required", "#/opt:required", "#/null:required", "#/photo:required", "#/addr:required"}, got)
	_, got = bindJSON(t, b, `{"sold":true,"price":{"amount":"1"},"old":{"amount":"x"},"opt":{"amount":"1"},"null":1,"addr":"::1","own":{"to":2},"fn":{"to":2}}`)
	assert.Equal(t, []string{"#/old/amount:invalid", "#/fn:validateFn", "#/null:min_value", "#/photo:required", "#/own:wide"}, got)
	_, got = bindJSON(t, b, `{"sold":true,"price":{"amount":"1"},"old":{"amount":"1"},"opt":{"amount":"1"},"null":2,"addr":"::1","own":{"to":3},"fn":{"to":3}}`)
	assert.Equal(t, []string{"#/old:excluded_if", "#/photo:required"}, got)
}

// span is a struct that rules of the library look into.
type span struct {
	To int `json:"to" validate:"present"`
}

func (s span) IsWide() bool { return s.To > 2 }
