package main

import (
	"context"
	"database/sql"
	"errors"
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/sanitize"
)

// product is one row of the marketplace, as clients see it.
type product struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"` // HTML, cleaned when it came in
	Price       string `json:"price"`       // decimal, two places
}

// newProduct is what a seller sends.
type newProduct struct {
	Name        string `json:"name" sanitize:"text" validate:"required,min=1,max=200"`
	Description string `json:"description" sanitize:"html=ugc" validate:"max=10000"`
	Price       string `json:"price" validate:"required,decimal=10:2,min=0"` // as DecimalField(max_digits=10, decimal_places=2)
}

const pageSize = 100

// list returns a page of products: those with an id above after.
func (d *database) listProducts(ctx context.Context, after int64) ([]product, error) {
	rows, err := d.QueryContext(ctx, d.q(`SELECT id, name, description, price FROM products WHERE id > ? ORDER BY id LIMIT ?`), after, pageSize)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	products := []product{} // an empty list is [], not null
	for rows.Next() {
		var p product
		if err := rows.Scan(&p.ID, &p.Name, &p.Description, &p.Price); err != nil {
			return nil, err
		}
		products = append(products, p)
	}
	return products, rows.Err()
}

// queryer is a database or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (d *database) insertProduct(ctx context.Context, db queryer, n newProduct) (product, error) {
	p := product{Name: n.Name, Description: n.Description, Price: n.Price}
	err := db.QueryRowContext(ctx, d.q(`INSERT INTO products (name, description, price) VALUES (?, ?, ?) RETURNING id`), n.Name, n.Description, n.Price).Scan(&p.ID)
	return p, err
}

// seedProducts gives a fresh demo something to list.
func (d *database) seedProducts(ctx context.Context, tx *sql.Tx) error {
	for _, p := range []newProduct{
		{"Beeswax wrap", "Keeps bread fresh <em>without plastic</em>.", "12.50"},
		{"Bamboo toothbrush", "Soft bristles, compostable handle.", "3.90"},
		{"Solid shampoo", "One bar, <strong>80 washes</strong>.", "8.00"},
	} {
		if _, err := d.insertProduct(ctx, tx, p); err != nil {
			return err
		}
	}
	return nil
}

// page says where a list goes on.
type page struct {
	After int64 `json:"after" validate:"min=0"` // id of the last product seen
}

func (a *app) getProducts(pages *sanitize.Binder[page]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from, err := pages.BindQuery(r)
		if p, ok := errors.AsType[*rampart.Problem](err); ok {
			p.Write(w)
			return
		}
		products, err := a.db.listProducts(r.Context(), from.After)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, products)
	}
}

func (a *app) postProduct(w http.ResponseWriter, r *http.Request, n newProduct) {
	p, err := a.db.insertProduct(r.Context(), a.db, n)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, p)
}
