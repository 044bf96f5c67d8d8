package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeysql"
)

// What is brought in from Django: docs/migrating-from-django.md has the steps.

const keyPrefix = "eco_live"

// djangoKeys are those of the original's model APIKey, which kept them as they are.
var djangoKeys = apikey.PlainText()

// djangoKey is a row of shop_apikey, as manage.py dumpdata prints it.
type djangoKey struct {
	Fields struct {
		Key     string      `json:"key"`
		Name    string      `json:"name"`
		Active  bool        `json:"is_active"`
		Expires *djangoTime `json:"expires_at"`
	} `json:"fields"`
}

// djangoTime is a time as Django's serializer writes it: without a zone where USE_TZ is
// False, and then read as the earliest that it can mean. No key lives longer here.
type djangoTime struct{ time.Time }

// UnmarshalJSON implements [json.Unmarshaler].
func (t *djangoTime) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	var err error
	if t.Time, err = time.Parse(time.RFC3339, text); err != nil {
		t.Time, err = time.ParseInLocation("2006-01-02T15:04:05", text, time.FixedZone("", 14*60*60))
	}
	return err
}

// importKeys takes over the API keys on standard input for an account, which can then
// list and revoke them. Keys that are there already are left alone, so that it can be
// run again. One that cannot be taken does not stop the others; the error names it by
// its number.
func (c *command) importKeys(ctx context.Context, db *database, owner string) error {
	var rows []djangoKey
	if err := json.NewDecoder(io.LimitReader(c.in, 64<<20)).Decode(&rows); err != nil {
		// The decoder's error may repeat what it read.
		return errors.New("standard input is not what manage.py dumpdata prints")
	}
	var subject string
	err := db.QueryRowContext(ctx, db.q(`SELECT id FROM users WHERE username = ?`), owner).Scan(&subject)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: %q", errNoAccount, owner)
	}
	if err != nil {
		return err
	}
	store, err := apikeysql.New(db.DB, db.dialect, apikeysql.Config{Timeout: db.timeout})
	if err != nil {
		return err
	}
	keys, err := apikey.New(apikey.Config{Store: store, Prefix: keyPrefix, Legacy: []apikey.Legacy{djangoKeys}, Logger: c.log})
	if err != nil {
		return err
	}
	defer func() { _ = keys.Close() }() //nolint:contextcheck // it writes nothing: no key was used
	taken, there := 0, 0
	var refused []error
	for i, row := range rows {
		_, err := keys.Import(ctx, row.key(subject), djangoKeys, row.Fields.Key)
		switch {
		case errors.Is(err, apikey.ErrConflict):
			there++
		case unavailable(err):
			return fmt.Errorf("key %d of %d: %w", i+1, len(rows), err)
		case err != nil:
			refused = append(refused, fmt.Errorf("key %d of %d: %w", i+1, len(rows), err))
		default:
			taken++
		}
	}
	rampart.NewReporter(c.log, "examples/api").Report(ctx, rampart.AuthzAdmin, "key import", slog.String("actor", "shell"), slog.String("action", "key import"), rampart.Text("target", owner))
	fmt.Fprintf(c.out, "Imported %d keys for %s; %d were there already.\n", taken, owner, there)
	return errors.Join(refused...)
}

// unavailable reports whether err is the database's, and not the key's.
func unavailable(err error) bool {
	e, ok := errors.AsType[*apikey.Error](err)
	return ok && e.Reason == apikey.KeyUnavailable
}

// key is what is kept of the row beside the hash of its key. Django does not say when a
// key was switched off.
func (k djangoKey) key(owner string) apikey.Key {
	out := apikey.Key{Name: k.Fields.Name, Owner: owner}
	if out.Name == "" { // Django's default
		out.Name = "imported"
	}
	if k.Fields.Expires != nil {
		out.Expires = k.Fields.Expires.Time
	}
	if !k.Fields.Active {
		out.Revoked = time.Now()
	}
	return out
}

// index makes the customers that have no index findable by phone, and brings what is
// under an older key under the newest: at once, where the server does it at its start.
func (c *command) index(ctx context.Context) error {
	srv, err := open(ctx, c.s, c.log, nil) // which has the newest key
	if err != nil {
		return err
	}
	defer srv.close() //nolint:contextcheck // ctx may be why
	for _, job := range srv.app.columns.jobs(srv.db) {
		done, err := job.Run(ctx, nil)
		if err != nil {
			return redacted(err, c.s.db)
		}
		fmt.Fprintf(c.out, "customers.%s: %d of %d rows written.\n", job.Column, done.Changed, done.Rows)
	}
	return nil
}

// unindexed reports whether a customer cannot be found by phone: one that Django wrote,
// or that was copied from its table.
func (d *database) unindexed(ctx context.Context) (found bool, err error) {
	ctx, cancel := d.within(ctx)
	defer cancel()
	err = d.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM customers WHERE phone_index IS NULL)`).Scan(&found)
	return found, err
}
