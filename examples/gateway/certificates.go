package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/ecolaura/rampart/crypto/tlsconf"
	"github.com/ecolaura/rampart/examples/gateway/internal/conf"
)

// certificates serves those of the configuration in use. Package tlsconf reads
// files, so they are written to a directory that only this user can read.
type certificates struct {
	log     *slog.Logger
	dir     string
	made    string // what the current ones were made of
	version int
	current atomic.Pointer[tlsconf.Reloader]
}

func newCertificates(log *slog.Logger) (*certificates, error) {
	dir, err := os.MkdirTemp("", "gateway-tls-*") // mode 0700
	return &certificates{log: log, dir: dir}, err
}

// use changes to the certificates of f for every later connection.
func (c *certificates) use(f *conf.File) (err error) {
	var parts []string
	for _, ct := range f.Certificates {
		parts = append(parts, ct.Cert, ct.Key)
	}
	made := strings.Join(parts, "\x00")
	if made == c.made {
		return nil
	}
	var next *tlsconf.Reloader
	dir := filepath.Join(c.dir, fmt.Sprint(c.version+1))
	if len(f.Certificates) > 0 {
		defer func() {
			if err != nil { // private keys are in it, and the next attempt has the same name
				err = errors.Join(err, os.RemoveAll(dir))
			}
		}()
		if err = os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		var files []tlsconf.Files
		for i, ct := range f.Certificates {
			one := tlsconf.Files{CertFile: filepath.Join(dir, fmt.Sprint(i, ".crt")), KeyFile: filepath.Join(dir, fmt.Sprint(i, ".key"))}
			err = errors.Join(os.WriteFile(one.CertFile, []byte(ct.Cert), 0o600), os.WriteFile(one.KeyFile, []byte(ct.Key), 0o600))
			if err != nil {
				return err
			}
			files = append(files, one)
		}
		next, err = tlsconf.New(tlsconf.Config{CertFile: files[0].CertFile, KeyFile: files[0].KeyFile, More: files[1:], Logger: c.log})
		if err != nil {
			return err
		}
	}
	old := c.current.Swap(next)
	if old != nil {
		_ = old.Close()
		_ = os.RemoveAll(filepath.Join(c.dir, fmt.Sprint(c.version)))
	}
	c.made, c.version = made, c.version+1
	return nil
}

// config returns the configuration of a listener.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
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

// close ends the reloader and removes the files.
func (c *certificates) close() {
	if r := c.current.Swap(nil); r != nil {
		_ = r.Close()
	}
	_ = os.RemoveAll(c.dir)
}
