package tlsconf

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
)

// expiryRepeat is how often an expiring certificate is reported again.
const expiryRepeat = 24 * time.Hour

// A Reloader serves certificates from files and follows the files. It is safe
// for concurrent use. Create one with [New], end it with [Reloader.Close]; the
// zero Reloader completes no handshake.
type Reloader struct {
	cfg    Config
	live   atomic.Pointer[state]
	report *rampart.Reporter
	end    context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex // held while the files are read
	bad      [sha256.Size]byte
	badSeen  int                             // how often in a row bad was read
	reported map[[sha256.Size]byte]time.Time // when an expiring certificate was last reported
}

// New reads the files and returns a Reloader that follows them, or every mistake
// in cfg and in what the files hold, each a [*rampart.ConfigError], joined. Its
// goroutine ends with [Reloader.Close].
func New(cfg Config) (*Reloader, error) {
	if err := cfg.compile(); err != nil {
		return nil, err
	}
	r := &Reloader{cfg: cfg, report: rampart.NewReporter(cfg.Logger, "crypto/tlsconf"), done: make(chan struct{}), reported: map[[sha256.Size]byte]time.Time{}}
	if err := r.Reload(); err != nil {
		return nil, err
	}
	r.start()
	return r, nil
}

func (r *Reloader) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.end = cancel
	go r.follow(ctx)
}

// Close ends the goroutine that follows the files. What was last read is still
// served. It returns nil, also when called again.
func (r *Reloader) Close() error {
	if r.end != nil {
		r.end()
		<-r.done
		r.report.Flush()
	}
	return nil
}

// Reload reads the files now, as a signal handler may want it. If they cannot be
// used it returns every mistake, as [New] does, and what was served before is
// still served.
func (r *Reloader) Reload() error {
	if r.done == nil {
		return errors.New("tlsconf: a zero Reloader has no files")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.reload(context.Background())
	return err
}

// reload takes what the files hold if it has changed and can be used.
func (r *Reloader) reload(ctx context.Context) (sum [sha256.Size]byte, err error) {
	files, err := r.cfg.readFiles()
	if err != nil {
		return files.sum, err
	}
	old := r.live.Load()
	if old != nil && old.sum == files.sum {
		return files.sum, nil
	}
	s, err := files.parse(&r.cfg, time.Now())
	if err != nil {
		return files.sum, err
	}
	r.live.Store(s)
	if old != nil {
		for _, cert := range s.certs {
			r.logger().LogAttrs(ctx, slog.LevelInfo, "certificate loaded", attrs(cert.Leaf)...)
		}
	}
	return files.sum, nil
}

func (r *Reloader) logger() *slog.Logger {
	if r.cfg.Logger == nil {
		return slog.Default()
	}
	return r.cfg.Logger
}

func (r *Reloader) follow(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(r.cfg.Interval)
	defer tick.Stop()
	for {
		r.warn(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.look(ctx)
		}
	}
}

// look reads the files and reports those that cannot be used; once, and not
// before they are found to be the same twice: of two files that are written one
// after the other the first does not fit until the second is there.
func (r *Reloader) look(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum, err := r.reload(ctx)
	switch {
	case err == nil:
		r.badSeen = 0
		return
	case r.badSeen > 0 && sum == r.bad:
		r.badSeen++
	default:
		r.bad, r.badSeen = sum, 1
	}
	if r.badSeen == 2 {
		r.report.Report(ctx, rampart.SysCertificateRefused, "", rampart.Text("error", err.Error()))
	}
}

// warn reports the certificates that expire soon.
func (r *Reloader) warn(ctx context.Context) {
	now := time.Now()
	for _, cert := range r.live.Load().certs {
		id := sha256.Sum256(cert.Leaf.Raw)
		if cert.Leaf.NotAfter.Sub(now) > r.cfg.ExpiryWarning {
			continue
		}
		if last, ok := r.reported[id]; ok && now.Sub(last) < expiryRepeat {
			continue
		}
		r.reported[id] = now
		r.report.Report(ctx, rampart.SysCertificateExpiring, string(id[:]), attrs(cert.Leaf)...)
	}
}

// TLSConfig returns a configuration that always serves what the files hold, with
// the protocols h2 and http/1.1. It is the caller's own; what is set in it beyond
// certificates and client authentication, before it is used, stays as it is.
func (r *Reloader) TLSConfig() *tls.Config {
	c := r.cfg.Profile.tlsConfig()
	c.GetCertificate = r.certificate
	if r.cfg.ClientCAs != "" {
		// ClientCAs of a configuration in use cannot be changed: each content of the
		// files has one of its own. Session tickets are c's for all of them;
		// crypto/tls checks at each resumption that the root of the client's chain
		// is among the ClientCAs still.
		var last atomic.Pointer[perClient]
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			s := r.live.Load()
			if p := last.Load(); p != nil && p.from == s {
				return p.config, nil
			}
			p := &perClient{from: s, config: r.withClients(c, s)}
			last.Store(p)
			return p.config, nil
		}
	}
	return c
}

// perClient is what clients are served with while the files hold what they held
// for from.
type perClient struct {
	from   *state
	config *tls.Config
}

func (r *Reloader) withClients(c *tls.Config, s *state) *tls.Config {
	c = c.Clone()
	c.GetConfigForClient = nil
	c.ClientCAs, c.ClientAuth = s.clientCAs, tls.RequireAndVerifyClientCert
	if r.cfg.ClientOptional {
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c
}

func (r *Reloader) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s := r.live.Load()
	if s == nil {
		return nil, errors.New("tlsconf: a zero Reloader has no certificate")
	}
	return s.choose(hello), nil
}

// Expires returns when the first of the certificates in use expires; for a
// metric, say. It is the zero time for the zero Reloader.
func (r *Reloader) Expires() time.Time {
	var first time.Time
	if s := r.live.Load(); s != nil {
		for _, cert := range s.certs {
			if first.IsZero() || cert.Leaf.NotAfter.Before(first) {
				first = cert.Leaf.NotAfter
			}
		}
	}
	return first
}

func attrs(cert *x509.Certificate) []slog.Attr {
	return []slog.Attr{
		rampart.Text("subject", cert.Subject.String()), slog.Any("names", cert.DNSNames),
		slog.String("serial", cert.SerialNumber.Text(16)), slog.Time("expires", cert.NotAfter),
	}
}
