package tlsconf

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// Reasons of a [*rampart.ConfigError] that only this package has. Where a file
// caused one, Value is its path, and the cause is in the error tree as well.
const (
	ReasonNotAPair rampart.Reason = "not_a_pair"     // no certificate, no key, or they do not belong together
	ReasonTime     rampart.Reason = "not_valid_now"  // expired, or not valid yet
	ReasonNoName   rampart.Reason = "no_server_name" // a further certificate without a DNS name is never chosen
	ReasonNoCA     rampart.Reason = "no_certificate" // the file of client CAs holds none
	ReasonDamaged  rampart.Reason = "damaged"        // not all of the file can be read as certificates: it was cut, say
)

// A Profile is one of Mozilla's recommended configurations
// (https://wiki.mozilla.org/Security/Server_Side_TLS, version 5.7).
type Profile uint8

const (
	// Intermediate admits TLS 1.2, with forward secrecy and authenticated
	// encryption only, and TLS 1.3. Everything from Firefox 27, Android 4.4.2,
	// Java 8u31 and OpenSSL 1.0.1 on can connect.
	Intermediate Profile = iota

	// Modern admits TLS 1.3 only.
	Modern
)

// Files are a certificate and its private key, as PEM.
type Files struct {
	// CertFile holds the certificate, and behind it the chain up to, but without,
	// the root. All of it must be readable, as in [Config].ClientCAs.
	CertFile string

	// KeyFile holds the private key. A file that everyone can read or that its
	// group can write is refused (not on Windows, which has no such modes).
	KeyFile string
}

// Config configures a [Reloader]. CertFile and KeyFile are required.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// CertFile and KeyFile are the certificate for clients that name no server
	// (SNI, RFC 6066 section 3) or one that no certificate is for, and for those
	// that name one of its own.
	CertFile, KeyFile string

	// More certificates, each for the DNS names in it, wildcards included. Of
	// several for one name (an ECDSA and an RSA one, say) the first that the
	// client supports is served.
	More []Files

	// ClientCAs is a PEM file of the authorities whose client certificates are
	// accepted. If it is given, a client without a valid certificate gets no
	// connection. It is followed like the others: what an authority that is
	// taken out has signed gets no new connection. It is taken whole or not at
	// all: a file that was cut is refused, and so is one with text behind the last
	// certificate.
	ClientCAs string

	// ClientOptional lets clients connect without a certificate; then the
	// handler has to look at r.TLS.VerifiedChains.
	ClientOptional bool

	// Profile is which clients are served; the zero value is [Intermediate].
	Profile Profile

	// Interval is how often the files are looked at; 0: every 10 s.
	Interval time.Duration

	// ExpiryWarning is how long before a certificate expires it is reported
	// ([rampart.SysCertificateExpiring]), at once and every 24 hours; 0: 21 days, less than the 30
	// before which ACME clients renew.
	ExpiryWarning time.Duration

	// Logger receives the events; nil: [slog.Default].
	Logger *slog.Logger
}

// mistake is one that the file at path holds, and its cause, if any.
func mistake(field string, reason rampart.Reason, path, want string, cause error) error {
	err := conferr.New("tlsconf.Config", field, reason, path, want)
	if cause == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// compile checks what can be told without the files, fills in defaults and takes
// a copy.
func (cfg *Config) compile() error {
	bad := conferr.For("tlsconf.Config")
	cfg.More = slices.Clone(cfg.More)
	named := func(prefix string, f Files) {
		bad.If(f.CertFile == "", prefix+"CertFile", rampart.ReasonMissing, nil, "name the PEM file of the certificate and its chain")
		bad.If(f.KeyFile == "", prefix+"KeyFile", rampart.ReasonMissing, nil, "name the PEM file of the private key")
	}
	named("", Files{CertFile: cfg.CertFile, KeyFile: cfg.KeyFile})
	for i, f := range cfg.More {
		named(fmt.Sprintf("More[%d].", i), f)
	}
	bad.If(cfg.ClientOptional && cfg.ClientCAs == "", "ClientOptional", rampart.ReasonPointless, nil, "no client certificate is asked for without ClientCAs; set ClientCAs, or leave ClientOptional false")
	bad.If(cfg.Profile > Modern, "Profile", rampart.ReasonInvalid, nil, "use Intermediate or Modern")
	bad.If(cfg.Interval < 0, "Interval", rampart.ReasonInvalid, cfg.Interval, "use more than 0; 0 means 10s")
	bad.If(cfg.ExpiryWarning < 0, "ExpiryWarning", rampart.ReasonInvalid, cfg.ExpiryWarning, "use more than 0; 0 means 504h (21 days)")
	if cfg.Interval == 0 {
		cfg.Interval = 10 * time.Second
	}
	if cfg.ExpiryWarning == 0 {
		cfg.ExpiryWarning = 21 * 24 * time.Hour
	}
	return bad.Err()
}

// tlsConfig returns the profile's settings. The suites of TLS 1.3 cannot be
// chosen in Go; they are the profile's. Which of the others is used is Go's
// choice, by what the client's hardware and ours do well.
func (p Profile) tlsConfig() *tls.Config {
	c := &tls.Config{
		MinVersion:       tls.VersionTLS12,
		CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384},
		NextProtos:       []string{"h2", "http/1.1"},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
	if p == Modern {
		c.MinVersion, c.CipherSuites = tls.VersionTLS13, nil
	}
	return c
}
