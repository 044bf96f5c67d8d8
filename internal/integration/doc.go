// Package integration tests the stores against real databases and the layers
// against a real browser. It is a module of its own, so that no driver enters
// the requirements of rampart's users.
package integration
