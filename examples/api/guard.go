package main

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/throttle"
)

// guard counts failed log-ins by account, after OWASP's device cookies: browsers
// and addresses from which somebody has logged in to the account have a count of
// their own, all others share one. So a thousand strangers who guess use up
// theirs, and the owner still gets in.
type guard struct {
	limit    *throttle.Limiter
	devices  *session.DeviceCookie
	db       *database
	key      []byte // of the digests below
	clientIP func(*http.Request) netip.Addr
}

// knownFor is how long an address is remembered after its last log-in, and
// maxKnown how many are for one account: its owner may log in from ever new ones.
const (
	knownFor = 90 * 24 * time.Hour
	maxKnown = 64
)

func newGuard(limit *throttle.Limiter, secret []byte, db *database, clientIP func(*http.Request) netip.Addr) (*guard, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "ecolaura known devices v1", 32)
	if err != nil {
		return nil, err
	}
	signing, err := auth.NewKey(auth.HS256, "", key)
	if err != nil {
		return nil, err
	}
	devices, err := session.NewDeviceCookie(session.DeviceCookieConfig{Key: signing})
	return &guard{limit: limit, devices: devices, db: db, key: key, clientIP: clientIP}, err
}

// check is a session.Guard.
func (g *guard) check(ctx context.Context, r *http.Request, name string) (func(error), error) {
	digest := g.digest(throttle.AddrKey(g.clientIP(r), 32, 64) + " " + name) // no address holds a blank
	policy, key := "login-strangers", name
	if device, known := g.devices.Device(r, name); known {
		policy, key = "login-known", device+" "+name
	} else if known, err := g.knows(ctx, digest); err != nil {
		return nil, cannotTell(err)
	} else if known {
		policy, key = "login-known", digest
	}
	_, refund, err := g.limit.Reserve(ctx, policy, key, 1)
	if err != nil {
		denied, ok := errors.AsType[*throttle.DeniedError](err)
		if !ok || denied.Reason != throttle.QuotaExceeded {
			return nil, cannotTell(err)
		}
		return nil, tooManyError{denied.Decision.Results[0].RetryAfter}
	}
	return func(err error) {
		switch {
		case err == nil: // where one of these fails the count stays, or a stranger: the safe side
			_ = g.remember(ctx, digest, name)
			if policy == "login-known" {
				_ = g.limit.Reset(ctx, policy, key)
			}
		case !errors.Is(err, session.ErrBadCredentials): // nobody looked at the password
			refund(ctx)
		}
	}, nil
}

// cannotTell refuses a log-in with 503; auth reports err as a backend's failure.
func cannotTell(err error) error {
	return fmt.Errorf("limit by account: %w: %w", err, &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable"})
}

// digest stands for an account and an address, of IPv6 its /64: the table of
// known ones tells nobody from where an account is used.
func (g *guard) digest(text string) string {
	mac := hmac.New(sha256.New, g.key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (g *guard) knows(ctx context.Context, digest string) (bool, error) {
	ctx, cancel := g.db.within(ctx)
	defer cancel()
	var until int64
	err := g.db.QueryRowContext(ctx, g.db.q(`SELECT until FROM known_addresses WHERE digest = ?`), digest).Scan(&until)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return time.Now().Unix() < until, err
}

// remember also drops what is no longer known, and the oldest of an account that
// has more than maxKnown. The account is there by its id: a program that erases one finds
// its rows (docs/privacy.md).
func (g *guard) remember(ctx context.Context, digest, name string) error {
	ctx, cancel := context.WithTimeout(ctx, g.db.timeout/8) // the log-in itself has more to ask
	defer cancel()
	now := time.Now()
	var account string
	if err := g.db.QueryRowContext(ctx, g.db.q(`SELECT id FROM users WHERE username = ?`), name).Scan(&account); err != nil {
		return err
	}
	_, err1 := g.db.ExecContext(ctx, g.db.q(`INSERT INTO known_addresses (digest, account, until) VALUES (?, ?, ?)
		ON CONFLICT (digest) DO UPDATE SET until = excluded.until`), digest, account, now.Add(knownFor).Unix())
	_, err2 := g.db.ExecContext(ctx, g.db.q(`DELETE FROM known_addresses WHERE until < ?`), now.Unix())
	_, err3 := g.db.ExecContext(ctx, g.db.q(`DELETE FROM known_addresses WHERE account = ? AND digest NOT IN
		(SELECT digest FROM known_addresses WHERE account = ? ORDER BY until DESC LIMIT ?)`), account, account, maxKnown)
	return errors.Join(err1, err2, err3)
}

// tooManyError is a log-in that must wait.
type tooManyError struct{ after time.Duration }

func (e tooManyError) Error() string             { return "too many failed log-ins for this account" }
func (e tooManyError) RetryAfter() time.Duration { return e.after }
