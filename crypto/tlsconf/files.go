package tlsconf

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// maxFile bounds the size of a file, in bytes.
const maxFile = 1 << 20

// wantWhole is for a file of certificates that was cut.
const wantWhole = "the file must hold whole PEM certificates and nothing behind them; write it again"

// content is what the files held when they were read.
type content struct {
	pairs []pairContent
	cas   []byte
	sum   [sha256.Size]byte // of everything, to tell a change; holds no secret in a readable form
}

type pairContent struct {
	field     string // prefix of a mistake's field
	files     Files
	cert, key []byte
}

// readFiles reads every file that cfg names, or says all that is wrong with them.
func (cfg *Config) readFiles() (*content, error) {
	c := &content{pairs: make([]pairContent, 0, 1+len(cfg.More))}
	c.pairs = append(c.pairs, pairContent{files: Files{CertFile: cfg.CertFile, KeyFile: cfg.KeyFile}})
	for i, f := range cfg.More {
		c.pairs = append(c.pairs, pairContent{field: fmt.Sprintf("More[%d].", i), files: f})
	}
	var errs []error
	hash := sha256.New()
	read := func(field, path string, secret bool) []byte {
		text, err := readFile(field, path, secret)
		errs = append(errs, err)
		_, _ = hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		_, _ = hash.Write(text)
		return text
	}
	for i := range c.pairs {
		p := &c.pairs[i]
		p.cert = read(p.field+"CertFile", p.files.CertFile, false)
		p.key = read(p.field+"KeyFile", p.files.KeyFile, true)
	}
	if cfg.ClientCAs != "" {
		c.cas = read("ClientCAs", cfg.ClientCAs, false)
	}
	hash.Sum(c.sum[:0])
	return c, errors.Join(errs...)
}

// readFile asks the open file, not the path, for its mode: the path may name
// another file a moment later.
func readFile(field, path string, secret bool) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return nil, mistake(field, rampart.ReasonUnreadable, path, conferr.WantFile, err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, mistake(field, rampart.ReasonUnreadable, path, conferr.WantFile, err)
	case !info.Mode().IsRegular() || info.Size() > maxFile:
		return nil, mistake(field, rampart.ReasonUnreadable, path, "name a regular file of at most 1 MiB", nil)
	case secret && info.Mode().Perm()&0o027 != 0 && runtime.GOOS != "windows":
		return nil, mistake(field, rampart.ReasonUnsafe, path, conferr.WantMode, nil)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, mistake(field, rampart.ReasonUnreadable, path, conferr.WantFile, err)
	}
	return text, nil
}

// parse turns what the files held into what is served.
func (c *content) parse(cfg *Config, now time.Time) (*state, error) {
	s := &state{sum: c.sum, byName: make(map[string][]*tls.Certificate)}
	var errs []error
	for i, p := range c.pairs {
		cert, err := p.parse(now)
		if err == nil && i > 0 && len(cert.Leaf.DNSNames) == 0 {
			err = mistake(p.field+"CertFile", ReasonNoName, p.files.CertFile, "a further certificate is chosen by its DNS names; use one that has some", nil)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.add(cert)
	}
	if cfg.ClientCAs != "" {
		cas, err := certificates(c.cas)
		switch {
		case len(cas) == 0:
			err = mistake("ClientCAs", ReasonNoCA, cfg.ClientCAs, "the file must hold the CA certificates as PEM", err)
		case err != nil:
			err = mistake("ClientCAs", ReasonDamaged, cfg.ClientCAs, wantWhole, err)
		}
		errs = append(errs, err)
		s.clientCAs = x509.NewCertPool()
		for _, ca := range cas {
			s.clientCAs.AddCert(ca)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func (p *pairContent) parse(now time.Time) (*tls.Certificate, error) {
	cert, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		return nil, mistake(p.field+"CertFile", ReasonNotAPair, p.files.CertFile, "CertFile must begin with the certificate of the private key in KeyFile, both as PEM", err)
	}
	if _, err := certificates(p.cert); err != nil {
		return nil, mistake(p.field+"CertFile", ReasonDamaged, p.files.CertFile, wantWhole, err)
	}
	if key, ok := cert.Leaf.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		return nil, mistake(p.field+"KeyFile", rampart.ReasonWeak, p.files.KeyFile, "an RSA key has at least 2048 bits", nil)
	}
	if now.Before(cert.Leaf.NotBefore) || now.After(cert.Leaf.NotAfter) {
		return nil, mistake(p.field+"CertFile", ReasonTime, p.files.CertFile,
			"the certificate is good from "+cert.Leaf.NotBefore.UTC().Format(time.RFC3339)+" to "+cert.Leaf.NotAfter.UTC().Format(time.RFC3339)+"; renew it, or set the clock", nil)
	}
	return &cert, nil
}

// state is what is served at one moment. It never changes.
type state struct {
	certs     []*tls.Certificate
	byName    map[string][]*tls.Certificate // by DNS name in lower case, such as "*.example.com"
	clientCAs *x509.CertPool
	sum       [sha256.Size]byte
}

func (s *state) add(cert *tls.Certificate) {
	s.certs = append(s.certs, cert)
	for _, name := range cert.Leaf.DNSNames {
		name = strings.ToLower(name)
		s.byName[name] = append(s.byName[name], cert)
	}
}

// choose returns the certificate for a client: one for the very name, else one
// for a wildcard in place of its first label (RFC 9525 section 6.3), else the
// first of all.
func (s *state) choose(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	found := s.byName[name]
	if _, parent, ok := strings.Cut(name, "."); ok && len(found) == 0 {
		found = s.byName["*."+parent]
	}
	if len(found) == 0 {
		found = s.certs[:1]
	}
	for _, cert := range found {
		if hello.SupportsCertificate(cert) == nil {
			return cert
		}
	}
	return found[0]
}
