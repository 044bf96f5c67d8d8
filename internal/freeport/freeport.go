// Package freeport finds a port for a server that a test starts, or starts again.
package freeport

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Addr returns a loopback address on which nothing listens. The port is below
// those that systems give to connections (32768 and up on Linux): one of these
// could be taken by another test before the server has it.
func Addr(tb testing.TB) string {
	tb.Helper()
	for {
		addr := "127.0.0.1:" + strconv.Itoa(10_000+rand.IntN(20_000)) //nolint:gosec // no secret
		if ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr); err == nil {
			_ = ln.Close()
			return addr
		}
	}
}
