package sanitize

import (
	"cmp"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
)

// isBound reports whether the rule name is one on a length or size.
func isBound(name string) bool {
	switch name {
	case "min", "max", "len", "gt", "gte", "lt", "lte":
		return true
	}
	return false
}

// isMeasured reports whether bound has the rule w for n's type.
func (n *node) isMeasured(w tag) bool {
	switch kind := n.typ.Kind(); {
	case n.kind == kindFile, n.decimal != nil:
		return true
	case kind == reflect.String, kind == reflect.Slice, kind == reflect.Array, kind == reflect.Map:
		return true
	default:
		return reflect.Int <= kind && kind <= reflect.Float64 && kind != reflect.Uintptr && w.name != "len"
	}
}

// bound compiles a rule on the length of a text or list or on the size of a
// number, or returns the reason why it cannot.
func (n *node) bound(w tag) (r rule, reason rampart.Reason) {
	switch kind := n.typ.Kind(); {
	case n.decimal != nil:
		limit, bad := n.decimal.canonical(w.param)
		ok, reason := values(w, bad == nil)
		return measure(w, func(v reflect.Value) *Invalid { return ok(n.decimal.compare(v.String(), limit)) }), reason
	case kind == reflect.String:
		ok, reason := lengths(w, CodeBlank, "This field may not be blank.", " characters.")
		return measure(w, func(v reflect.Value) *Invalid { return ok(utf8.RuneCountInString(v.String())) }), reason
	case n.kind == kindFile:
		ok, reason := lengths(w, CodeEmpty, "The submitted file is empty.", " bytes.")
		return rule{word: w, run: func(f *findings, v reflect.Value) *Invalid {
			if f.absent { // then it is for "required" to say
				return nil
			}
			return ok(int(v.Addr().Interface().(*File).Size())) //nolint:forcetypeassert // its kind says so
		}}, reason
	case kind == reflect.Slice && n.kind != kindList:
		ok, reason := lengths(w, CodeEmpty, "This field may not be empty.", " bytes.")
		return measure(w, func(v reflect.Value) *Invalid { return ok(v.Len()) }), reason
	case kind == reflect.Slice, kind == reflect.Array, kind == reflect.Map:
		ok, reason := lengths(w, CodeEmpty, "This list may not be empty.", " elements.")
		return measure(w, func(v reflect.Value) *Invalid { return ok(v.Len()) }), reason
	case reflect.Int <= kind && kind <= reflect.Int64:
		limit, err := strconv.ParseInt(w.param, 0, n.typ.Bits())
		if n.typ == reflect.TypeFor[time.Duration]() {
			if d, wrong := time.ParseDuration(w.param); wrong == nil {
				limit, err = int64(d), nil
			}
		}
		ok, reason := values(w, err == nil)
		return measure(w, func(v reflect.Value) *Invalid { return ok(cmp.Compare(v.Int(), limit)) }), reason
	case reflect.Uint <= kind && kind <= reflect.Uint64:
		limit, err := strconv.ParseUint(w.param, 0, n.typ.Bits())
		ok, reason := values(w, err == nil)
		return measure(w, func(v reflect.Value) *Invalid { return ok(cmp.Compare(v.Uint(), limit)) }), reason
	default:
		limit, err := strconv.ParseFloat(w.param, n.typ.Bits())
		ok, reason := values(w, err == nil && !math.IsNaN(limit))
		return measure(w, func(v reflect.Value) *Invalid { return ok(cmp.Compare(v.Float(), limit)) }), reason
	}
}

func measure(w tag, check func(reflect.Value) *Invalid) rule {
	return rule{word: w, run: func(_ *findings, v reflect.Value) *Invalid { return check(v) }}
}

// lengths returns the rule w on a length. A length of 0 that is too short has a
// code and detail of its own.
func lengths(w tag, emptyCode, emptyDetail, unit string) (ok func(int) *Invalid, reason rampart.Reason) {
	parsed, err := strconv.ParseInt(w.param, 0, strconv.IntSize)
	limit := int(parsed)
	if err != nil || limit < 0 {
		return nil, rampart.ReasonInvalid
	}
	least, most := 0, math.MaxInt
	switch w.name {
	case "min", "gte":
		least = limit
	case "max", "lte":
		most = limit
	case "len":
		least, most = limit, limit
	case "gt":
		least = limit + 1
	default: // lt
		most = limit - 1
	}
	empty := &Invalid{Code: emptyCode, Detail: emptyDetail}
	short := &Invalid{Code: CodeMinLength, Detail: "Ensure this field has at least " + strconv.Itoa(least) + unit, Params: w.params()}
	long := &Invalid{Code: CodeMaxLength, Detail: "Ensure this field has no more than " + strconv.Itoa(most) + unit, Params: w.params()}
	return func(n int) *Invalid {
		switch {
		case n == 0 && least > 0:
			return empty
		case n < least:
			return short
		case n > most:
			return long
		}
		return nil
	}, ""
}

// values returns the rule w on the result of comparing a number with w's
// parameter.
func values(w tag, goodParam bool) (ok func(order int) *Invalid, reason rampart.Reason) {
	if !goodParam {
		return nil, rampart.ReasonInvalid
	}
	small := &Invalid{Code: CodeMinValue, Detail: "Ensure this value is greater than or equal to " + w.param + ".", Params: w.params()}
	large := &Invalid{Code: CodeMaxValue, Detail: "Ensure this value is less than or equal to " + w.param + ".", Params: w.params()}
	switch w.name {
	case "min", "gte":
		return func(order int) *Invalid { return refuseIf(order < 0, small) }, ""
	case "max", "lte":
		return func(order int) *Invalid { return refuseIf(order > 0, large) }, ""
	case "gt":
		small.Detail = "Ensure this value is greater than " + w.param + "."
		return func(order int) *Invalid { return refuseIf(order <= 0, small) }, ""
	case "lt":
		large.Detail = "Ensure this value is less than " + w.param + "."
		return func(order int) *Invalid { return refuseIf(order >= 0, large) }, ""
	}
	return nil, ReasonUnsupported // len
}

func refuseIf(bad bool, inv *Invalid) *Invalid {
	if bad {
		return inv
	}
	return nil
}
