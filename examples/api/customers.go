package main

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/sanitize/markup"
)

// registration is what a new customer sends.
type registration struct {
	Email string                    `json:"email" validate:"required,email"`
	Name  string                    `json:"name" sanitize:"text,html=basic" validate:"required,min=1,max=200"`
	Phone string                    `json:"phone" validate:"required,phone"`
	Note  sanitize.Optional[string] `json:"note" sanitize:"text,html=basic" validate:"max=2000"`
}

// shown is bleach.clean, which pages rely on that put a name into HTML as it comes. It
// leaves alone what it, or Django, has cleaned before; rows from before names were
// cleaned here come out clean, too.
var shown = markup.Basic()

// registered is what everybody sees of a customer; customer adds what only a
// reader with the scope sees.
type registered struct {
	ID    int64  `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

type customer struct {
	registered
	Phone string  `json:"phone"`
	Note  *string `json:"note"`
}

// columns are the encrypted ones of the customers table.
type columns struct {
	phone      *fernet.Cipher // plain Fernet tokens, as Django writes them: either side reads the other's rows
	phoneIndex *column.Index  // finds a customer by phone
	note       *fernet.Cipher // bound to its row: write access to the table does not let anyone move a note to another customer
}

func newColumns(ring *fernet.Keyring) columns {
	return columns{phone: ring.Cipher(), phoneIndex: column.NewIndex(ring, "customers.phone", onePhone), note: ring.Field("customers.note")}
}

// onePhone returns the form under which a number is indexed: Django stored what was
// typed.
func onePhone(text string) string {
	if phone, err := sanitize.Phone(text); err == nil {
		return phone
	}
	return text
}

// jobs bring the columns under the newest key.
func (c columns) jobs(db *database) []column.Reencrypt {
	jobs := []column.Reencrypt{
		{Column: "phone", Cipher: c.phone, IndexColumn: "phone_index", Index: c.phoneIndex},
		{Column: "note", Cipher: c.note, RowBound: true},
	}
	for i := range jobs {
		jobs[i].DB, jobs[i].Dialect, jobs[i].Table, jobs[i].ID = db.DB, db.dialect, "customers", "id"
	}
	return jobs
}

// register keeps a customer. An address may register again: an error would tell
// strangers who is a customer.
func (a *app) register(w http.ResponseWriter, r *http.Request, in registration) {
	out := registered{Email: in.Email, Name: in.Name}
	if err := a.insertCustomer(r.Context(), &out, in); err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, out)
}

func (a *app) insertCustomer(ctx context.Context, out *registered, in registration) error {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing once committed
	err = tx.QueryRowContext(ctx, a.db.q(`INSERT INTO customers (email, name, phone, phone_index) VALUES (?, ?, ?, ?) RETURNING id`),
		in.Email, in.Name, column.Seal(a.columns.phone, in.Phone), a.columns.phoneIndex.Seal(in.Phone)).Scan(&out.ID)
	if err != nil {
		return err
	}
	if in.Note.Set && !in.Note.Null { // its row is known only now
		note := column.Seal(a.columns.note.Row(strconv.FormatInt(out.ID, 10)), in.Note.Value)
		if _, err := tx.ExecContext(ctx, a.db.q(`UPDATE customers SET note = ? WHERE id = ?`), note, out.ID); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// scanCustomer reads a row of selectCustomers.
func (a *app) scanCustomer(row interface{ Scan(dst ...any) error }) (customer, error) {
	var c customer
	var note sql.NullString
	if err := row.Scan(&c.ID, &c.Email, &c.Name, column.Scan(a.columns.phone, &c.Phone), &note); err != nil {
		return c, err
	}
	c.Name = shown.Clean(c.Name)
	if !note.Valid {
		return c, nil
	}
	text, err := a.columns.note.Row(strconv.FormatInt(c.ID, 10)).DecryptString(note.String)
	text = shown.Clean(text)
	c.Note = &text
	return c, err
}

const selectCustomers = `SELECT id, email, name, phone, note FROM customers WHERE `

func (a *app) getCustomer(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != r.PathValue("id") { // one customer has one address: not 01, too
		notFound(w)
		return
	}
	c, err := a.scanCustomer(a.db.QueryRowContext(r.Context(), a.db.q(selectCustomers+`id = ?`), id))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		notFound(w)
	case err != nil:
		a.fail(w, r, err)
	default:
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, http.StatusOK, c)
	}
}

// search is how customers are found.
type search struct {
	Phone string `json:"phone" validate:"required,phone"`
}

// findCustomers searches by the blind index: no row is decrypted that is not
// asked for.
func (a *app) findCustomers(searches *sanitize.Binder[search]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := searches.BindQuery(r)
		if p, ok := errors.AsType[*rampart.Problem](err); ok {
			p.Write(w)
			return
		}
		found, err := a.customersByPhone(r.Context(), s.Phone)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, http.StatusOK, found)
	}
}

func (a *app) customersByPhone(ctx context.Context, phone string) ([]customer, error) {
	var args []any
	for _, index := range a.columns.phoneIndex.AllOf(phone) { // one for each key, while keys are changed
		args = append(args, index)
	}
	in := strings.TrimPrefix(strings.Repeat(", ?", len(args)), ", ")
	rows, err := a.db.QueryContext(ctx, a.db.q(selectCustomers+`phone_index IN (`+in+`) ORDER BY id LIMIT ?`), append(args, pageSize)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := []customer{}
	for rows.Next() {
		c, err := a.scanCustomer(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	return found, rows.Err()
}

func notFound(w http.ResponseWriter) {
	(&rampart.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "Not found."}).Write(w)
}
