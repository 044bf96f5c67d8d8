package plugin

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart/auth"
)

// Issuers hold the keys of the issuers that openid-connect trusts, over reloads. An
// issuer that is down keeps no configuration from being used: it is asked again
// until it responds. They are safe for concurrent use.
type Issuers struct {
	mu  sync.Mutex
	all map[string]*issuer // by their configuration
}

// NewIssuers returns empty Issuers.
func NewIssuers() *Issuers { return &Issuers{all: map[string]*issuer{}} }

// An issuer is one of them.
type issuer struct {
	verifier atomic.Pointer[auth.Verifier] // nil: it has not answered yet
	uses     int
	end      context.CancelFunc
}

// firstRetry and lastRetry are how long an issuer that is down is left alone.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// use returns the issuer of p; end its use with release.
func (s *Issuers) use(p *OpenIDConnect, log *slog.Logger) (out *issuer, release func(), err error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := string(text)
	out = s.all[key]
	if out == nil {
		ctx, cancel := context.WithCancel(context.Background())
		out = &issuer{end: cancel}
		s.all[key] = out
		cfg := p.settings()
		cfg.Logger = log
		go out.find(ctx, cfg)
	}
	out.uses++
	return out, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if out.uses--; out.uses == 0 {
			out.end()
			delete(s.all, key)
		}
	}), nil
}

// find asks an issuer for its keys until it has them.
func (i *issuer) find(ctx context.Context, cfg auth.OpenIDConfig) {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		v, err := auth.OpenID(ctx, cfg)
		if err != nil && cfg.MetadataURL != "" { // whose issuer may end with a slash, as Auth0's
			other := cfg
			other.Issuer += "/"
			if again, e := auth.OpenID(ctx, other); e == nil {
				v, err = again, nil
			}
		}
		if err == nil {
			i.verifier.Store(v)
			return
		}
		if ctx.Err() != nil {
			return
		}
		cfg.Logger.LogAttrs(ctx, slog.LevelError, "an issuer does not answer", slog.String("issuer", cfg.Issuer), slog.String("error", err.Error()))
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
