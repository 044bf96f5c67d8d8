package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/tlsconf"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// certificates serves those of the configuration in use. Package tlsconf reads
// files, so they are written to a directory that only this user can read.
type certificates struct {
	log     *slog.Logger
	dir     string
	made    string // what the current ones were made of
	current atomic.Pointer[loaded]
}

// loaded are the certificates of one configuration.
type loaded struct {
	*tlsconf.Reloader
	dir string
}

func newCertificates(log *slog.Logger) (*certificates, error) {
	dir, err := os.MkdirTemp("", "gateway-tls-*") // mode 0700
	return &certificates{log: log, dir: dir}, err
}

// Use changes to the certificates of f for every later connection.
func (c *certificates) Use(f *conf.File) error {
	var parts []string
	for _, ct := range f.Certificates {
		parts = append(parts, ct.Cert, ct.Key)
	}
	made := strings.Join(parts, "\x00")
	if made == c.made {
		return nil
	}
	next, err := c.load(f)
	if err != nil {
		return err
	}
	c.current.Swap(next).close()
	c.made = made
	return nil
}

// Mistakes says what Use would find wrong.
func (c *certificates) Mistakes(f *conf.File) conf.Mistakes {
	l, err := c.load(f)
	l.close()
	ms, _ := errors.AsType[conf.Mistakes](err)
	return ms
}

// load reads the certificates of f; nil if there are none.
func (c *certificates) load(f *conf.File) (*loaded, error) {
	if len(f.Certificates) == 0 {
		return nil, nil
	}
	dir, err := os.MkdirTemp(c.dir, "")
	if err != nil {
		return nil, err
	}
	cfg, err := writeCertificates(f, dir)
	if err == nil {
		cfg.Logger = c.log
		var r *tlsconf.Reloader
		if r, err = tlsconf.New(cfg); err == nil {
			return &loaded{r, dir}, nil
		}
	}
	if ms := certificateMistakes(f, err); len(ms) > 0 {
		err = ms.Err()
	}
	return nil, errors.Join(err, os.RemoveAll(dir)) // private keys are in it
}

// writeCertificates writes those of f to dir, and says where they are.
func writeCertificates(f *conf.File, dir string) (cfg tlsconf.Config, err error) {
	for i, ct := range f.Certificates {
		one := tlsconf.Files{CertFile: filepath.Join(dir, fmt.Sprint(i, ".crt")), KeyFile: filepath.Join(dir, fmt.Sprint(i, ".key"))}
		err = errors.Join(err, os.WriteFile(one.CertFile, []byte(ct.Cert), 0o600), os.WriteFile(one.KeyFile, []byte(ct.Key), 0o600))
		if i == 0 {
			cfg.CertFile, cfg.KeyFile = one.CertFile, one.KeyFile
		} else {
			cfg.More = append(cfg.More, one)
		}
	}
	return cfg, err
}

// certificateMistakes says of which certificates of f tlsconf complains.
func certificateMistakes(f *conf.File, err error) (ms conf.Mistakes) {
	kong := strings.NewReplacer("CertFile", "cert", "KeyFile", "key")
	for m := range rampart.Mistakes(err) {
		i, field := 0, m.Field
		if _, e := fmt.Sscanf(field, "More[%d].", &i); e == nil {
			i++
		}
		name := "cert"
		if strings.HasSuffix(field, "KeyFile") {
			name = "key"
		}
		ms = append(ms, f.Certificates[i].Mistake(name, strings.ReplaceAll(string(m.Reason), "_", " ")+": "+kong.Replace(m.Want)))
	}
	return ms
}

// close ends the reloader and removes the files.
func (l *loaded) close() {
	if l != nil {
		_ = l.Close()
		_ = os.RemoveAll(l.dir)
	}
}

// config returns the configuration of a listener; a nil c has no certificate.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if c == nil {
				return nil, errZero
			}
			now := c.current.Load()
			if now == nil {
				return nil, errors.New("gateway: the configuration has no certificate")
			}
			cfg := now.TLSConfig()
			cfg.NextProtos = []string{"h2", "http/1.1"}
			return cfg, nil
		},
	}
}

// close ends all and removes every file.
func (c *certificates) close() error {
	c.current.Swap(nil).close()
	return os.RemoveAll(c.dir)
}
