// Package authtest holds the contract of package auth's stores, for the tests
// of those who write one.
package authtest
