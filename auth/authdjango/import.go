package authdjango

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/sqlutil"
)

// page is how many tokens an import reads at a time.
const page = 500

// keepImported is how long a row outlives its token, as that of a token which the
// service has adopted: the longest leeway, and what clocks and zones may differ
// by.
const keepImported = zones + 10*time.Minute

// ImportConfig configures [Import]. The zero ImportConfig fits Django's defaults.
type ImportConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Timeout bounds each page that is read. A minute at most; 0: 2 s, and 10 s with
	// SQLite.
	Timeout time.Duration

	// Issuer is the ISSUER of SIMPLE_JWT. "": its tokens have none.
	Issuer string
}

// Import ends in store every token that is in Django's blacklist and has not expired, so
// that it is refused once Django is gone and store is all there is. It returns how many
// it has seen. It holds 500 tokens at a time. It may run again, and while the service
// uses the store: run it once before the cut-over and once after Django has stopped.
func Import(ctx context.Context, db *sql.DB, d rampart.Dialect, cfg ImportConfig, store session.Store) (int, error) {
	if err := sqlutil.Check("authdjango.Import", db, d); err != nil {
		return 0, err
	}
	timeout, ok := sqlutil.Timeout(d, cfg.Timeout)
	bad := conferr.For("authdjango.ImportConfig")
	bad.If(!ok, "Timeout", rampart.ReasonInvalid, cfg.Timeout, sqlutil.WantTimeout)
	bad.If(store == nil, "store", rampart.ReasonMissing, nil, "give the store that the service uses from now on")
	if err := bad.Err(); err != nil {
		return 0, err
	}
	// A number, which every driver reads alike.
	expires := `CAST(EXTRACT(EPOCH FROM o.expires_at) * 1000000 AS BIGINT)`
	if d == rampart.SQLite {
		expires = `CAST(strftime('%s', o.expires_at) AS INTEGER) * 1000000` // NULL for what is no date, which fails: it may be alive
	}
	query := sqlutil.Rebind(d, `SELECT b.id, o.jti, COALESCE(CAST(o.user_id AS TEXT), ''), `+expires+`
		FROM `+blacklisted+` AS b JOIN `+outstanding+` AS o ON o.id = b.token_id WHERE b.id > ? ORDER BY b.id LIMIT `+strconv.Itoa(page))
	seen := 0
	for after := int64(-1 << 62); ; {
		rows, err := readPage(ctx, db, timeout, query, after)
		if err != nil {
			return seen, fmt.Errorf("authdjango: import: %w", err)
		}
		for _, row := range rows {
			if after = row.id; !row.expires.After(alive()) {
				continue
			}
			if err := row.end(ctx, cfg.Issuer, store); err != nil {
				return seen, fmt.Errorf("authdjango: import: %w", err)
			}
			seen++
		}
		if len(rows) < page {
			return seen, nil
		}
	}
}

// ended is a token of Django's blacklist.
type ended struct {
	id           int64
	jti, subject string
	expires      time.Time
}

func readPage(ctx context.Context, db *sql.DB, timeout time.Duration, query string, after int64) (all []ended, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	rows, err := db.QueryContext(ctx, query, after)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err tells
	for rows.Next() {
		var e ended
		var expires int64
		if err := rows.Scan(&e.id, &e.jti, &e.subject, &expires); err != nil {
			return nil, err
		}
		e.expires = time.UnixMicro(expires)
		all = append(all, e)
	}
	return all, rows.Err()
}

// end ends the session that the token began, or would begin.
func (e ended) end(ctx context.Context, issuer string, store session.Store) error {
	if sid, number, _ := strings.Cut(e.jti, "."); jose.IsRefreshID(e.jti) {
		// Ours: an old token of a session says nothing about the newest.
		sess, err := store.Get(ctx, sid)
		if errors.Is(err, session.ErrNoSession) {
			return nil
		}
		if err == nil && strconv.FormatInt(sess.Generation, 10) == number {
			_, err = store.Revoke(ctx, sid)
		}
		return err
	}
	// Django may not know when the token was made, or wrote another zone's time. From
	// before a floor the store would take no row, and so the token at its next use.
	now := time.Now()
	if e.subject == "" { // Django does not always know; the session is refused for everybody
		e.subject = "unknown"
	}
	id := jose.ForeignSession(issuer, e.jti)
	err := store.Create(ctx, session.Session{
		ID: id, Subject: e.subject, AuthenticatedAt: now, Generation: 1, RotatedAt: now,
		Expires: e.expires, Ends: e.expires.Add(keepImported), TokenID: e.jti,
	})
	switch {
	case errors.Is(err, session.ErrSuperseded):
		return nil // its subject's sessions were ended just now
	case errors.Is(err, session.ErrSessionExists):
		sess, err := store.Get(ctx, id)
		if errors.Is(err, session.ErrNoSession) || err == nil && sess.Generation > 1 {
			return nil // it was used up here: as above
		}
		if err != nil {
			return err
		}
	case err != nil:
		return err
	}
	_, err = store.Revoke(ctx, id)
	return err
}
