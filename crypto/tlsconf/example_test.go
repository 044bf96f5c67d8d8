package tlsconf_test

import (
	"fmt"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/tlsconf"
)

func Example() {
	r, err := tlsconf.New(tlsconf.Config{
		CertFile: "/etc/ecolaura/tls.crt", KeyFile: "/etc/ecolaura/tls.key",
		More: []tlsconf.Files{{CertFile: "/etc/ecolaura/admin.crt", KeyFile: "/etc/ecolaura/admin.key"}},
	})
	if err != nil {
		for m := range rampart.Mistakes(err) {
			fmt.Println(m.Field, m.Reason)
		}
		return
	}
	defer r.Close()
	// srv, err := server.New(server.Config{Handler: h, Addr: ":443", TLSConfig: r.TLSConfig()})

	// Output:
	// CertFile unreadable
	// KeyFile unreadable
	// More[0].CertFile unreadable
	// More[0].KeyFile unreadable
}
