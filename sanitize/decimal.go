package sanitize

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/internal/text"
)

// A decimal is the rule decimal=DIGITS:PLACES, Django's DecimalField: a number
// with at most DIGITS digits, PLACES of them after the point. It stays a text
// from the input to the database, so that no cent is lost in a float.
type decimal struct{ digits, places int }

// maxDecimalDigits is what fits an int64 whatever the digits are.
const maxDecimalDigits = 18

// parseDecimal reads the parameter of a decimal tag; nil if it is bad.
func parseDecimal(param string) *decimal {
	digits, places, _ := strings.Cut(param, ":")
	d, err1 := strconv.Atoi(digits)
	p, err2 := strconv.Atoi(places)
	if err1 != nil || err2 != nil || p < 0 || d < max(p, 1) || d > maxDecimalDigits {
		return nil
	}
	return &decimal{digits: d, places: p}
}

// canonical returns s with exactly d.places digits after the point, and without
// leading zeros or a minus before zero. Exponents are not accepted: "1e9" has
// ten digits.
func (d *decimal) canonical(s string) (string, *Invalid) {
	unsigned, negative := strings.CutPrefix(s, "-")
	whole, part, hasPart := strings.Cut(unsigned, ".")
	if !text.IsDigits(whole) || hasPart && !text.IsDigits(part) {
		return s, &Invalid{Code: CodeInvalid, Detail: "A valid number is required."}
	}
	whole = strings.TrimLeft(whole, "0")
	switch {
	case len(whole)+len(part) > d.digits:
		return s, &Invalid{Code: CodeMaxDigits, Detail: "Ensure that there are no more than " + strconv.Itoa(d.digits) + " digits in total.", Params: d.params()}
	case len(part) > d.places:
		return s, &Invalid{Code: CodeMaxDecimalPlaces, Detail: "Ensure that there are no more than " + strconv.Itoa(d.places) + " decimal places.", Params: d.params()}
	case len(whole) > d.digits-d.places:
		return s, &Invalid{Code: CodeMaxWholeDigits, Detail: "Ensure that there are no more than " + strconv.Itoa(d.digits-d.places) + " digits before the decimal point.", Params: d.params()}
	}
	sign := ""
	if negative && strings.Trim(whole+part, "0") != "" {
		sign = "-"
	}
	if whole == "" {
		whole = "0"
	}
	if d.places == 0 {
		return sign + whole, nil
	}
	return sign + whole + "." + part + strings.Repeat("0", d.places-len(part)), nil
}

func (d *decimal) params() map[string]string {
	return map[string]string{"digits": strconv.Itoa(d.digits), "places": strconv.Itoa(d.places)}
}

// compare compares two canonical decimals.
func (d *decimal) compare(a, b string) int { return cmp.Compare(d.scaled(a), d.scaled(b)) }

func (d *decimal) scaled(canonical string) int64 {
	n, _ := strconv.ParseInt(strings.Replace(canonical, ".", "", 1), 10, 64) // at most 18 digits
	return n
}
