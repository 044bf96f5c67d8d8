package gateway_test

import (
	"io"
	"net/netip"
)

func mustPrefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// chunks is a body of unknown length.
func chunks(s string) io.Reader {
	r, w := io.Pipe()
	go func() {
		for i := range s {
			_, _ = w.Write([]byte{s[i]})
		}
		_ = w.Close()
	}()
	return r
}
