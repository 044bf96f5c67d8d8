package tlsconf

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
)

var errDamaged = errors.New("the file was cut, or is not only certificates in PEM")

// certificates returns every certificate in text, or an error if there is part of
// one that cannot be read. pem.Decode, and so the standard library, passes over
// what it cannot read: of a file that was cut it would take what is left. Text
// before a certificate is a comment (RFC 7468 section 2), behind the last one it is
// what a cut has left; keys are passed over.
func certificates(text []byte) (all []*x509.Certificate, err error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		read := text[:len(text)-len(rest)]
		if bytes.Count(read, []byte("-----BEGIN")) != 1 || bytes.Count(read, []byte("-----END")) != 1 {
			return all, errDamaged
		}
		text = rest
		if !strings.HasSuffix(block.Type, "CERTIFICATE") {
			continue
		}
		if block.Type != "CERTIFICATE" { // such as OpenSSL's "TRUSTED CERTIFICATE", which has more in it
			return all, errDamaged
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return all, err
		}
		all = append(all, cert)
	}
	if len(bytes.TrimSpace(text)) > 0 {
		return all, errDamaged
	}
	return all, nil
}
