package tlsconf_test

import (
	"bytes"
	"encoding/pem"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/tlsconf"
)

// damages are what a write that was cut off, or a slip of an editor, makes of two
// certificates in one file. Whoever reads only what can be read finds one in each.
var damages = map[string]func(first, second []byte) []byte{
	"the second cut in its text":        func(a, b []byte) []byte { return join(a, b[:len(b)-60]) },
	"the second cut in its first line":  func(a, b []byte) []byte { return join(a, b[:8]) },
	"the second cut in its last line":   func(a, b []byte) []byte { return join(a, b[:len(b)-8]) },
	"the second without its first line": func(a, b []byte) []byte { return join(a, b[bytes.IndexByte(b, '\n')+1:]) },
	"the first without its first line":  func(a, b []byte) []byte { return join(a[bytes.IndexByte(a, '\n')+1:], b) },
	"the first cut in its text":         func(a, b []byte) []byte { return join(a[:len(a)-60], b) },
	"no line end between them":          func(a, b []byte) []byte { return join(bytes.TrimSpace(a), b) },
	"a letter that is not base64":       func(a, b []byte) []byte { return join(a, bytes.Replace(b, []byte("M"), []byte("!"), 1)) },
	"bytes that are no certificate":     func(a, b []byte) []byte { return join(a, changed(b, func(p *pem.Block) { p.Bytes = p.Bytes[:40] })) },
	"another form of certificate": func(a, b []byte) []byte {
		return join(a, changed(b, func(p *pem.Block) { p.Type = "TRUSTED CERTIFICATE" }))
	},
	"text behind the last": func(a, b []byte) []byte { return join(a, b, []byte("junk\n")) },
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func changed(text []byte, change func(*pem.Block)) []byte {
	block, _ := pem.Decode(text)
	change(block)
	return pem.EncodeToMemory(block)
}

func TestAFileOfClientCAsIsTakenWholeOrNotAtAll(t *testing.T) {
	ca, second, dir := newAuthority(t), newAuthority(t), t.TempDir()
	cert, key := ca.pair(t, dir, "a", year(), "a.example")
	file := filepath.Join(dir, "ca.crt")
	write(t, file, join([]byte("# ours\n"), ca.pem(), []byte("\n# the second\n"), second.pem(), []byte("\n")))
	r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key, ClientCAs: file})
	require.NoError(t, err, "text before a certificate is a comment")
	defer r.Close()
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			write(t, file, damage(ca.pem(), second.pem()))
			err := r.Reload()
			require.Error(t, err)
			assert.Regexp(t, "ClientCAs: ("+tlsconf.ReasonDamaged+"|"+tlsconf.ReasonNoCA+")", err.Error())
			_, serverErr, _ := handshake(r.TLSConfig(), clientOf(t, ca, second, t.TempDir()))
			assert.NoError(t, serverErr, "what was there before is kept")
		})
	}
	write(t, file, join(ca.pem(), changed(second.pem(), func(p *pem.Block) { p.Headers = map[string]string{"Name": "second"} })))
	require.NoError(t, r.Reload())
	_, serverErr, _ := handshake(r.TLSConfig(), clientOf(t, ca, second, t.TempDir()))
	require.NoError(t, serverErr, "a certificate with headers counts")
}

func TestAChainIsTakenWholeOrNotAtAll(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	leaf, key := ca.issue(t, year(), "a.example")
	certFile, keyFile := filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")
	write(t, certFile, join(leaf, ca.pem(), key)) // a key beside them, as some servers want it, is passed over
	write(t, keyFile, key)
	r, err := tlsconf.New(tlsconf.Config{CertFile: certFile, KeyFile: keyFile})
	require.NoError(t, err)
	defer r.Close()
	before := served(t, r, "a.example")
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			leaf, key := ca.issue(t, year(), "a.example")
			write(t, certFile, damage(leaf, ca.pem()))
			write(t, keyFile, key)
			err := r.Reload()
			require.Error(t, err)
			assert.Regexp(t, "CertFile: ("+tlsconf.ReasonDamaged+"|"+tlsconf.ReasonNotAPair+")", err.Error())
			assert.Equal(t, before, served(t, r, "a.example"), "what was there before is kept")
		})
	}
}
