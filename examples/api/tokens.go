package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/auth/session"
)

// newAuth builds what checks and issues tokens: simplejwt's claims and answers,
// so that a Django deployment with the same secret shares its users' tokens.
func (l *layers) newAuth(s *settings, sec *secrets, db *database, standing *auth.Standing, u *users, sh *shared, m *managed, log *slog.Logger) error {
	cfg := session.Simplejwt(sec.signing)
	if m.signing != nil {
		cfg.Tokens.Keys = m.signing.keys
	}
	if s.signingKey != "" {
		keys, err := signingKeys(s.signingKey)
		if err != nil {
			return err
		}
		cfg.Tokens.Keys = keys
	}
	cfg.Tokens.DangerouslyPublishedKey = s.loopback // a django-insecure-… key is for development
	var err error
	if l.sessions, err = authsql.New(db.DB, db.dialect, authsql.Config{Timeout: db.timeout}); err != nil {
		return err
	}
	cfg.Tokens.Revoked = revoked(sh.revocations, standing)
	cfg.Tokens.Logger = log
	if l.verifier, err = auth.NewVerifier(cfg.Tokens); err != nil {
		return err
	}
	l.keySet, _ = cfg.Tokens.Keys.(*auth.Keys) // NewVerifier saw that it is one
	cfg.Users, cfg.Sessions, cfg.Revocations, cfg.Logger = u, l.sessions, sh.revocations, log
	cfg.NoRotation = !s.rotate // without rotation a stolen refresh token is good for its whole life
	cfg.ClaimsInRefresh = true // a Django that refreshes a token of ours keeps the scopes
	g, err := newGuard(l.account, sec.device, db, l.clientIP.Addr)
	if err != nil {
		return err
	}
	cfg.Guard, cfg.DeviceCookie = g.check, g.devices
	l.issuing = cfg
	l.service, err = session.New(cfg)
	return err
}

// revoked asks this instance's memory for the session of a token and, as Django does of
// the database with each request, for its user.
func revoked(r *auth.Revocations, standing *auth.Standing) func(context.Context, *auth.Token) (bool, error) {
	return func(ctx context.Context, t *auth.Token) (bool, error) {
		if ended, err := r.Revoked(ctx, t); ended || err != nil {
			return ended, err
		}
		active, err := standing.Active(ctx, t.Subject())
		return !active, err
	}
}

// signingKeys reads an asymmetric key.
func signingKeys(file string) (*auth.Keys, error) {
	text, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: -signing-key: %w", errSettings, err)
	}
	var errs []error
	for _, alg := range []auth.Algorithm{auth.EdDSA, auth.ES256, auth.ES384, auth.ES512, auth.RS256} {
		key, err := auth.ParseKey(alg, "", text)
		if err == nil {
			return auth.NewKeys(key)
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("%w: -signing-key: no algorithm fits: %w", errSettings, errors.Join(errs...))
}
