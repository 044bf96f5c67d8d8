package authdjango

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart/auth/session"
)

// spare is how many sessions List reads in place of those that Django has ended.
const spare = 200

// List implements [session.Store]. It leaves out a session whose newest token Django
// has ended or rotated, until the token that Django has made is used here.
func (s *Store) List(ctx context.Context, subject string, limit int) ([]session.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	live, err := s.own.List(ctx, subject, min(max(limit, 0), 1<<20)+spare)
	if err != nil {
		return nil, err
	}
	ended, err := s.columns(ctx, s.q.listedMany, subject, time.Now().UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("authdjango: list: %w", err)
	}
	live = slices.DeleteFunc(live, func(l session.Session) bool { return slices.Contains(ended, l.ID) })
	return live[:min(len(live), max(limit, 0))], nil
}

// columns runs a query whose columns are all text, and returns them in one list.
func (s *Store) columns(ctx context.Context, query string, args ...any) (all []string, err error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, into := make([]string, len(columns)), make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		all = append(all, row...)
	}
	return all, rows.Err()
}

// Revoke implements [session.Store]. It blacklists the newest token of the session, and
// those that Django made of it and wrote down.
func (s *Store) Revoke(ctx context.Context, id string) (bool, error) {
	known := false
	err := s.in(ctx, "revoke", func(ctx context.Context, tx *sql.Tx) (bool, error) {
		var err error
		if known, err = s.own.In(tx).Revoke(ctx, id); err != nil || !known {
			return false, err
		}
		sess, err := s.own.In(tx).Get(ctx, id)
		if err != nil {
			return false, err
		}
		var listed bool
		if err := tx.QueryRowContext(ctx, s.q.mark, id).Scan(&sess.Generation, &sess.TokenID, &listed); err != nil {
			return false, err
		}
		if listed {
			return true, nil
		}
		if err := s.outstand(ctx, tx, sess); err != nil {
			return false, err
		}
		_, err = s.blacklist(ctx, tx, tokenID(sess))
		return true, err
	})
	if err != nil || !known {
		return known, err
	}
	return true, s.endCopies(ctx, id)
}

// endCopies blacklists the tokens that say that they are of a session.
func (s *Store) endCopies(ctx context.Context, id string) error {
	sess, err := s.own.Get(ctx, id)
	if errors.Is(err, session.ErrNoSession) {
		return nil
	}
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	pairs, err := s.columns(asking, s.q.texts, key(sess.Subject), s.django(alive()))
	if err != nil {
		return fmt.Errorf("authdjango: revoke: %w", err)
	}
	return s.in(ctx, "revoke", func(ctx context.Context, tx *sql.Tx) (bool, error) {
		for pair := range slices.Chunk(pairs, 2) {
			if sessionOf(pair[1]) != id {
				continue
			}
			if _, err := s.blacklist(ctx, tx, pair[0]); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// sessionOf returns the claim sid of a token in Django's table; "" if it has none.
func sessionOf(text string) string {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return ""
	}
	var claims struct {
		Session string `json:"sid"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Session
}

// RevokeSubject implements [session.Store]. It blacklists the outstanding tokens of the
// account, Django's own included: those count from when each was made. It counts
// sessions that Django has ended or rotated, too.
func (s *Store) RevokeSubject(ctx context.Context, subject string, before time.Time) (int, error) {
	ended, err := s.own.RevokeSubject(ctx, subject, before)
	if err != nil {
		return ended, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err = s.db.ExecContext(ctx, s.q.reach, s.django(time.Now()), key(subject), s.django(alive()), s.django(before), s.django(time.Now()), subject, before.UnixMicro())
	if err != nil {
		return ended, fmt.Errorf("authdjango: revoke subject: %w", err)
	}
	return ended, nil
}

// RevokeBefore implements [session.Store]. It ends everything here first, and then in
// Django's table, a thousand tokens at a time: only each step is bounded by Timeout. If
// it fails halfway, call it again.
func (s *Store) RevokeBefore(ctx context.Context, before time.Time) error {
	if err := s.own.RevokeBefore(ctx, before); err != nil {
		return err
	}
	for {
		n, err := s.reachAll(ctx, before)
		if err != nil {
			return fmt.Errorf("authdjango: revoke before: %w", err)
		}
		if n == 0 {
			return nil
		}
	}
}

func (s *Store) reachAll(ctx context.Context, before time.Time) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	done, err := s.db.ExecContext(ctx, s.q.reachAll, s.django(time.Now()), s.django(alive()), s.django(alive()), s.django(before), s.django(time.Now()), before.UnixMicro())
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}
