package main

import (
	"cmp"
	"encoding/json"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/server"
)

// A storefront is the shop's pages. They give what the API gives, through the same
// handlers and limits, and need no script.
type storefront struct {
	*browser
	app                *app
	keys               *apikey.Keys
	register, password http.Handler // of the API, inside its limits
}

// mount adds the pages.
func (s *storefront) mount(mux *server.Mux) error {
	files, err := fs.Sub(shopFiles, "shop")
	if err != nil {
		return err
	}
	open := func(h http.HandlerFunc) http.Handler { return s.open(h) }
	required := func(h http.HandlerFunc) http.Handler { return s.required(h) }
	mux.Handle("GET /{$}", open(s.products))
	for _, name := range []string{"shop.css", "icon.svg"} { // the templates are nobody's
		mux.Handle("GET /shop/"+name, s.pages(http.StripPrefix("/shop/", http.FileServerFS(files))))
	}
	mux.Handle("GET /login", open(s.getLogin))
	mux.Handle("POST /login", open(s.postLogin))
	mux.Handle("POST /logout", open(s.postLogout))
	mux.Handle("GET /register", open(func(w http.ResponseWriter, r *http.Request) { s.page(w, r, http.StatusOK, "register", nil) }))
	mux.Handle("POST /register", open(s.postRegister))
	mux.Handle("GET /account", required(func(w http.ResponseWriter, r *http.Request) { s.account(w, r, http.StatusOK, "") }))
	mux.Handle("POST /account/password", required(s.postPassword))
	mux.Handle("POST /account/everywhere", required(s.everywhere))
	mux.Handle("GET /partner", required(func(w http.ResponseWriter, r *http.Request) { s.partner(w, r, http.StatusOK, nil) }))
	mux.Handle("POST /partner", required(s.postPartner))
	mux.Handle("POST /partner/rotate", required(s.rotate))
	return nil
}

func (s *storefront) products(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := s.app.db.within(r.Context())
	defer cancel()
	list, err := s.app.db.listProducts(ctx, 0)
	if err != nil {
		s.app.fail(w, r, err)
		return
	}
	s.page(w, r, http.StatusOK, "products", map[string]any{"Products": list})
}

// says tells a person why the API refused.
func says(a *inner) string {
	var p struct {
		Detail string
		Errors []rampart.FieldError
	}
	if json.Unmarshal(a.body.Bytes(), &p) != nil {
		return "This cannot be done right now."
	}
	texts := []string{cmp.Or(p.Detail, "This was refused.")}
	for _, e := range p.Errors {
		texts = append(texts, strings.TrimPrefix(e.Pointer, "#/")+": "+e.Detail)
	}
	return strings.Join(texts, " ")
}

// asJSON writes some fields of a form as the API takes them.
func (s *storefront) asJSON(w http.ResponseWriter, r *http.Request, names ...string) string {
	form, body := s.form(w, r), map[string]string{}
	for _, name := range names {
		body[name] = form.Get(name)
	}
	text, _ := json.Marshal(body) // strings do not fail
	return string(text)
}

func (s *storefront) postRegister(w http.ResponseWriter, r *http.Request) {
	a := askInner(r, s.register, "application/json", s.asJSON(w, r, "name", "email", "phone"))
	if a.status != http.StatusCreated {
		s.page(w, r, a.status, "register", map[string]any{"Says": says(a)})
		return
	}
	s.page(w, r, http.StatusCreated, "register", map[string]any{"Done": true})
}

func (s *storefront) account(w http.ResponseWriter, r *http.Request, status int, text string) {
	t, _ := auth.FromContext(r.Context()) // required saw that there is one
	ctx, cancel := s.app.db.within(r.Context())
	defer cancel()
	rows, err := s.service.Sessions(ctx, t.Subject())
	if err != nil {
		rows = nil // the page says so
	}
	type row struct {
		ID, Device  string
		Began, Used time.Time
	}
	var list []row
	for _, one := range rows {
		list = append(list, row{one.ID, one.Device, one.AuthenticatedAt.UTC(), one.RotatedAt.UTC()})
	}
	s.page(w, r, status, "account", map[string]any{"Sessions": list, "Own": t.Session(), "Says": text})
}

func (s *storefront) postPassword(w http.ResponseWriter, r *http.Request) {
	a := askInner(r, s.password, "application/json", s.asJSON(w, r, "old", "new"))
	if a.status != http.StatusNoContent {
		s.account(w, r, a.status, says(a))
		return
	}
	s.forget(w) // every session has ended
	http.Redirect(w, r, "/login?next=/account", http.StatusSeeOther)
}

func (s *storefront) everywhere(w http.ResponseWriter, r *http.Request) {
	t, _ := auth.FromContext(r.Context())
	if _, err := s.service.EndSubject(r.Context(), t.Subject()); err != nil {
		s.account(w, r, http.StatusServiceUnavailable, "This cannot be done right now: nobody was logged out for certain.")
		return
	}
	s.forget(w)
	http.Redirect(w, r, "/login?next=/account", http.StatusSeeOther)
}

func (s *storefront) partner(w http.ResponseWriter, r *http.Request, status int, data map[string]any) {
	caller, _ := rampart.CallerFrom(r.Context())
	if data == nil {
		data = map[string]any{}
	}
	ctx, cancel := s.app.db.within(r.Context())
	defer cancel()
	keys, err := s.keys.List(ctx, apikey.Filter{Owner: caller.Subject})
	if err != nil {
		s.app.fail(w, r, err)
		return
	}
	data["Keys"] = keys
	s.page(w, r, status, "partner", data)
}

func (s *storefront) postPartner(w http.ResponseWriter, r *http.Request) {
	caller, _ := rampart.CallerFrom(r.Context())
	form := s.form(w, r)
	scopes := strings.Fields(form.Get("scopes"))
	lacks := slices.ContainsFunc(scopes, func(scope string) bool { return !caller.HasScope(scope) })
	if !caller.HasScope("keys:manage") || lacks {
		s.partner(w, r, http.StatusForbidden, map[string]any{"Says": "You may not make a key with these scopes."})
		return
	}
	ctx, cancel := s.app.db.within(r.Context())
	defer cancel()
	_, secret, err := s.keys.Create(ctx, apikey.Key{Owner: caller.Subject, Name: form.Get("name"), Scopes: scopes})
	if err != nil {
		s.partner(w, r, http.StatusUnprocessableEntity, map[string]any{"Says": "This makes no key: use a name of at most 100 characters."})
		return
	}
	s.partner(w, r, http.StatusCreated, map[string]any{"Secret": secret.Reveal()})
}

// rotate makes a successor of an own key, which is good for a day longer.
func (s *storefront) rotate(w http.ResponseWriter, r *http.Request) {
	caller, _ := rampart.CallerFrom(r.Context())
	id := s.form(w, r).Get("id")
	ctx, cancel := s.app.db.within(r.Context())
	defer cancel()
	own, err := s.keys.List(ctx, apikey.Filter{Owner: caller.Subject})
	mine := slices.ContainsFunc(own, func(k apikey.Key) bool { return k.ID == id })
	if err != nil || !mine || !caller.HasScope("keys:manage") {
		s.partner(w, r, http.StatusForbidden, map[string]any{"Says": "This is no key that you may rotate."})
		return
	}
	_, secret, err := s.keys.Rotate(ctx, id, 24*time.Hour)
	if err != nil {
		s.partner(w, r, http.StatusConflict, map[string]any{"Says": "The key cannot be rotated: it has ended, or has a successor."})
		return
	}
	s.partner(w, r, http.StatusOK, map[string]any{"Secret": secret.Reveal()})
}
