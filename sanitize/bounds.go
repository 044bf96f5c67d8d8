package sanitize

import (
	"cmp"
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
)

// bound adds a rule on the length of a text or list or on the size of a
// number, or returns the reason why it cannot.
func (n *node) bound(t reflect.Type, w tag) (reason rampart.Reason) {
	switch n.kind {
	case kindText:
		if n.decimal != nil {
			limit, bad := n.decimal.canonical(w.param)
			ok, reason := values(w, bad == nil)
			n.text = append(n.text, func(s string) (string, *Invalid) { return s, ok(n.decimal.compare(s, limit)) })
			return reason
		}
		ok, reason := lengths(w, CodeBlank, "This field may not be blank.", " characters.")
		n.text = append(n.text, func(s string) (string, *Invalid) { return s, ok(utf8.RuneCountInString(s)) })
		return reason
	case kindList, kindDict:
		ok, reason := lengths(w, CodeEmpty, "This list may not be empty.", " elements.")
		n.checks = append(n.checks, func(v reflect.Value) *Invalid { return ok(v.Len()) })
		return reason
	case kindFile:
		ok, reason := lengths(w, CodeEmpty, "The submitted file is empty.", " bytes.")
		n.checks = append(n.checks, func(v reflect.Value) *Invalid { return ok(int(v.Interface().(File).Size())) })
		return reason
	case kindInt:
		limit, err := strconv.ParseInt(w.param, 10, t.Bits())
		ok, reason := values(w, err == nil)
		n.checks = append(n.checks, func(v reflect.Value) *Invalid { return ok(cmp.Compare(v.Int(), limit)) })
		return reason
	case kindUint:
		limit, err := strconv.ParseUint(w.param, 10, t.Bits())
		ok, reason := values(w, err == nil)
		n.checks = append(n.checks, func(v reflect.Value) *Invalid { return ok(cmp.Compare(v.Uint(), limit)) })
		return reason
	case kindFloat:
		limit, err := strconv.ParseFloat(w.param, t.Bits())
		ok, reason := values(w, err == nil && !math.IsNaN(limit))
		n.checks = append(n.checks, func(v reflect.Value) *Invalid { return ok(cmp.Compare(v.Float(), limit)) })
		return reason
	default:
		return ReasonUnsupported
	}
}

// lengths returns the rule w on a length. A length of 0 that is too short has a
// code and detail of its own.
func lengths(w tag, emptyCode, emptyDetail, unit string) (ok func(int) *Invalid, reason rampart.Reason) {
	limit, err := strconv.Atoi(w.param)
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
	short := &Invalid{CodeMinLength, "Ensure this field has at least " + strconv.Itoa(least) + unit, w.params()}
	long := &Invalid{CodeMaxLength, "Ensure this field has no more than " + strconv.Itoa(most) + unit, w.params()}
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
	small := &Invalid{CodeMinValue, "Ensure this value is greater than or equal to " + w.param + ".", w.params()}
	large := &Invalid{CodeMaxValue, "Ensure this value is less than or equal to " + w.param + ".", w.params()}
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
