package sanitize

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/internal/strictjson"
)

// fill parses and cleans one scalar and stores it in v. The text is a string's
// content, or a number or boolean as JSON writes it.
func (n *node) fill(v reflect.Value, s string) *Invalid {
	if (n.kind == kindText || n.kind == kindParsed) && strings.IndexByte(s, 0) >= 0 {
		return shared(strictjson.ErrNUL) // before a cleaner could drop it
	}
	switch n.kind {
	case kindText:
		for _, clean := range n.clean {
			s = clean(s)
		}
		v.SetString(s)
	case kindParsed:
		if !n.parse(v, s) {
			return n.wrong
		}
	case kindBool:
		v.SetBool(s == "true")
	default:
		if !n.number(v, s) {
			return n.wrong
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
