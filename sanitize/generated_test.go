package sanitize_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-playground/validator/v10"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

// Types that the generated field can have.
type (
	namedText   string
	namedNumber int
	plainPair   struct {
		S string
		I int
	}
	generic[T any] struct {
		V T `validate:"required"`
	}
)

func generatedTypes() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[string](), reflect.TypeFor[*string](), reflect.TypeFor[**string](), reflect.TypeFor[namedText](), reflect.TypeFor[int](), reflect.TypeFor[*int](),
		reflect.TypeFor[namedNumber](), reflect.TypeFor[uint](), reflect.TypeFor[float64](), reflect.TypeFor[bool](), reflect.TypeFor[*bool](), reflect.TypeFor[[]string](),
		reflect.TypeFor[[]int](), reflect.TypeFor[*[]string](), reflect.TypeFor[[]*string](), reflect.TypeFor[[2]int](), reflect.TypeFor[*[2]int](), reflect.TypeFor[map[string]string](),
		reflect.TypeFor[map[string]*int](), reflect.TypeFor[map[int]string](), reflect.TypeFor[*map[string]string](), reflect.TypeFor[map[string][]string](), reflect.TypeFor[[][]int](),
		reflect.TypeFor[time.Time](), reflect.TypeFor[*time.Time](), reflect.TypeFor[plainPair](), reflect.TypeFor[*plainPair](), reflect.TypeFor[**plainPair](), reflect.TypeFor[[]plainPair](),
		reflect.TypeFor[[]*plainPair](), reflect.TypeFor[map[string]plainPair](), reflect.TypeFor[generic[int]](), reflect.TypeFor[*generic[string]](), reflect.TypeFor[any](), reflect.TypeFor[[]any](),
		reflect.TypeFor[map[string]any](), reflect.TypeFor[[]byte](), reflect.TypeFor[[]time.Time](), reflect.TypeFor[map[namedText]namedNumber](), reflect.TypeFor[[]bool](),
	}
}

// generatedRules are those that tags are made of; ":" stands for a space.
const generatedRules = `required omitempty omitnil omitzero isdefault min=2 max=2 len=2 gt=1 gte=2 lt=2 lte=1 eq=2 ne=2 eq=ab ne=ab eq=true ne=true oneof=a:ab oneof=1:2
	noneof=a:ab oneofci=a:AB unique unique=S unique=I alpha alphanum numeric number boolean lowercase uppercase contains=a excludes=a startswith=a endswith=b
	eq_ignore_case=AB ne_ignore_case=AB gt gte lt lte required_if=A:a required_if=B:1 required_if=C:true required_if=A:a:B:1 required_if=D:a required_if=E:2 required_if=F.S:a
	required_unless=A:a required_unless=B:0 skip_unless=A:a skip_unless=B:1 required_with=A required_with=D required_with=A:B required_with=F.S required_with_all=A:B
	required_without=A required_without=E required_without_all=A:B excluded_if=A:a excluded_if=B:1 excluded_if=H:1 excluded_unless=A:a excluded_with=A excluded_with=D excluded_with_all=A:B
	excluded_without=A excluded_without_all=A:B eqfield=A nefield=A eqfield=B nefield=C eqfield=D eqfield=E eqfield=F eqfield=T gtfield=A gtfield=G gtfield=T gtefield=B ltfield=G
	ltefield=B eqcsfield=F.S necsfield=F.S gtcsfield=F.I ltcsfield=F.I fieldcontains=A fieldexcludes=A structonly nostructlevel min=2|eq=1 alpha|numeric required_with=A|min=1
	eq=a|eqfield=A skip_unless=A:a|min=1 iscolor iscolor|alpha latitude datetime=2006-01-02`

// TestGeneratedTypesAreJudgedAsTheLibraryJudgesThem makes types with tags of random
// rules, and bodies for them. Where the library alone and a Binder differ, the docs
// must give the reason.
func TestGeneratedTypesAreJudgedAsTheLibraryJudgesThem(t *testing.T) {
	n := 400
	if os.Getenv("RAMPART_BARS") != "" {
		n = 20_000
	}
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	g := generator{rand.New(rand.NewPCG(seed, 1)), strings.Fields(generatedRules)}
	bodies := 0
	for range n {
		x := g.one(generatedTypes())
		tag := g.tag(x)
		typ := g.around(x, tag)
		bind, err := sanitize.BindAs(sanitize.Config{Logger: quiet()}, typ)
		if err != nil {
			continue // that these are right is tested by the recorded rulings
		}
		lib := validator.New()
		for range 12 {
			body := g.value(typ)
			v := reflect.New(typ)
			require.NoError(t, json.Unmarshal([]byte(body), v.Interface()), body)
			theirs, ours := ask(lib, v.Interface()), bind(httptest.NewRecorder(), post("application/json", body))
			bodies++
			if agree := (theirs == "accepts") == (ours == nil); !agree && theirs != "panics" {
				require.True(t, isDocumented(x, tag, ours), "seed %d: %s %q: the library %s, we say %v of\n%s", seed, x, tag, theirs, faults(ours), body)
			}
		}
	}
	assert.Greater(t, bodies, n)
}

// isDocumented reports whether docs/sanitizing.md has the reason for a difference.
func isDocumented(x reflect.Type, tag string, ours error) bool {
	missing := strings.HasSuffix(strings.Join(faults(ours), " "), ":null") || strings.HasSuffix(strings.Join(faults(ours), " "), ":required")
	asks := strings.Contains(tag, "required_") || strings.Contains(tag, "excluded_") || strings.Contains(tag, "skip_unless")
	name := x.String()
	isStruct := strings.Contains(name, "Pair") || strings.Contains(name, "generic")
	switch {
	case asks && missing && strings.ContainsAny(name, "*{"): // "null after rules that ask others"
		return true
	case isStruct && ours != nil && strings.Contains(tag, "structonly,"), isStruct && ours != nil && strings.Contains(tag, "nostructlevel,"):
		return true
	case isStruct && strings.Contains(tag, "omit"), isStruct && strings.Contains(tag, "required"):
		return true
	}
	return false
}

// A generator makes types, tags and bodies.
type generator struct {
	*rand.Rand

	rules []string
}

func (g generator) one(list []reflect.Type) reflect.Type { return list[g.IntN(len(list))] }

func (g generator) words(least, most int) []string {
	var list []string
	for range least + g.IntN(most-least+1) {
		list = append(list, strings.ReplaceAll(g.rules[g.IntN(len(g.rules))], ":", " "))
	}
	return list
}

func (g generator) tag(x reflect.Type) string {
	for x.Kind() == reflect.Pointer {
		x = x.Elem()
	}
	list := g.words(1, 3)
	if k := x.Kind(); (k == reflect.Slice || k == reflect.Array || k == reflect.Map) && g.IntN(2) == 0 {
		list = append(list, "dive")
		if k == reflect.Map && g.IntN(2) == 0 {
			list = append(append(append(list, "keys"), g.words(1, 1)...), "endkeys")
		}
		list = append(list, g.words(0, 2)...)
	}
	return strings.Join(list, ",")
}

// around returns a struct with siblings of X around one with X, in one of the ways in
// which a struct can be in another.
func (g generator) around(x reflect.Type, tag string) reflect.Type {
	siblings := func(more reflect.StructField) reflect.Type {
		return reflect.StructOf([]reflect.StructField{
			{Name: "A", Type: reflect.TypeFor[string]()},
			{Name: "B", Type: reflect.TypeFor[int]()},
			{Name: "C", Type: reflect.TypeFor[bool]()},
			{Name: "D", Type: reflect.TypeFor[*string]()},
			{Name: "E", Type: reflect.TypeFor[[]string]()},
			{Name: "F", Type: reflect.TypeFor[plainPair]()},
			{Name: "G", Type: reflect.TypeFor[*int]()},
			{Name: "H", Type: reflect.TypeFor[map[string]int]()},
			{Name: "T", Type: reflect.TypeFor[time.Time]()},
			more,
		})
	}
	inner := siblings(reflect.StructField{Name: "X", Type: x, Tag: reflect.StructTag("validate:" + strconv.Quote(tag))})
	in := []reflect.StructField{
		{Type: inner},
		{Type: reflect.PointerTo(inner)},
		{Type: reflect.SliceOf(inner), Tag: `validate:"dive"`},
		{Type: reflect.MapOf(reflect.TypeFor[string](), inner), Tag: `validate:"dive"`},
		{Type: reflect.SliceOf(reflect.PointerTo(inner)), Tag: `validate:"dive,required"`},
	}[g.IntN(5)]
	in.Name = "In"
	return siblings(in)
}

// value writes a random value of type t.
func (g generator) value(t reflect.Type) string {
	pick := func(list ...string) string { return list[g.IntN(len(list))] }
	switch t {
	case reflect.TypeFor[time.Time]():
		return pick(`"2020-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, `"2020-01-01T01:00:00+01:00"`, `"2999-01-01T00:00:00Z"`)
	case reflect.TypeFor[[]byte]():
		return pick(`""`, `"YQ=="`, `"YWI="`, `"YWJj"`)
	}
	var list []string
	switch t.Kind() {
	case reflect.Pointer:
		if g.IntN(4) == 0 {
			return "null"
		}
		return g.value(t.Elem())
	case reflect.String:
		return pick(`""`, `"a"`, `"ab"`, `"abc"`, `"A"`, `"1"`, `"2"`, `"12"`, `"true"`, `"x y"`, `"\u00e9"`, `"AB"`)
	case reflect.Bool:
		return pick("true", "false")
	case reflect.Float64:
		return pick("0", "1", "2", "2.5", "3")
	case reflect.Interface:
		return pick("null", "1", `"a"`, `""`, "true", "[]", `["a"]`, "{}", "0", "2")
	case reflect.Array, reflect.Slice:
		n := g.IntN(4)
		if t.Kind() == reflect.Array {
			n = t.Len()
		}
		for range n {
			list = append(list, g.value(t.Elem()))
		}
		return "[" + strings.Join(list, ",") + "]"
	case reflect.Map:
		for _, key := range g.Perm(4)[:g.IntN(4)] {
			list = append(list, strconv.Quote(strconv.Itoa(key))+":"+g.value(t.Elem()))
		}
		return "{" + strings.Join(list, ",") + "}"
	case reflect.Struct:
		for f := range t.Fields() {
			if g.IntN(3) > 0 {
				list = append(list, strconv.Quote(f.Name)+":"+g.value(f.Type))
			}
		}
		return "{" + strings.Join(list, ",") + "}"
	default: // a whole number
		return pick("0", "1", "2", "3")
	}
}

// Linked is embedded as a pointer; its rules ask its own fields and the outer ones.
type Linked struct {
	A string `json:"a" validate:"eqfield=B"`
	B string `json:"b" validate:"required_with=C"`
}

type linking struct {
	*Linked `validate:"omitempty"`

	C string `json:"c"`
}

func TestNilIsJudgedAsTheLibraryJudgesIt(t *testing.T) {
	type asks struct {
		On      bool       `json:"on"`
		Lists   *[]string  `json:"lists" validate:"required_if=On true,dive,min=1"`
		Default *string    `json:"default" validate:"required_if=On true,isdefault,min=1"`
		Only    *plainPair `json:"only" validate:"required_if=On true,structonly"`
		No      *plainPair `json:"no" validate:"required_if=On true,nostructlevel"`
	}
	_, got := bindJSON(t, newBinder[asks](t, sanitize.Config{}), `{}`)
	assert.Equal(t, []string{"#/default:required"}, got)
	_, got = bindJSON(t, newBinder[asks](t, sanitize.Config{}), `{"on":true,"default":null}`)
	assert.Equal(t, []string{"#/lists:required", "#/default:required", "#/only:required", "#/no:required"}, got)

	type dives struct {
		List   *[]string                   `json:"list" validate:"dive,min=1"`
		Lists  []*[]string                 `json:"lists" validate:"dive,dive,min=1"`
		Maybe  sanitize.Optional[[]string] `json:"maybe" validate:"dive,min=1"`
		Unless *[]string                   `json:"unless" validate:"omitempty,dive,min=1"`
		Zero   *string                     `json:"zero" validate:"isdefault,min=1"`
	}
	_, got = bindJSON(t, newBinder[dives](t, sanitize.Config{}), `{"lists":[null]}`)
	assert.Equal(t, []string{"#/lists/0:null", "#/list:required"}, got)
	_, got = bindJSON(t, newBinder[dives](t, sanitize.Config{}), `{"list":[],"maybe":null,"unless":null,"zero":null}`)
	assert.Empty(t, got)

	type choice struct {
		On bool
		X  *string `validate:"skip_unless=On true|min=3"`
	}
	for _, body := range []string{`{}`, `{"On":true}`, `{"On":true,"X":"abc"}`, `{"On":true,"X":"a"}`, `{"X":"a"}`} {
		var v choice
		require.NoError(t, json.Unmarshal([]byte(body), &v))
		_, got := bindJSON(t, newBinder[choice](t, sanitize.Config{}), body)
		assert.Equal(t, ask(validator.New(), v) == "accepts", len(got) == 0, "%s: %v", body, got)
	}

	b := newBinder[linking](t, sanitize.Config{})
	for body, want := range map[string][]string{
		`{}`: nil, `{"a":"x","b":"x"}`: nil, `{"a":"x","b":"y"}`: {"#/a:eqfield"}, `{"a":"","c":"x"}`: {"#/b:required"}, `{"c":"x"}`: nil,
	} {
		_, got := bindJSON(t, b, body)
		assert.Equal(t, want, got, body)
	}
	type required struct {
		*Linked `validate:"required"`

		C string
	}
	_, err := sanitize.NewBinder[required](sanitize.Config{})
	assert.Equal(t, []string{"Linked: unsupported: validate:required"}, mistakes(err), "it would ask nothing")
	type outside struct {
		*Linked

		C string
		D string `validate:"eqfield=B"`
	}
	_, err = sanitize.NewBinder[outside](sanitize.Config{})
	assert.Equal(t, []string{"D: invalid: validate:eqfield=B"}, mistakes(err), "the pointer may be nil")
}
