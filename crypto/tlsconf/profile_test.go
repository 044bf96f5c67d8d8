package tlsconf_test

import (
	"crypto/tls"
	"testing"

	"github.com/ecolaura/rampart/crypto/tlsconf"
	"github.com/stretchr/testify/require"
)

func TestTheCertificateIsChosenByTheServerName(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	cert, key := ca.pair(t, dir, "first", year(), "first.example")
	more := make([]tlsconf.Files, 2)
	more[0].CertFile, more[0].KeyFile = ca.pair(t, dir, "shop", year(), "shop.example", "www.shop.example")
	more[1].CertFile, more[1].KeyFile = ca.pair(t, dir, "wild", year(), "*.shop.example")
	r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key, More: more})
	require.NoError(t, err)
	defer r.Close()
	for asked, want := range map[string]string{
		"first.example": "first.example", "": "first.example", "unknown.example": "first.example",
		"shop.example": "shop.example", "WWW.Shop.Example": "shop.example",
		"a.shop.example": "*.shop.example", "a.b.shop.example": "first.example",
	} {
		state, _, err := handshake(r.TLSConfig(), &tls.Config{ServerName: asked, InsecureSkipVerify: true, RootCAs: ca.pool})
		require.NoError(t, err, asked)
		require.Equal(t, want, state.PeerCertificates[0].DNSNames[0], "asked for %q", asked)
	}
}
