// Package apikeytest holds the contract of [apikey.Store] as a test, for the
// stores of this module and for those of its users. It stops nothing and
// stands in no chain: import it from tests only.
package apikeytest
