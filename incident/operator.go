package incident

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
)

// An Operator carries out orders. It is safe for concurrent use. Create one with [New];
// the zero Operator refuses all.
//
// Its methods are the orders. Each returns what is kept of the order, and an error that
// is a [rampart.Problem]: 422 for what cannot be ordered, 404 where nobody knows the
// target or the service does not have that measure, 503 where the order may or may
// not be in force. An order goes on though ctx ends.
type Operator struct {
	cfg      Config
	reporter *rampart.Reporter
}

// New returns an Operator that is wired as cfg says, or every mistake in cfg, each a
// [rampart.ConfigError], joined.
func New(cfg Config) (*Operator, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Operator{cfg: cfg, reporter: rampart.NewReporter(cfg.Logger, "incident")}, nil
}

// By says who gives an order, and why.
type By struct {
	Actor string     // whom the audit trail names; required
	Note  string     // at most 200 characters
	Addr  netip.Addr // from where; the zero Addr: not through the network
	Once  string     // of orders with one actor and one Once, the first alone is carried out, and the others get its result; "": each

	what, caller string // of a request: how the order was worded, and by whom (two issuers may have a subject of one name)
}

// MaxAhead bounds how long a measure lasts: one that is forgotten ends by itself.
const MaxAhead = 30 * 24 * time.Hour

// EndSession ends one session.
func (o *Operator) EndSession(ctx context.Context, by By, id string) (Order, error) {
	m := &measure{
		there: o.cfg.EndSession != nil, action: "end_session", target: id, counts: "ended",
		run: func(ctx context.Context, m *measure) (err error) { m.count, err = o.cfg.EndSession(ctx, id); return },
	}
	m.refuse(!isName(id), Invalid("#/session", "invalid", "Say the id of the session, never a token."))
	return o.carryOut(ctx, by, m)
}

// EndSubject ends the sessions of a subject that have begun by now.
func (o *Operator) EndSubject(ctx context.Context, by By, subject string) (Order, error) {
	return o.carryOut(ctx, by, &measure{
		there: o.cfg.EndSubject != nil, action: "end_subject", target: subject, counts: "ended",
		run: func(ctx context.Context, m *measure) (err error) {
			m.count, err = o.cfg.EndSubject(ctx, subject)
			return
		},
	})
}

// EndAll ends all sessions that began at or before that time; zero: now.
func (o *Operator) EndAll(ctx context.Context, by By, before time.Time) (Order, error) {
	m := &measure{
		there: o.cfg.EndAll != nil, action: "end_all",
		run: func(ctx context.Context, _ *measure) error { return o.cfg.EndAll(ctx, before) },
	}
	now := time.Now()
	m.say("before", before)
	if before.IsZero() {
		m.say("before", now.UTC())
	}
	m.refuse(before.After(now), Invalid("#/before", "invalid", "Not a time that has come."))
	return o.carryOut(ctx, by, m)
}

// RevokeKey revokes an API key.
func (o *Operator) RevokeKey(ctx context.Context, by By, id string) (Order, error) {
	m := &measure{
		there: o.cfg.RevokeKey != nil, action: "revoke_key", target: id, counts: "revoked",
		run: func(ctx context.Context, m *measure) (err error) { m.count, err = o.cfg.RevokeKey(ctx, id); return },
	}
	m.refuse(id == "" || len(id) > maxKeyID, Invalid("#/key", "invalid", "Say the id of the key, never the whole key."))
	return o.carryOut(ctx, by, m)
}

// maxKeyID is less than a whole key has, ours (more than 50 bytes) or one of
// djangorestframework-api-key (41): that must not be kept in an audit trail.
const maxKeyID = 40

// isName reports whether s may be the id of a session, or of an order. A whole token has
// dots in it.
func isName(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// RevokeOwner revokes the API keys of an owner.
func (o *Operator) RevokeOwner(ctx context.Context, by By, owner string) (Order, error) {
	return o.carryOut(ctx, by, &measure{
		there: o.cfg.RevokeOwner != nil, action: "revoke_owner", target: owner, counts: "revoked",
		run: func(ctx context.Context, m *measure) (err error) {
			m.count, err = o.cfg.RevokeOwner(ctx, owner)
			return
		},
	})
}

// Block refuses requests from an address or prefix, other than that of by.
func (o *Operator) Block(ctx context.Context, by By, prefix netip.Prefix, until time.Time) (Order, error) {
	m := &measure{
		there: o.cfg.Block != nil, action: "block", target: prefix.String(),
		run: func(ctx context.Context, _ *measure) error { return o.cfg.Block(ctx, prefix, until) },
	}
	m.refuse(!prefix.IsValid(), Invalid("#/prefix", "invalid", "Not an address or prefix."))
	m.refuse(by.Addr.IsValid() && prefix.Contains(by.Addr.Unmap().WithZone("")), Invalid("#/prefix", "own_address", "You would lock yourself out."))
	m.ends(until)
	return o.carryOut(ctx, by, m)
}

// Unblock lifts a block.
func (o *Operator) Unblock(ctx context.Context, by By, prefix netip.Prefix) (Order, error) {
	m := &measure{
		there: o.cfg.Unblock != nil, action: "unblock", target: prefix.String(),
		run: func(ctx context.Context, _ *measure) error {
			if !o.blocked(prefix) { // asked here, not before: one that is sent again gets the first response
				return notFound()
			}
			return o.cfg.Unblock(ctx, prefix)
		},
	}
	return o.carryOut(ctx, by, m)
}

func (o *Operator) blocked(prefix netip.Prefix) bool {
	for p := range o.cfg.Blocks() {
		if p == prefix {
			return true
		}
	}
	return false
}

// Tighten makes a policy count by a lower rate, such as "10/minute".
func (o *Operator) Tighten(ctx context.Context, by By, policy, rate string, until time.Time) (Order, error) {
	m := &measure{
		there: o.cfg.Tighten != nil, action: "tighten", target: policy,
		run: func(ctx context.Context, m *measure) error {
			err := o.cfg.Tighten(ctx, policy, rate, until)
			if now, ok := o.rate(policy); ok && err == nil {
				m.say("rate", now.Rate) // in its own spelling
			}
			return err
		},
	}
	m.say("rate", rate)
	_, ok := o.rate(policy)
	m.refuse(!ok, notFound())
	m.ends(until)
	return o.carryOut(ctx, by, m)
}

// Loosen lets a policy count by its configured rate again.
func (o *Operator) Loosen(ctx context.Context, by By, policy string) (Order, error) {
	m := &measure{
		there: o.cfg.Loosen != nil, action: "loosen", target: policy,
		run: func(ctx context.Context, _ *measure) error { return o.cfg.Loosen(ctx, policy) },
	}
	_, ok := o.rate(policy)
	m.refuse(!ok, notFound())
	return o.carryOut(ctx, by, m)
}

func (o *Operator) rate(policy string) (Rate, bool) {
	if o.cfg.Rates != nil {
		for _, r := range o.cfg.Rates() {
			if r.Policy == policy {
				return r, true
			}
		}
	}
	return Rate{}, false
}

// LockDown closes the service, but for what [LockdownConfig].Open names: [ReadOnly] refuses
// all methods but GET, HEAD and OPTIONS, [Deny] every address that is not in allow.
func (o *Operator) LockDown(ctx context.Context, by By, mode Mode, allow []netip.Prefix, until time.Time) (Order, error) {
	m := &measure{
		there: o.cfg.Lockdown != nil, action: "lockdown",
		run: func(ctx context.Context, _ *measure) error {
			return o.cfg.Lockdown.set(ctx, LockdownState{Mode: mode, Allow: allow, Until: until, Actor: by.Actor, Note: by.Note})
		},
	}
	m.say("mode", mode)
	m.refuse(mode != ReadOnly && mode != Deny, Invalid("#/mode", "invalid", `Say "read_only" or "deny".`))
	m.refuse((mode == Deny) != (len(allow) > 0), Invalid("#/allow", "invalid", `Goes with the mode "deny", and only there.`))
	m.ends(until)
	return o.carryOut(ctx, by, m)
}

// LiftLockdown opens the service again.
func (o *Operator) LiftLockdown(ctx context.Context, by By) (Order, error) {
	return o.carryOut(ctx, by, &measure{
		there: o.cfg.Lockdown != nil, action: "lift_lockdown",
		run: func(ctx context.Context, _ *measure) error {
			return o.cfg.Lockdown.set(ctx, LockdownState{Mode: Off})
		},
	})
}

// RotateSigningKey makes a new signing key; what older ones signed is good for overlap
// longer. 0 ends every token of theirs at once: for a key that has leaked.
func (o *Operator) RotateSigningKey(ctx context.Context, by By, overlap time.Duration) (Order, error) {
	m := &measure{
		there: o.cfg.RotateSigningKey != nil, action: "rotate_signing_key", extra: rotationTime,
		run: func(ctx context.Context, m *measure) error {
			id, err := o.cfg.RotateSigningKey(ctx, overlap)
			m.say("kid", id)
			return err
		},
	}
	m.say("old_until", time.Now().UTC().Add(overlap).Truncate(time.Second))
	m.refuse(overlap < 0 || overlap > MaxAhead, Invalid("#/overlap", "invalid", `Not a duration such as "1h", of 30 days at most.`))
	return o.carryOut(ctx, by, m)
}

// RotateFieldKey makes a new key for encrypted columns, and has the values brought under
// it.
func (o *Operator) RotateFieldKey(ctx context.Context, by By) (Order, error) {
	return o.carryOut(ctx, by, &measure{
		there: o.cfg.RotateFieldKey != nil, action: "rotate_field_key", extra: rotationTime,
		run: func(ctx context.Context, m *measure) error {
			id, err := o.cfg.RotateFieldKey(ctx)
			m.say("key", id)
			return err
		},
	})
}

// rotationTime is what a rotation may take beyond the Timeout.
const rotationTime = 10 * time.Second
