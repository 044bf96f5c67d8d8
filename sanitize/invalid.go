package sanitize

import (
	"maps"

	"github.com/go-playground/validator/v10"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// An Invalid says why a value was refused. It never holds the value.
type Invalid struct { //nolint:errname // the word of the struct tags; being an error is its second use
	Code   string // stable word for programs, such as "email"
	Detail string // sentence for people

	// Params holds what the rule that was broken has after its equals sign, by the
	// rule's name, such as {"max": "200"}; "digits" and "places" of a decimal. The
	// client sees it.
	Params map[string]string

	rule validator.FieldError // the library's error, for a catalogue
}

// shared returns what every package says of a fault.
func shared(f *strictjson.Fault) *Invalid { return &Invalid{Code: f.Code, Detail: f.Detail} }

// Error implements error.
func (e *Invalid) Error() string { return "sanitize: " + e.Code + ": " + e.Detail }

// at returns e as the error of the field at a place.
func (e *Invalid) at(place rampart.FieldError) rampart.FieldError {
	place.Code, place.Detail, place.Params = e.Code, e.Detail, maps.Clone(e.Params) // no response shares a map with another
	return place
}

// Codes of a [rampart.FieldError] that this package writes. Besides these, the
// code of a format rule ("email", "phone", "uuid" …) is the rule's name. Where
// Django REST framework has a counterpart, code and detail are like its own.
const (
	CodeRequired         = "required"                    // the field is missing
	CodeNull             = "null"                        // null where a value must be
	CodeBlank            = "blank"                       // an empty text where one character must be
	CodeInvalid          = "invalid"                     // a value of another type
	CodeNullCharacters   = "null_characters_not_allowed" // U+0000 in a text
	CodeMinLength        = "min_length"                  // a text or list is too short
	CodeMaxLength        = "max_length"                  // a text or list is too long
	CodeEmpty            = "empty"                       // a list or file without content where there must be one
	CodeMinValue         = "min_value"                   // a number is too small
	CodeMaxValue         = "max_value"                   // a number is too large
	CodeMaxDigits        = "max_digits"                  // a decimal has too many digits
	CodeMaxDecimalPlaces = "max_decimal_places"          // a decimal has too many digits after the point
	CodeMaxWholeDigits   = "max_whole_digits"            // a decimal has too many digits before the point
	CodeInvalidChoice    = "invalid_choice"              // a value that is not in the list
	CodeNotAList         = "not_a_list"                  // another value where a list must be
	CodeNotADict         = "not_a_dict"                  // another value where an object must be
	CodeUnknownField     = "unknown_field"               // a name that no field has
	CodeWrongCase        = "wrong_case"                  // a name that differs from a field's only by case
	CodeRepeated         = "repeated"                    // a parameter that is there twice
	CodeFileType         = "file_type"                   // a file of another type than it may have
)

// Codes of what cannot be read: of the one [rampart.FieldError] in a problem of
// status 400, whose own code is "parse_error" for a body and "invalid_query" for
// a query. Two are field errors elsewhere: [CodeStringTooLong] in a form or query,
// where the other fields can be read, and [CodeTooDeep] of [Binder.Value].
const (
	CodeSyntax        = "syntax"              // not JSON, a form or a query
	CodeDuplicateName = "duplicate_name"      // a name that is there twice
	CodeInvalidUTF8   = "invalid_utf8"        // bytes that are no text
	CodeTrailingData  = "trailing_data"       // data after the JSON value
	CodeTooDeep       = "too_deep"            // more nesting than Limits.MaxDepth
	CodeTooManyTokens = "too_many_tokens"     // more than Limits.MaxTokens
	CodeNumberTooLong = "number_too_long"     // longer than Limits.MaxNumberLen
	CodeStringTooLong = "string_too_long"     // longer than Limits.MaxString
	CodeTooManyParams = "too_many_parameters" // more than Limits.MaxParams
	CodeTooManyFiles  = "too_many_files"      // more than Limits.MaxFiles
)
