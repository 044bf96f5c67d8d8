package main

import (
	"database/sql"
	"errors"
	"net/http"
	"strconv"

	"github.com/ecolaura/rampart"
)

// registration is what a new customer sends.
type registration struct {
	Email string `json:"email" validate:"required,email"`
	Name  string `json:"name" sanitize:"text" validate:"required,min=1,max=200"`
	Phone string `json:"phone" validate:"required,phone"`
}

// registered is what everybody sees of a customer; customer adds what only a
// reader with the scope sees.
type registered struct {
	ID    int64  `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

type customer struct {
	registered
	Phone string `json:"phone"`
}

// register keeps the phone as a plain Fernet token, as Django does, so that
// either side reads the other's rows. An address may register again: an error
// would tell strangers who is a customer.
func (a *app) register(w http.ResponseWriter, r *http.Request, in registration) {
	out := registered{Email: in.Email, Name: in.Name}
	err := a.db.QueryRowContext(r.Context(), a.db.q(`INSERT INTO customers (email, name, phone) VALUES (?, ?, ?) RETURNING id`),
		in.Email, in.Name, a.fields.EncryptString(in.Phone)).Scan(&out.ID)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, out)
}

func (a *app) getCustomer(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		notFound(w)
		return
	}
	var c customer
	err = a.db.QueryRowContext(r.Context(), a.db.q(`SELECT id, email, name, phone FROM customers WHERE id = ?`), id).
		Scan(&c.ID, &c.Email, &c.Name, a.fields.Scan(&c.Phone))
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

func notFound(w http.ResponseWriter) {
	(&rampart.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "Not found."}).Write(w)
}
