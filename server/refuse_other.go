//go:build !linux

package server

import "net"

// refuse is for Linux only: elsewhere it cannot.
func refuse(net.Listener) (waiting func() bool) { return nil }
