package column

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/internal/conferr"
)

const (
	defaultBatch = 200
	maxBatch     = 10_000 // below what PostgreSQL and SQLite take as arguments of one statement
	maxTries     = 100    // for a row that others write at the same time
)

// ReasonNoField is a [rampart.ConfigError]'s: row-bound values need a cipher of
// [fernet.Keyring.Field].
const ReasonNoField rampart.Reason = "no_field"

// Reencrypt brings the values of a column under the first key, beside the
// programs that use the table. What is there already is left alone, so it can be
// interrupted anywhere, killed too, and run again: it is complete when a run that
// began after every writer had the new first key ends without an error.
//
// The order of a change of keys is: [fernet.Keyring.Reconfigure] with (old, new) in
// every process, then with (new, old), then Reencrypt, then with (new) alone.
//
// A value is written only if it is still the one that was read (compare and
// set); one that was written meanwhile is read again. Rows that are locked by
// others are waited for only while no lock is held, so a run causes no deadlock.
type Reencrypt struct {
	_ [0]func() // no comparison, no unkeyed literals

	// DB is the database, at the isolation level READ COMMITTED (PostgreSQL's default).
	DB *sql.DB

	// Dialect is what DB speaks; there is no default.
	Dialect rampart.Dialect

	// Table, ID, Column and IndexColumn are names as the database has them; they
	// are quoted. Table may be "schema.table". ID is the primary key of one
	// column: its values are integers, text or (in PostgreSQL) UUIDs. If it is
	// NULL beside a value, as SQLite lets a primary key be, or several values have
	// one, nothing is done.
	Table, ID, Column string

	// IndexColumn holds the blind index of the column's value; "": there is none.
	// It needs Index, and is brought up to date together with the value.
	IndexColumn string

	// Cipher encrypts the column, and Index makes IndexColumn.
	Cipher *fernet.Cipher
	Index  *Index

	// RowBound says that values are bound to their rows ([fernet.Cipher.Row]), by their
	// ID: an integer in decimal, text as it is.
	RowBound bool

	// From, if not nil, opens what Cipher does not, such as tokens from before
	// the column had a key of its own or was bound to its rows. They are written
	// anew by Cipher, with their times. While From is given, what was moved here
	// from another place where From encrypts is taken for this column's.
	From *fernet.Cipher

	// After, if not nil, is where to go on: the Last of an earlier run's [Progress].
	After any

	// Batch is how many rows are read, and written in one transaction; 0: 200.
	Batch int

	// DryRun changes nothing; the counts say what would be changed.
	DryRun bool
}

// Progress says how far a [Reencrypt] has come.
type Progress struct {
	Rows    int `json:"rows"`    // rows with a value that were looked at
	Changed int `json:"changed"` // values or indexes written, or in a dry run to be written
	Retried int `json:"retried"` // times that a row was read again because another had changed or locked it
	Invalid int `json:"invalid"` // values that do not open; they are left as they are
	Last    any `json:"-"`       // ID of the last row; see [Reencrypt].After

	// InvalidIDs holds the ID of the first 100 of Invalid.
	InvalidIDs []any `json:"-"`
}

// Run goes through the table in the order of ID and calls each, if not nil, after
// every batch. It returns how far it has come, and every mistake in r (each a
// [*rampart.ConfigError], joined), an error of the database, that of ctx, one
// about values in rows without an ID of their own, before anything is written, or, at the end,
// an error with [fernet.ErrInvalid] in its tree if there were values that do not open.
func (r Reencrypt) Run(ctx context.Context, each func(Progress)) (Progress, error) {
	if err := r.check(); err != nil {
		return Progress{}, err
	}
	run := &reencryption{Reencrypt: r, sql: r.statements()}
	run.progress.Last = r.After
	if err := run.refuseLost(ctx); err != nil {
		return run.progress, err
	}
	for {
		rows, err := run.read(ctx)
		if err != nil {
			return run.progress, err
		}
		if len(rows) == 0 {
			break
		}
		if err := run.batch(ctx, rows); err != nil {
			return run.progress, err
		}
		run.progress.Last = rows[len(rows)-1].id
		if each != nil {
			each(run.progress)
		}
		if len(rows) < r.batchSize() {
			break
		}
	}
	if n := run.progress.Invalid; n > 0 {
		return run.progress, fmt.Errorf("column: %d values of %q.%q: %w", n, r.Table, r.Column, fernet.ErrInvalid)
	}
	return run.progress, nil
}

func (r Reencrypt) batchSize() int {
	if r.Batch == 0 {
		return defaultBatch
	}
	return r.Batch
}

// check returns every mistake in r.
func (r Reencrypt) check() error {
	bad := conferr.For("column.Reencrypt")
	bad.If(r.DB == nil, "DB", rampart.ReasonMissing, nil, conferr.WantDB)
	bad.If(r.Dialect != rampart.SQLite && r.Dialect != rampart.PostgreSQL, "Dialect", rampart.ReasonInvalid, r.Dialect, conferr.WantDialect)
	for _, name := range []struct{ field, value string }{{"Table", r.Table}, {"ID", r.ID}, {"Column", r.Column}} {
		bad.If(name.value == "", name.field, rampart.ReasonMissing, nil, "write the name as the database has it")
	}
	bad.If(!r.Cipher.Usable(), "Cipher", rampart.ReasonMissing, nil, "give a cipher of a fernet.Keyring")
	bad.If(r.RowBound && r.Cipher.Usable() && !r.Cipher.Row("1").Usable(), "Cipher", ReasonNoField, nil, "row-bound values need a cipher of Keyring.Field")
	bad.If(r.From != nil && !r.From.Usable(), "From", rampart.ReasonMissing, nil, "give the cipher that the values have now, or nil")
	bad.If(r.IndexColumn != "" && !r.Index.usable(), "Index", rampart.ReasonMissing, nil, "give the index that fills IndexColumn, or leave IndexColumn empty")
	bad.If(r.IndexColumn == "" && r.Index != nil, "IndexColumn", rampart.ReasonMissing, nil, "name the column that Index fills, or leave Index nil")
	bad.If(r.Batch < 0 || r.Batch > maxBatch, "Batch", rampart.ReasonInvalid, r.Batch, "use 1 to 10000 rows; 0 means 200")
	return bad.Err()
}

// reencryption is one run.
type reencryption struct {
	Reencrypt
	sql      statements
	progress Progress
}

// record is one row as it was read. Values are text or bytes, as the column's
// type has it, or nil.
type record struct {
	id, value, index any
}

// write is what a row becomes.
type write struct {
	record
	newValue, newIndex any
}

// refuseLost returns an error if a value is in a row whose ID is NULL, or that of
// another row: no comparison finds it, or a page may end before it, so it would stay
// under the old key without a word.
func (r *reencryption) refuseLost(ctx context.Context) error {
	for _, check := range []struct{ query, flaw string }{
		{r.sql.lost, "is NULL; give those one"},
		{r.sql.shared, "is that of another row; give each its own"},
	} {
		var found bool
		if err := r.DB.QueryRowContext(ctx, check.query).Scan(&found); err != nil {
			return err
		}
		if found {
			return fmt.Errorf("column: there are values of %q.%q in rows whose %q %s", r.Table, r.Column, r.ID, check.flaw)
		}
	}
	return nil
}

// read returns the next rows.
func (r *reencryption) read(ctx context.Context) ([]record, error) {
	query, args := r.sql.first, []any{}
	if r.progress.Last != nil {
		query, args = r.sql.next, []any{r.progress.Last}
	}
	rows, err := r.DB.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []record
	for rows.Next() {
		rec, err := r.scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, rec)
	}
	return all, rows.Err()
}

func (r *reencryption) scan(row interface{ Scan(dst ...any) error }) (rec record, err error) {
	if r.IndexColumn == "" {
		err = row.Scan(&rec.id, &rec.value)
	} else {
		err = row.Scan(&rec.id, &rec.value, &rec.index)
	}
	return rec, err
}

// batch writes the rows that need it, in one transaction, and those that others
// hold or have changed one by one after that.
func (r *reencryption) batch(ctx context.Context, rows []record) error {
	var writes []write
	for _, rec := range rows {
		r.progress.Rows++
		w, needed, err := r.plan(rec)
		if err != nil {
			return err
		}
		if needed {
			writes = append(writes, w)
		}
	}
	if r.DryRun || len(writes) == 0 {
		r.progress.Changed += len(writes)
		return nil
	}
	left, err := r.writeTogether(ctx, writes)
	if err != nil {
		return err
	}
	for _, id := range left {
		if err := r.settle(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// writeTogether returns the ids of the rows that were locked or changed.
func (r *reencryption) writeTogether(ctx context.Context, writes []write) (left []any, err error) {
	tx, err := r.DB.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after Commit
	free, err := r.lock(ctx, tx, writes)
	if err != nil {
		return nil, err
	}
	changed := 0
	for _, w := range writes {
		ok := free == nil || free[textOf(w.id)]
		if ok {
			if ok, err = r.compareAndSet(ctx, tx, w); err != nil {
				return nil, err
			}
		}
		if ok {
			changed++
		} else {
			left = append(left, w.id)
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, err
	}
	r.progress.Changed += changed
	return left, nil
}

// lock locks those of the rows that nobody holds, without waiting, and returns
// their ids. In SQLite there are no locks of rows: it returns nil, and the first
// write waits for the database's.
func (r *reencryption) lock(ctx context.Context, tx *sql.Tx, writes []write) (map[string]bool, error) {
	if r.Dialect != rampart.PostgreSQL {
		return nil, nil
	}
	ids := make([]any, len(writes))
	for i, w := range writes {
		ids[i] = w.id
	}
	rows, err := tx.QueryContext(ctx, r.sql.lock(len(ids)), ids...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	free := make(map[string]bool, len(ids))
	for rows.Next() {
		var id any
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		free[textOf(id)] = true
	}
	return free, rows.Err()
}

// settle reads one row and writes it, until nobody comes in between.
func (r *reencryption) settle(ctx context.Context, id any) error {
	for range maxTries {
		r.progress.Retried++
		rec, err := r.scan(r.DB.QueryRowContext(ctx, r.sql.one, id))
		if errors.Is(err, sql.ErrNoRows) {
			return nil // deleted, or its value is NULL now
		}
		if err != nil {
			return err
		}
		w, needed, err := r.plan(rec)
		if err != nil || !needed {
			return err
		}
		ok, err := r.compareAndSet(ctx, r.DB, w)
		if err != nil {
			return err
		}
		if ok {
			r.progress.Changed++
			return nil
		}
	}
	return fmt.Errorf("column: row %q of %q is written to all the time", textOf(id), r.Table)
}

// compareAndSet writes w if the row has not changed since it was read. The value
// tells: no two encryptions give the same token.
func (r *reencryption) compareAndSet(ctx context.Context, db interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}, w write,
) (bool, error) {
	query, args := r.sql.update, []any{w.newValue}
	if r.IndexColumn != "" {
		args = append(args, w.newIndex)
	}
	args = append(args, w.id, w.value)
	if w.value == nil {
		query, args = r.sql.clearIndex, []any{w.id}
	}
	res, err := db.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// plan says what the row is to become, and whether that differs from what it is.
func (r *reencryption) plan(rec record) (w write, needed bool, err error) {
	w = write{record: rec, newValue: rec.value, newIndex: rec.index}
	if rec.value == nil { // a value that is NULL has no index
		w.newIndex = nil
		return w, rec.index != nil, nil
	}
	var to rotator = r.Cipher
	if r.RowBound {
		id, ok := rowID(rec.id)
		if !ok {
			return w, false, fmt.Errorf("column: %q.%q is a %T; to be bound to, it must be an integer or text", r.Table, r.ID, rec.id)
		}
		to = r.Cipher.Row(id)
	}
	text, token, needed, err := r.moved(to, []byte(textOf(rec.value)))
	if err != nil {
		r.progress.Invalid++
		if len(r.progress.InvalidIDs) < 100 {
			r.progress.InvalidIDs = append(r.progress.InvalidIDs, rec.id)
		}
		return w, false, nil
	}
	if needed {
		w.newValue = like(rec.value, string(token))
	}
	if r.IndexColumn != "" {
		if index := r.Index.Of(string(text)); rec.index == nil || textOf(rec.index) != index {
			w.newIndex, needed = like(rec.index, index), true
		}
	}
	clear(text)
	return w, needed, nil
}

// A rotator is a cipher of the column, or of one of its rows.
type rotator interface {
	Cipher
	EncryptAt(msg []byte, at time.Time) []byte
	Rotate(token []byte) (t []byte, changed bool, err error)
}

// moved opens a value and returns its text and the token that is to stand for
// it, with the time of the old one.
func (r *reencryption) moved(to rotator, old []byte) (text, token []byte, changed bool, err error) {
	if text, err = to.Decrypt(old); err == nil {
		token, changed, err = to.Rotate(old)
		return text, token, changed, err
	}
	if r.From != nil {
		text, err = r.From.Decrypt(old)
	}
	if err != nil {
		return nil, nil, false, err
	}
	at, err := r.From.Timestamp(old)
	return text, to.EncryptAt(text, at), true, err
}

// rowID returns the id as [fernet.Cipher.Row] takes it.
func rowID(id any) (string, bool) {
	switch v := id.(type) {
	case int64:
		return strconv.FormatInt(v, 10), true
	case string:
		return v, v != ""
	case []byte:
		return string(v), len(v) > 0
	default:
		return "", false
	}
}

// textOf returns a column's value as text.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}

// like returns text as the type that old has: what is compared must be of the
// column's type.
func like(old any, text string) any {
	if _, ok := old.([]byte); ok {
		return []byte(text)
	}
	return text
}
