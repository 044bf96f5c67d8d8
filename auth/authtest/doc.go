// Package authtest is for tests: an [Issuer] is a fake identity provider, and
// [TestStore] holds the contract of a [session.Store], for those who write one.
package authtest
