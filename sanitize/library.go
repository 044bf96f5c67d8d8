package sanitize

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// A library runs the validate tags that this package has no rule of its own for.
// It is the only place that knows go-playground/validator.
type library struct {
	v      *validator.Validate // with the rules of this package and of the user
	plain  *validator.Validate // as it comes
	levels bool                // the user may have registered rules for whole structs
}

// newLibrary returns a library with the rules of this package in place of those of
// the same name, then those of rules, then what setUp registers.
func newLibrary(rules map[string]func(string) error, l *strictjson.Limits, setUp func(*validator.Validate) error) (*library, error) {
	lib := &library{v: validator.New(), plain: validator.New(), levels: setUp != nil}
	lib.v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	for _, name := range ownNames() {
		own := ownRule(name)
		lib.register(name, func(s string) bool { _, err := own(s); return err == nil })
	}
	for name, strict := range stricter(l) {
		_ = lib.v.RegisterValidation(name, func(f validator.FieldLevel) bool { // its name is no reserved one
			if f.Field().Kind() != reflect.String {
				return lib.plain.Var(f.Field().Interface(), name) == nil
			}
			s := f.Field().String()
			return len(s) <= mostOf(name) && (name == "port" || lib.plain.Var(s, name) == nil) && strict(s)
		})
	}
	for _, name := range []string{"image", "mimetype"} {
		_ = lib.v.RegisterValidation(name, func(f validator.FieldLevel) bool { // its name is no reserved one
			path, word := f.Field().String(), tag{name, strings.ReplaceAll(f.Param(), ",", "0x2C")}
			info, err := os.Stat(path)
			return err == nil && info.Mode().IsRegular() && lib.plain.Var(path, word.String()) == nil // to open a pipe could take for ever
		})
	}
	for name, check := range rules {
		if check != nil {
			lib.register(name, func(s string) bool { return check(s) == nil })
		}
	}
	if setUp == nil {
		return lib, nil
	}
	return lib, call(func() error { return setUp(lib.v) })
}

// register has the library ask valid about texts. It takes no name with a character
// that tags use otherwise; such a rule is not for aliases and choices of the library.
func (lib *library) register(name string, valid func(string) bool) {
	_ = call(func() error {
		return lib.v.RegisterValidation(name, func(f validator.FieldLevel) bool {
			return f.Field().Kind() == reflect.String && valid(f.Field().String())
		})
	})
}

// call returns the error of f, or what it panicked with: the library panics on a tag
// that it cannot apply.
func call(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicked{fmt.Sprint(r)}
		}
	}()
	return f()
}

// ask asks the library about the value of the field called name in the struct parent; nil:
// the rule is about the value only. A panic counts as a refusal.
func (lib *library) ask(ctx context.Context, name string, value, parent any, word string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicked{fmt.Sprint(r)}
		}
	}()
	if parent != nil {
		return lib.v.VarWithValueCtx(ctx, value, parent, word)
	}
	return lib.v.VarWithKeyCtx(ctx, name, value, word)
}

// panicked is what the library panicked with.
type panicked struct{ text string }

func (p *panicked) Error() string { return p.text }

// rule compiles the library's rule w for n, a field of owner, or returns the reason why
// it cannot. It is tried here, so that it does not panic at a request.
func (lib *library) rule(n *node, w tag, owner reflect.Type) (r rule, reason rampart.Reason) {
	builtIn := lib.knows(lib.plain, w.name)
	switch {
	case !builtIn && !lib.knows(lib.v, w.name):
		return r, rampart.ReasonUnknown
	case builtIn && !takesParam(w, n):
		return r, rampart.ReasonInvalid
	case builtIn && !lib.fits(w.name, n):
		return r, ReasonUnsupported
	case builtIn && !asksExisting(w, owner), (w.name == "oneof" || w.name == "noneof") && !n.holdsAll(w.param):
		return r, rampart.ReasonInvalid
	}
	word, late, most, inv := w.String(), lib.asksOthers(w), mostOf(w.name), libraryInvalid(w, owner)
	if !builtIn {
		most = math.MaxInt
	}
	presence, key := n.isStruct() && (lib.takesNil(w) || w.name == "isdefault"), ""
	if n.isStruct() && !presence { // by itself the library runs rules of a struct only under a name, and then those of its fields
		word, key, late = word+",nostructlevel", "it", false
	}
	if n.kind != kindAny {
		for _, trial := range trials(w) {
			if err := lib.try(n, owner, trial, late, presence); err != nil {
				return r, whyNot(err)
			}
		}
	}
	return rule{word: w, run: func(f *findings, v reflect.Value) *Invalid {
		if v.Kind() == reflect.String && v.Len() > most {
			return inv
		}
		switch {
		case presence && v.Kind() == reflect.Struct:
			v = reflect.ValueOf(n.behind != nothing || !v.IsZero())
		case n.kind == kindAny:
			v = pointerTo(v)
		case n.behind != nothing:
			v = v.Addr()
		}
		var parent any
		if late && f.parent.IsValid() {
			parent = f.parent.Interface()
		}
		return refuseIf(lib.ask(f.req.Context(), key, v.Interface(), parent, word) != nil, inv)
	}}, ""
}

// isStruct reports whether n's type is a struct to the library, too: a time is none.
func (n *node) isStruct() bool {
	return n.typ.Kind() == reflect.Struct && !n.typ.ConvertibleTo(reflect.TypeFor[time.Time]())
}

// pointerTo returns a pointer to what is in the interface v, or a nil one: the library
// asks it as it would ask the field.
func pointerTo(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Interface {
		return v
	}
	if v.IsNil() {
		return reflect.Zero(reflect.TypeFor[*any]())
	}
	p := reflect.New(v.Elem().Type())
	p.Elem().Set(v.Elem())
	return p
}

// holdsAll reports whether each of the choices is a number that n's type can hold, if it
// is an integer: no other could ever be chosen.
func (n *node) holdsAll(choices string) bool {
	for choice := range strings.FieldsSeq(choices) {
		if (n.kind == kindInt || n.kind == kindUint) && !n.number(reflect.New(n.typ).Elem(), choice) {
			return false
		}
	}
	return true
}

// try runs a rule on a zero value, and on a list that has one. Its verdict does not
// matter.
func (lib *library) try(n *node, owner reflect.Type, word string, late, presence bool) error {
	values := []reflect.Value{reflect.New(n.typ).Elem()}
	switch {
	case presence:
		values[0] = reflect.ValueOf(false)
	case n.isStruct():
		word += ",nostructlevel"
	case n.typ.Kind() == reflect.Slice:
		values = append(values, reflect.MakeSlice(n.typ, 1, 1))
	}
	var parent any
	if late && owner != nil {
		parent = reflect.New(owner).Elem().Interface()
	}
	for _, v := range values {
		if p, ok := errors.AsType[*panicked](lib.ask(context.Background(), "it", v.Interface(), parent, word)); ok {
			return p
		}
	}
	return nil
}

// trials returns what to try of w: each of its pairs, as it looks no further than
// the first that does not apply.
func trials(w tag) []string {
	words := strings.Fields(w.param)
	if !asksPairs(w.name) || len(words)%2 != 0 || strings.Contains(w.param, "'") {
		return []string{w.String()}
	}
	list := []string{w.String()} // which also finds a field that is asked twice
	for pair := range slices.Chunk(words, 2) {
		list = append(list, w.name+"="+strings.Join(pair, " "))
	}
	return list
}

func whyNot(err error) rampart.Reason {
	switch text := err.Error(); {
	case strings.Contains(text, "Undefined validation"):
		return rampart.ReasonUnknown
	case strings.HasPrefix(text, "Bad field type"):
		return ReasonUnsupported
	}
	return rampart.ReasonInvalid
}

// knows reports whether v has a rule or alias of the given name.
func (lib *library) knows(v *validator.Validate, name string) bool {
	p, bad := errors.AsType[*panicked](call(func() error { return v.Var("", name) }))
	return name != "" && (!bad || whyNot(p) != rampart.ReasonUnknown)
}

// asksOthers reports whether the rule w looks at other fields than its own. A rule
// of the user's may.
func (lib *library) asksOthers(w tag) bool {
	for name := range strings.SplitSeq(w.name, "|") {
		name, _, _ = strings.Cut(name, "=")
		if lib.takesNil(tag{name: name}) || asksField(name) || name == "unique" && w.param != "" ||
			ownControl(name) == nil && ownRule(name) == nil && !isBound(name) && !lib.knows(lib.plain, name) && lib.knows(lib.v, name) && lib.levels {
			return true
		}
	}
	return false
}

// takesNil reports whether the rule w is asked of nil too. In a choice the first
// decides.
func (lib *library) takesNil(w tag) bool {
	name, _, _ := strings.Cut(w.name, "|")
	name, _, _ = strings.Cut(name, "=")
	return asksPairs(name) || strings.HasPrefix(name, "required_") || strings.HasPrefix(name, "excluded_")
}

// ofNil compiles the rule w for a nil pointer.
func (lib *library) ofNil(n *node, w tag, owner reflect.Type) (r rule, reason rampart.Reason) {
	if !strings.Contains(w.name, "|") {
		return lib.rule(n, w, owner)
	}
	inv := shared(strictjson.ErrRequired)
	return rule{word: w, run: func(f *findings, v reflect.Value) *Invalid {
		return refuseIf(lib.ask(f.req.Context(), "", pointerTo(v).Interface(), f.parent.Interface(), w.String()) != nil, inv)
	}}, ""
}

// asksPairs reports whether the rule's parameter is names of fields, each with a value.
func asksPairs(name string) bool {
	return strings.HasSuffix(name, "_if") || strings.HasSuffix(name, "_unless")
}

// asksField reports whether the rule's parameter is the name of another field.
func asksField(name string) bool {
	switch name {
	case "eqfield", "nefield", "gtfield", "gtefield", "ltfield", "ltefield", "eqcsfield", "necsfield", "gtcsfield", "gtecsfield", "ltcsfield", "ltecsfield",
		"fieldcontains", "fieldexcludes", "postcode_iso3166_alpha2_field":
		return true
	}
	return false
}

// asked returns the names of the fields that w asks.
func asked(w tag) []string {
	words := strings.Fields(w.param)
	switch {
	case asksField(w.name):
		return []string{w.param}
	case asksPairs(w.name):
		var names []string
		for i := 0; i < len(words); i += 2 {
			names = append(names, words[i])
		}
		return names
	case strings.HasPrefix(w.name, "required_"), strings.HasPrefix(w.name, "excluded_"):
		return words
	}
	return nil
}

// asksExisting reports whether the fields that w asks are there: for the library, one
// that is not differs from everything.
func asksExisting(w tag, owner reflect.Type) bool {
	for _, path := range asked(w) {
		name := path[:strings.IndexAny(path+".", ".[")]
		if owner == nil {
			return false
		}
		if _, ok := owner.FieldByName(name); !ok {
			return false
		}
	}
	return true
}

// takesParam reports whether w has a parameter if it needs one, and none if it
// takes none.
func takesParam(w tag, n *node) bool {
	switch w.name {
	case "oneof", "oneofci", "noneof", "noneofci", "contains", "containsany", "containsrune", "excludes", "excludesall", "excludesrune",
		"startswith", "endswith", "startsnotwith", "endsnotwith", "datetime", "postcode_iso3166_alpha2", "mimetype", "len":
		return w.param != ""
	case "eq", "ne", "eq_ignore_case", "ne_ignore_case", "unique", "spicedb", "validateFn":
		return true
	case "min", "max", "gt", "gte", "lt", "lte":
		return w.param != "" || n.typ.ConvertibleTo(reflect.TypeFor[time.Time]())
	}
	return (w.param != "") == (len(asked(w)) > 0 || asksField(w.name) || asksPairs(w.name) || strings.HasPrefix(w.name, "required_") || strings.HasPrefix(w.name, "excluded_"))
}

// fits reports whether the library's rule says something of n's type. Most are for
// texts, and always refuse what is none.
func (lib *library) fits(name string, n *node) bool {
	kind, has := n.typ.Kind(), func(kinds ...reflect.Kind) bool { return slices.Contains(kinds, n.typ.Kind()) }
	integer := reflect.Int <= kind && kind <= reflect.Uint64
	number := integer || has(reflect.Float32, reflect.Float64)
	list := has(reflect.Slice, reflect.Array, reflect.Map)
	isTime := n.typ.ConvertibleTo(reflect.TypeFor[time.Time]())
	switch {
	case kind == reflect.String && name != "unique", n.kind == kindAny, name == "isdefault", name == "validateFn", lib.takesNil(tag{name: name}):
		return true
	case isBound(name):
		return number && name == "len" || isTime && name != "len"
	}
	switch name {
	case "eq", "ne":
		return number || list || kind == reflect.Bool
	case "unique":
		return list || number || kind == reflect.String
	case "oneof", "noneof", "iso3166_1_alpha_numeric", "iso3166_1_alpha_numeric_eu", "iso4217_numeric", "luhn_checksum", "port", "country_code", "eu_country_code":
		return integer
	case "number", "numeric", "latitude", "longitude":
		return number
	case "boolean":
		return kind == reflect.Bool
	case "json":
		return kind == reflect.Slice && n.typ.Elem().Kind() == reflect.Uint8
	case "uuid", "uuid3", "uuid4", "uuid5", "uuid7", "uuid_rfc4122", "uuid3_rfc4122", "uuid4_rfc4122", "uuid5_rfc4122", "ulid":
		return n.typ.Implements(reflect.TypeFor[fmt.Stringer]())
	case "fieldcontains", "fieldexcludes", "postcode_iso3166_alpha2_field":
		return false
	}
	return asksField(name) && (number || list || kind == reflect.Bool || isTime)
}

// maxFormat is the length in bytes of the longest of the formats that have an
// end: a host name, or a version (npm's limit).
const maxFormat = 256

// mostOf returns how many bytes the text may have that the library's rule name reads. Most
// stand for something short, so that a longer text is refused before the library
// reads it: 250 KB of hyphens take seconds as a language tag. The others are content
// of any length, which the library reads once.
func mostOf(name string) int {
	switch name {
	case "oneof", "oneofci", "noneof", "noneofci", "contains", "containsany", "containsrune", "excludes", "excludesall", "excludesrune",
		"startswith", "endswith", "startsnotwith", "endsnotwith", "alpha", "alphaspace", "alphanum", "alphanumspace", "alphaunicode",
		"alphanumunicode", "ascii", "printascii", "multibyte", "lowercase", "uppercase", "numeric", "number", "hexadecimal", "base32", "base64",
		"base64url", "base64rawurl", "json", "html", "html_encoded", "url_encoded", "datauri", "jwt", "eq", "ne", "eq_ignore_case",
		"ne_ignore_case", "isdefault", "unique", "validateFn":
		return math.MaxInt
	case "uri", "http_url", "https_url", "origin", "urn_rfc2141", "urn_rfc8141", "mongodb_connection_string":
		return maxURL
	case "file", "filepath", "dir", "dirpath", "image", "mimetype", "unix_addr", "uds_exists":
		return maxPath
	}
	if asksField(name) || asksPairs(name) || strings.HasPrefix(name, "required_") || strings.HasPrefix(name, "excluded_") {
		return math.MaxInt
	}
	return maxFormat
}

// maxPath is Linux's PATH_MAX.
const maxPath = 4096

// libraryInvalid says what a client sees of the library's rule w.
func libraryInvalid(w tag, owner reflect.Type) *Invalid {
	inv := &Invalid{Code: w.name, Detail: "Enter a valid value.", Params: w.params()}
	switch w.name {
	case "oneof", "oneofci", "noneof", "noneofci":
		inv.Code, inv.Detail = CodeInvalidChoice, "Not a valid choice."
	case "uuid", "uuid3", "uuid4", "uuid5", "uuid7":
		inv.Detail = "Must be a valid UUID."
	case "ipv4":
		inv.Detail = "Enter a valid IPv4 address."
	case "ipv6":
		inv.Detail = "Enter a valid IPv6 address."
	case "datetime":
		inv.Detail = "Datetime has wrong format."
	case "unique":
		inv.Detail, inv.Params = "Each may be there once only.", nil
	case "min", "gt", "gte":
		inv.Code, inv.Detail = CodeMinValue, "Enter a time in the future."
	case "max", "lt", "lte":
		inv.Code, inv.Detail = CodeMaxValue, "Enter a time in the past."
	case "eqfield", "eqcsfield":
		inv.Detail = "Must be the same as the other field."
	case "nefield", "necsfield":
		inv.Detail = "Must differ from the other field."
	case "gtfield", "gtcsfield", "gtefield", "gtecsfield", "ltfield", "ltcsfield", "ltefield", "ltecsfield":
		inv.Detail = "Does not fit the other field."
	}
	switch {
	case strings.HasPrefix(w.name, "required_"), w.name == "skip_unless":
		inv = shared(strictjson.ErrRequired)
	case strings.HasPrefix(w.name, "excluded_"):
		inv.Detail, inv.Params = "This field may not be given here.", nil
	case asksField(w.name):
		inv.Params = map[string]string{w.name: inputName(owner, w.param)}
	}
	return inv
}

// inputName returns the name in the input of the field of t that is called name, or
// nothing of a field further down: it is no name that the client knows.
func inputName(t reflect.Type, name string) string {
	if t == nil {
		return ""
	}
	f, _ := t.FieldByName(name)
	word, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if word == "" {
		return f.Name
	}
	return word
}

// level runs the rules that the user has registered for whole structs of v's type.
func (lib *library) level(f *findings, v reflect.Value, o *object) {
	if !lib.levels {
		return
	}
	var broken validator.ValidationErrors
	err := call(func() error { return lib.v.StructCtx(f.req.Context(), v.Addr().Interface()) })
	if err == nil {
		return
	}
	if !errors.As(err, &broken) {
		f.note(&Invalid{Code: CodeInvalid, Detail: "Invalid data."})
		return
	}
	for _, e := range broken {
		inv := &Invalid{Code: e.Tag(), Detail: "Enter a valid value."}
		if f.localised {
			inv.rule = e
		}
		f.under(o.nameOf(e.StructField(), e.Field()))
		f.note(inv)
		f.up()
	}
}

// prepare has the library look at a struct of type t for the rules of the whole
// only: its fields' are run from here.
func (lib *library) prepare(t reflect.Type) {
	off := make(map[string]string, t.NumField())
	for i := range t.NumField() {
		off[t.Field(i).Name] = "-"
	}
	lib.v.RegisterStructValidationMapRules(off, reflect.New(t).Elem().Interface())
}

// nameOf returns the input's name of a field that a rule for the whole struct names.
func (o *object) nameOf(structField, field string) string {
	for i := range o.fields {
		if o.typ.FieldByIndex(o.fields[i].index).Name == structField {
			return o.fields[i].name
		}
	}
	return field
}

// localise keeps what the library says of the broken rule, for a catalogue.
func (f *findings) localise(w tag, v reflect.Value, inv *Invalid) *Invalid {
	if !f.localised || f.absent {
		return inv
	}
	var parent any
	if f.parent.IsValid() && f.lib.asksOthers(w) {
		parent = f.parent.Interface()
	}
	var broken validator.ValidationErrors
	if !errors.As(f.lib.ask(f.req.Context(), f.name(), v.Interface(), parent, w.String()), &broken) {
		return inv
	}
	with := *inv
	with.rule = broken[0]
	return &with
}

// name returns the name of the field that is being checked, or in which it is.
func (f *findings) name() string {
	name := ""
	for token := range strings.SplitSeq(f.pointer(), "/") {
		if strings.Trim(token, "0123456789") != "" {
			name = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		}
	}
	return name
}
