// Package feedtest holds the contract of package feed's sources, for the tests
// of those who write one.
package feedtest
