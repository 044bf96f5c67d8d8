package main

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/server"
)

// routes puts each handler behind its layers, and the layers that every answer
// passes around them all.
func routes(srv *instance, st *stack, log *slog.Logger) (http.Handler, error) {
	a, l := srv.app, srv.layers
	newProducts, err1 := sanitize.NewBinder[newProduct](sanitize.Config{Logger: log})
	registrations, err2 := sanitize.NewBinder[registration](sanitize.Config{Logger: log})
	passwords, err3 := sanitize.NewBinder[passwordChange](sanitize.Config{Logger: log})
	pages, err4 := sanitize.NewBinder[page](sanitize.Config{Logger: log})
	searches, err5 := sanitize.NewBinder[search](sanitize.Config{Logger: log})
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}

	public := rampart.Stack{Credential: st.optional, Limit: st.public, Guard: st.guard}.Handler
	secure := rampart.Stack{Credential: st.required, Limit: st.public, Guard: st.guard}.Handler
	scoped := func(scope string) layer { return rampart.Chain(secure, st.scope(scope)) }
	partner := rampart.Stack{Credential: rampart.Chain(st.keyGuesses, st.apiKey, st.owner), Limit: st.partner, Guard: st.guard}.Handler

	mux := server.NewMux()
	mux.Handle("POST /api/token/{$}", rampart.Stack{Limit: rampart.Chain(l.atOnce.Handler, st.login), Guard: st.forms}.Handler(l.service.IssueHandler()))
	mux.Handle("POST /api/token/refresh/{$}", st.forms(l.service.RefreshHandler()))
	mux.Handle("POST /api/token/verify/{$}", st.forms(l.service.VerifyHandler()))
	mux.Handle("POST /api/token/blacklist/{$}", st.forms(l.service.EndSessionHandler()))
	password := st.password(passwords.Handler(a.changePassword(l.service, l.sessions)))
	mux.Handle("POST /api/password/{$}", secure(password))
	mux.Handle("GET /.well-known/jwks.json", l.keySet)

	mux.Handle("GET /api/secure/{$}", secure(message("This is a secure endpoint.")))
	mux.Handle("GET /api/public/{$}", public(message("This is a public endpoint.")))
	mux.Handle("GET /api/products/{$}", public(a.bounded(a.getProducts(pages))))
	mux.Handle("POST /api/products/{$}", scoped("products:write")(a.bounded(newProducts.Handler(a.postProduct).ServeHTTP)))
	register := rampart.Stack{Limit: st.register, Guard: st.guard}.Handler(a.bounded(registrations.Handler(a.register).ServeHTTP))
	mux.Handle("POST /api/register/{$}", register)
	mux.Handle("GET /api/customers/{$}", scoped("customers:read")(a.bounded(a.findCustomers(searches))))
	mux.Handle("GET /api/customers/{id}/{$}", scoped("customers:read")(a.bounded(a.getCustomer)))

	mux.Handle("GET /api/partner/{$}", partner(message("Hello, partner.")))
	mux.Handle("/api/keys/", scoped("keys:manage")(http.StripPrefix("/api/keys", l.keys.Admin(keyOwner))))
	mux.Handle("GET /healthz", a.ready)
	mux.Handle("/api/ops/", secure(http.StripPrefix("/api/ops", srv.operator.Handler())))

	shop := &storefront{browser: srv.browser, app: a, keys: l.keys, register: register, password: password}
	if err := shop.mount(mux); err != nil {
		return nil, err
	}
	if srv.demo {
		mux.Handle("GET /try", shop.open(http.HandlerFunc(shop.getTry)))
		mux.Handle("POST /try", shop.open(shop.postTry(func() http.Handler { return srv.handler })))
	}
	mux.Handle("/console/", http.StripPrefix("/console", srv.console))

	return srv.counted(rampart.Stack{
		RequestID: st.requestID, ClientIP: st.clientIP, Headers: st.headers, Probe: a.probe,
		CORS: st.cors, Block: st.blocks, Lockdown: st.lockdown, Edge: st.edge,
	}.Handler(mux)), nil
}

// counted has the console's charts count all requests but those of the console, whose
// stream lasts for minutes.
func (srv *instance) counted(next http.Handler) http.Handler {
	count := srv.recorder.Count(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/console/") {
			next.ServeHTTP(w, r)
			return
		}
		count.ServeHTTP(w, r)
	})
}

// keyOwner says for whom keys are managed: the caller, and never with a scope
// that the caller lacks.
func keyOwner(r *http.Request) (apikey.Actor, bool) {
	t, ok := auth.FromContext(r.Context())
	if !ok {
		return apikey.Actor{}, false
	}
	actor := apikey.Actor{Owner: t.Subject()}
	for scope := range t.Scopes() {
		actor.Scopes = append(actor.Scopes, scope)
	}
	return actor, true
}

// probe answers health checks before any limit: a flood must not make a load
// balancer take this instance for dead. Other methods go on, to their 405.
func (a *app) probe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			a.ready.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
