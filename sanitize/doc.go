// Package sanitize turns untrusted request input into typed, bounded, canonical
// values, or a precise problem (RFC 9457).
//
// A [Binder] reads a body, parses it strictly, cleans and validates named
// fields as their struct tags say, and reports every mistake at once; forms may
// hold [File]s, which must be what they say they are. A [Guard] refuses requests
// that no handler should see: too large, of another media type, with a path or
// query that two parsers would read differently. The functions beside them
// ([Text], [Email], [Phone], [Slug] …) check or clean one value; the tags use the
// same ones. HTML is cleaned by package markup below this one, which can be
// imported alone.
//
// It stops parser differentials (duplicate names, invalid UTF-8, NUL), mass
// assignment by unknown names, bombs (nesting, counts, sizes), stored
// cross-site scripting, files that pass for others, and log forging. A Guard
// stands inside authentication and limits and outside the handlers; a Binder is
// used in the handler.
//
// It does not rewrite a body behind a handler's back: cleaning happens on named
// fields. It does not encode output: templates do that. It does not replace
// parameterised SQL, or a virus scanner.
package sanitize
