package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/incidentsql"
	"github.com/ecolaura/rampart/throttle"
)

// newOperator wires the counter-measures to the layers. docs/incident-response.md says
// when to use which.
func newOperator(srv *instance, orders *incidentsql.Store, log *slog.Logger) (*incident.Operator, error) {
	l, m := srv.layers, srv.managed
	return incident.New(incident.Config{
		EndSession: l.service.EndSession, EndSubject: l.service.EndSubject, EndAll: l.service.EndAll, Sessions: l.liveSessions,
		RevokeKey: l.revokeKey, RevokeOwner: l.keys.RevokeOwner, Keys: l.keys.Admin(func(*http.Request) (apikey.Actor, bool) { return apikey.Actor{All: true}, true }),
		Block: l.blocks.Block, Unblock: l.blocks.Unblock, Blocks: l.blocks.Blocks,
		Tighten: l.tighten, Loosen: l.overrides.Release, Rates: l.rates, Limited: l.limited,
		RotateSigningKey: m.rotateSigning, RotateFieldKey: m.rotateField,
		Lockdown: l.lockdown,
		State:    func() map[string]any { return map[string]any{"reencryption": m.reencryption.State()} },
		Metrics:  srv.metrics.handler,
		Feed:     srv.shared.feed, Instances: srv.shared.feed.Instances,
		Orders: orders, ClientIP: l.clientIP.Addr, Logger: log,
		// Together with what the caller's token and the audit trail may ask: the db-timeout.
		Timeout: srv.db.timeout * 2 / 3,
	})
}

func (l *layers) liveSessions(ctx context.Context, subject string) ([]incident.Session, error) {
	rows, err := l.service.Sessions(ctx, subject)
	list := make([]incident.Session, len(rows))
	for i, s := range rows {
		list[i] = incident.Session{ID: s.ID, Device: s.Device, Began: s.AuthenticatedAt, Used: s.RotatedAt, Ends: s.Expires}
	}
	return list, err
}

func (l *layers) revokeKey(ctx context.Context, id string) (int, error) {
	err := l.keys.Revoke(ctx, id)
	if e, ok := errors.AsType[*apikey.Error](err); ok && e.Reason == apikey.KeyUnknown {
		return 0, nil
	}
	return 1, err
}

func (l *layers) tighten(ctx context.Context, policy, rate string, until time.Time) error {
	r, err := throttle.Parse(rate)
	if err != nil {
		return incident.Invalid("#/rate", "invalid", "Not a rate such as 10/minute.")
	}
	return l.overrides.Tighten(ctx, policy, r, until)
}

func (l *layers) rates() []incident.Rate {
	var list []incident.Rate
	for _, p := range l.overrides.Rates() {
		list = append(list, incident.Rate{Policy: p.Policy, Rate: p.Rate.String(), Configured: p.Configured.String(), Until: p.Until.UTC()})
	}
	return list
}

// limited asks the limiter that has the policy.
func (l *layers) limited(policy string, n int) []incident.Limited {
	var list []incident.Limited
	for _, limiter := range l.limiters {
		for _, k := range limiter.Refused(policy, n) {
			list = append(list, incident.Limited(k))
		}
	}
	return list
}
