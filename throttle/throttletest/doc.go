// Package throttletest tests that a throttle.Store keeps the contract that
// throttle.Limiter relies on. It stops nothing by itself and stands in no
// chain: call [TestStore] from a test of your own store.
//
// It does not test how a store fails, nor how fast it is.
package throttletest
