package auth_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/jose/josetest"
)

const (
	secret      = josetest.Secret
	plainHeader = josetest.PlainHeader
)

var (
	b64     = josetest.B64
	forge   = josetest.Forge
	sign    = josetest.Sign
	token   = josetest.Token
	claims  = josetest.Claims
	payload = josetest.Payload
)

func newKey(tb testing.TB) *auth.Key {
	tb.Helper()
	key, err := auth.NewKey(auth.HS256, "", []byte(secret))
	require.NoError(tb, err)
	return key
}

func newVerifier(tb testing.TB, change ...func(*auth.VerifierConfig)) *auth.Verifier {
	tb.Helper()
	cfg := auth.Simplejwt([]byte(secret))
	cfg.Logger = slog.New(slog.DiscardHandler)
	for _, f := range change {
		f(&cfg)
	}
	v, err := auth.NewVerifier(cfg)
	require.NoError(tb, err)
	return v
}

// reason returns why err refuses a token; empty for nil.
func reason(err error) rampart.Denial {
	if err == nil {
		return ""
	}
	var te *auth.TokenError
	if !assert.ErrorAs(failer{}, err, &te) {
		return "not a *TokenError"
	}
	return te.Reason
}

type failer struct{}

func (failer) Errorf(string, ...any) {}

// errOf returns the error of a call that answers something, too.
func errOf[T any](_ T, err error) error { return err }

// people is a Users with one account, who is always right.
type people struct{}

func (people) Login(context.Context, string, string) (string, error) { return "1", nil }
func (people) Active(context.Context, string) (bool, error)          { return true, nil }

// signedBy is simplejwt's configuration with other keys.
func signedBy(keys auth.KeySource) auth.VerifierConfig {
	cfg := auth.Simplejwt([]byte(secret))
	cfg.Keys = keys
	return cfg
}

// newService issues such tokens.
func newService(tb testing.TB, tokens auth.VerifierConfig, change ...func(*session.Config)) *session.Service {
	tb.Helper()
	cfg := session.Config{Tokens: tokens, Users: people{}, Sessions: session.NewMemoryStore(0), Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	s, err := session.New(cfg)
	require.NoError(tb, err)
	return s
}
