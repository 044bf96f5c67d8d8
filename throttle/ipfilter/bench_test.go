package ipfilter_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"testing"

	"github.com/ecolaura/rampart/throttle/ipfilter"
)

func BenchmarkCheck100kPrefixes(b *testing.B) {
	for _, family := range []string{"IPv4", "IPv6"} {
		b.Run(family, func(b *testing.B) {
			rnd := rand.New(rand.NewPCG(1, 2))
			random := func(bits int) netip.Addr {
				var a [16]byte
				binary.BigEndian.PutUint64(a[:], rnd.Uint64()>>3|1<<61)
				binary.BigEndian.PutUint64(a[8:], rnd.Uint64())
				addr := netip.AddrFrom16(a)
				if family == "IPv4" {
					addr = netip.AddrFrom4([4]byte(a[8:12]))
				}
				p, _ := addr.Prefix(bits)
				return p.Addr()
			}
			deny := make([]netip.Prefix, 100_000)
			for i := range deny {
				bits := 24 + rnd.IntN(9)
				deny[i] = netip.PrefixFrom(random(bits), bits)
			}
			addrs := make([]netip.Addr, 1<<16)
			full := 32
			if family == "IPv6" {
				full = 128
			}
			for i := range addrs {
				addrs[i] = random(full)
			}
			n := 0
			f, err := ipfilter.New(ipfilter.Config{
				Deny:     deny,
				ClientIP: func(*http.Request) netip.Addr { n++; return addrs[n&(1<<16-1)] },
			})
			if err != nil {
				b.Fatal(err)
			}
			r := from("@")
			b.ReportAllocs()
			for b.Loop() {
				_ = f.Check(r)
			}
		})
	}
}
