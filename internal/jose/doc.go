// Package jose knows JSON Web Tokens as text: the compact form, its header, the
// algorithms, keys, and what claims look like (RFC 7515, 7517, 7518, 7519). What
// a token is good for is the business of package auth, which shows some of these
// types under its own name.
//
// What outsiders must not call on a [Key] is a function here, not a method.
package jose

import "github.com/ecolaura/rampart"

// ReasonMismatch is a [rampart.ConfigError]'s: a key is of another kind than its
// use needs.
const ReasonMismatch rampart.Reason = "mismatch"
