// Package authtest holds the contract of a [session.Store], for the tests
// of those who write one.
package authtest
