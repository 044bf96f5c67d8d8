// Package kong tests the gateway's Admin API by the clients that people have for
// Kong's: its Go client, and the reconciler of which decK is made.
package kong
