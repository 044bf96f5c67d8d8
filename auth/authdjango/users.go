package authdjango

import (
	"context"
	"crypto/md5" //nolint:gosec // G501: it is simplejwt's claim, which guards nothing by its strength
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/jose"
)

// Revoked is for [auth.VerifierConfig] Revoked, and implements [session.Shared]: it
// reports whether Django would refuse the account of t, whether the session of t, or
// all of its account or of everybody, was ended here, and, of a sliding token, whether it
// is blacklisted. It takes two queries, of a sliding token three.
func (s *Store) Revoked(ctx context.Context, t *auth.Token) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	revoked, err := session.RevokedIn(s.own)(ctx, t)
	if err != nil || revoked {
		return revoked, err
	}
	if !jose.IsSession(t.Session()) { // of a log-in at Django: no row says when it was ended
		err := s.db.QueryRowContext(ctx, s.q.ended, t.Subject(), t.AuthTime().UnixMicro()).Scan(&revoked)
		if err != nil || revoked {
			return revoked, wrap("revoked", err)
		}
	}
	if t.Kind() == auth.Sliding {
		if revoked, err := s.listed(ctx, s.db, t.ID()); err != nil || revoked {
			return revoked, wrap("revoked", err)
		}
	}
	active, hash, err := s.account(ctx, t.Subject())
	if err != nil || !active {
		return true, err
	}
	if s.claim == "" {
		return false, nil
	}
	var claim string
	if t.Claim(s.claim, &claim) != nil {
		return true, nil // without the claim, as Django has it
	}
	return subtle.ConstantTimeCompare([]byte(claim), []byte(fingerprint(hash))) != 1, nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("authdjango: %s: %w", what, err)
}

// Active reports whether the account of subject is there and may log in: for
// [auth.Standing].
func (s *Store) Active(ctx context.Context, subject string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	active, _, err := s.account(ctx, subject)
	return active, err
}

// Claims implements [session.Shared]: the claim that CHECK_REVOKE_TOKEN asks for.
func (s *Store) Claims(ctx context.Context, subject string) (map[string]any, error) {
	if s.claim == "" {
		return nil, nil //nolint:nilnil // no claims
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, hash, err := s.account(ctx, subject)
	return map[string]any{s.claim: fingerprint(hash)}, err
}

// account returns the row of subject; not active if there is no such row.
func (s *Store) account(ctx context.Context, subject string) (active bool, hash string, err error) {
	err = s.db.QueryRowContext(ctx, s.q.user, key(subject)).Scan(&active, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return false, "", nil
	}
	return active || s.inactive, hash, wrap("user", err)
}

// fingerprint is simplejwt's get_md5_hash_password of what stands in the column.
func fingerprint(hash string) string {
	sum := md5.Sum([]byte(hash)) //nolint:gosec // G401: see the import
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// Users is a [session.Users] over Django's table of users. Create one with
// [Store.Users]. It is safe for concurrent use.
type Users struct {
	store  *Store
	hasher *password.Hasher
	logger *slog.Logger
}

// Users returns the accounts of the database, whose passwords hasher checks. Let it write
// a format that Django reads ([password.Config].Format): a hash that is not as hasher
// would write it is replaced at a log-in, but never by one in the PHC format. logger is
// told of hashes that cannot be read; nil: slog.Default().
func (s *Store) Users(hasher *password.Hasher, logger *slog.Logger) *Users {
	if logger == nil {
		logger = slog.Default()
	}
	return &Users{s, hasher, logger}
}

// Login implements [session.Users]. Names are compared as Django's ModelBackend does:
// exactly.
func (u *Users) Login(ctx context.Context, name, pw string) (string, error) {
	id, active, stored, err := u.find(ctx, name)
	if err != nil {
		return "", err
	}
	ok, fresh, err := u.hasher.Check(ctx, name, pw, stored)
	if broken, is := errors.AsType[*password.StoredError](err); is {
		// Ours to mend; a stranger must not learn that there is such an account.
		u.logger.LogAttrs(ctx, slog.LevelError, "a stored password hash cannot be read", slog.Int64("user", id), slog.String("reason", string(broken.Fault)))
		return "", session.ErrBadCredentials
	}
	if err != nil {
		return "", err
	}
	if !ok || !active && !u.store.inactive {
		return "", session.ErrBadCredentials
	}
	// One in the PHC format would lock the account out at Django.
	if fresh != "" && u.store.claim == "" && !strings.HasPrefix(fresh, "$") {
		u.replace(ctx, id, fresh, stored)
	}
	return strconv.FormatInt(id, 10), nil
}

func (u *Users) find(ctx context.Context, name string) (id int64, active bool, stored string, err error) {
	ctx, cancel := context.WithTimeout(ctx, u.store.timeout)
	defer cancel()
	err = u.store.db.QueryRowContext(ctx, u.store.q.login, name).Scan(&id, &active, &stored)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return id, active, stored, wrap("log-in", err)
}

// replace replaces a hash, unless it was changed meanwhile. The password was right: a
// database that fails here is no reason to refuse, and the next log-in tries again.
func (u *Users) replace(ctx context.Context, id int64, fresh, old string) {
	ctx, cancel := context.WithTimeout(ctx, u.store.timeout)
	defer cancel()
	if _, err := u.store.db.ExecContext(ctx, u.store.q.upgrade, fresh, id, old); err != nil {
		u.logger.LogAttrs(ctx, slog.LevelWarn, "a password hash was not replaced", slog.Int64("user", id), slog.String("error", err.Error()))
	}
}

// Census counts the hashes of all accounts by what they cost, for
// [password.Config].Census, a thousand at a time: only each step is bounded by Timeout.
func (s *Store) Census(ctx context.Context) (*password.Census, error) {
	census := new(password.Census)
	for after := int64(-1 << 62); ; {
		n, err := s.count(ctx, census, &after)
		if err != nil {
			return nil, wrap("census", err)
		}
		if n == 0 {
			return census, nil
		}
	}
}

func (s *Store) count(ctx context.Context, census *password.Census, after *int64) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, s.q.hashes, *after)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }() // Err tells
	for rows.Next() {
		var hash string
		if err := rows.Scan(after, &hash); err != nil {
			return 0, err
		}
		census.Add(hash)
		n++
	}
	return n, rows.Err()
}

// Active implements [session.Users].
func (u *Users) Active(ctx context.Context, subject string) (bool, error) {
	return u.store.Active(ctx, subject)
}
