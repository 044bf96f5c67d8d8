package sanitize

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/internal/strictjson"
)

// fill parses, cleans and checks one scalar and stores it in v. The text is a
// string's content, or a number or boolean as JSON writes it.
func (n *node) fill(v reflect.Value, s string) *Invalid {
	if (n.kind == kindText || n.kind == kindParsed) && strings.IndexByte(s, 0) >= 0 {
		return shared(strictjson.ErrNUL) // before a cleaner could drop it
	}
	switch n.kind {
	case kindText:
		s, inv := n.settle(s)
		v.SetString(s)
		return inv
	case kindParsed:
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil { //nolint:forcetypeassert // isParsed has seen to it
			return n.wrong
		}
	case kindBool:
		v.SetBool(s == "true")
	default:
		if !n.number(v, s) {
			return n.wrong
		}
	}
	return n.check(v)
}

// settle cleans and checks a text and returns its canonical form.
func (n *node) settle(s string) (string, *Invalid) {
	for _, clean := range n.clean {
		s = clean(s)
	}
	if s == "" && n.omitEmpty {
		return s, nil
	}
	for _, rule := range n.text {
		canonical, inv := rule(s)
		if inv != nil {
			return s, inv
		}
		s = canonical
	}
	return s, nil
}

// check runs the checks of a value that is not a text.
func (n *node) check(v reflect.Value) *Invalid {
	for _, check := range n.checks {
		if inv := check(v); inv != nil {
			return inv
		}
	}
	return nil
}

// number parses a JSON number. One that does not fit the type, or has a
// fraction or exponent where an integer must be, is refused: never rounded.
func (n *node) number(v reflect.Value, s string) bool {
	var err error
	bits := v.Type().Bits()
	switch n.kind {
	case kindInt:
		var i int64
		i, err = strconv.ParseInt(s, 10, bits)
		v.SetInt(i)
	case kindUint:
		var u uint64
		u, err = strconv.ParseUint(s, 10, bits)
		v.SetUint(u)
	default:
		var f float64
		f, err = strconv.ParseFloat(s, bits)
		v.SetFloat(f)
	}
	return err == nil
}
