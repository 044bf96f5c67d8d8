package main

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/server"
)

// The cookies of a browser's session. Over https the layer headers stores them under the
// prefix __Host-; the loopback pages of the demo have none, as browsers want it.
const (
	accessCookie  = "access"
	refreshCookie = "refresh"
)

// browserTime is how long a browser's session lives without use, and renewAfter when use
// renews it.
const (
	browserTime = 15 * time.Minute
	renewAfter  = 5 * time.Minute
)

// browser is what pages need around them: sessions in cookies, no script that sees them,
// no form of another site.
type browser struct {
	service *session.Service
	logIn   http.Handler // IssueHandler in its limits
	demo    bool
	cookies *auth.Verifier
	csrf    *headers.CSRF
	pages   layer // the headers of pages
	html    *template.Template
	users   *users
	events  *rampart.Reporter
	log     *slog.Logger
}

//go:embed shop
var shopFiles embed.FS // read-only

// newBrowser shares users, keys, limits and revocations with the API.
func newBrowser(a *app, l *layers, st *stack, log *slog.Logger) (*browser, error) {
	b := &browser{users: a.users, events: a.events, log: log}
	cfg := l.issuing
	cfg.AccessTTL, cfg.RefreshTTL, cfg.NoRotation, cfg.Style = browserTime, browserTime, false, session.StylePlain
	var errs [5]error
	b.service, errs[0] = session.New(cfg)
	tokens := cfg.Tokens
	tokens.Source = auth.FromCookie(accessCookie)
	b.cookies, errs[1] = auth.NewVerifier(tokens)
	b.csrf, errs[2] = headers.NewCSRF(headers.CSRFConfig{RequireSignal: true, Logger: log})
	b.pages, errs[3] = l.headers.Route(func(c *headers.Config) {
		c.Preset = headers.PresetWeb
		*c = pageHeaders(*c)
	})
	b.html, errs[4] = template.New("").Funcs(template.FuncMap{
		// The description was cleaned when it came in, and is once more: the database may hold what others wrote.
		"cleaned": func(text string) template.HTML { return template.HTML(shown.Clean(text)) }, //nolint:gosec // that is what it is for
	}).ParseFS(shopFiles, "shop/*.html")
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	b.logIn = rampart.Stack{Limit: rampart.Chain(l.atOnce.Handler, st.login), Guard: st.forms}.Handler(b.service.IssueHandler())
	return b, nil
}

// pageHeaders is the web preset with a policy for pages that have no inline script or
// style, and make no HTML of text.
func pageHeaders(c headers.Config) headers.Config {
	web := headers.Web(c.AllowedHosts...)
	c.FrameOptions, c.ReferrerPolicy, c.OpenerPolicy, c.CacheControl = "DENY", web.ReferrerPolicy, web.OpenerPolicy, "no-store"
	self, none := []headers.Source{headers.Self}, []headers.Source{headers.None}
	c.CSP = &headers.CSP{
		Default: none, Script: self, Style: self, Img: self, Connect: self, FormAction: self, BaseURI: none, FrameAncestors: none,
		TrustedTypes: []string{"'none'"}, RequireTrustedTypes: true,
	}
	return c
}

// open is the layers of pages that anybody may see; who is logged in is known.
func (b *browser) open(next http.Handler) http.Handler {
	return rampart.Chain(b.pages, b.csrf.Handler, b.renewed)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := b.cookies.Check(r); err != nil { // a token that has ended makes a stranger, not a refusal
			next.ServeHTTP(w, r)
			return
		}
		b.cookies.Handler(next).ServeHTTP(w, r)
	}))
}

// required is the layers of pages that need a log-in: a page is led to it, a call gets 401.
func (b *browser) required(next http.Handler) http.Handler {
	return b.open(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := rampart.CallerFrom(r.Context()); ok {
			next.ServeHTTP(w, r)
			return
		}
		if r.Header.Get("X-Live") == "" && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			return
		}
		(&rampart.Problem{Status: http.StatusUnauthorized, Code: "not_authenticated", Header: http.Header{"Www-Authenticate": {"Cookie"}}}).Write(w)
	}))
}

// ending ends what streams when the server ends.
func ending(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		if end := server.Ending(ctx); end != nil && strings.HasSuffix(r.URL.Path, "/live") {
			go func() {
				select {
				case <-end:
					cancel()
				case <-ctx.Done():
				}
			}()
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// renewed extends a session that is used: a page that only looks on (X-Live) does not.
// While the database is away, the access token is good until its end.
func (b *browser) renewed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refresh, err := r.Cookie(refreshCookie)
		if err != nil || r.Header.Get("X-Live") != "" || strings.HasSuffix(r.URL.Path, "/live") {
			next.ServeHTTP(w, r)
			return
		}
		access, _ := r.Cookie(accessCookie)
		if access != nil {
			t, err := b.cookies.Verify(r.Context(), access.Value, auth.Access)
			if err == nil && time.Until(t.Expires()) > browserTime-renewAfter {
				next.ServeHTTP(w, r)
				return
			}
		}
		pair, err := b.service.Refresh(r.Context(), refresh.Value)
		if te, ok := errors.AsType[*auth.TokenError](err); ok && te.Reason != auth.TokenUnverified {
			b.forget(w)
		}
		if err == nil {
			b.keep(w, pair.Access, cmp.Or(pair.Refresh, refresh.Value))
			r = r.Clone(r.Context())
			r.Header.Del("Cookie")
			for _, c := range []*http.Cookie{{Name: accessCookie, Value: pair.Access}, {Name: refreshCookie, Value: refresh.Value}} { //nolint:gosec // of a request, not of a response
				r.AddCookie(c)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (b *browser) keep(w http.ResponseWriter, access, refresh string) {
	for _, c := range []struct{ name, value string }{{accessCookie, access}, {refreshCookie, refresh}} {
		//nolint:gosec // the layer headers adds Secure over https, HttpOnly and the prefix
		http.SetCookie(w, &http.Cookie{Name: c.name, Value: c.value, Path: "/", MaxAge: int(browserTime / time.Second), HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
}

func (b *browser) forget(w http.ResponseWriter) {
	for _, name := range []string{accessCookie, refreshCookie} {
		http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // as in keep
	}
}

// inner is what a handler within this process answers.
type inner struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *inner) Header() http.Header    { return a.header }
func (a *inner) WriteHeader(status int) { a.status = cmp.Or(a.status, status) }
func (a *inner) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// askInner has a handler answer a POST of r's client.
func askInner(r *http.Request, h http.Handler, kind, text string) *inner {
	q := r.Clone(r.Context())
	q.Method = http.MethodPost
	q.Header.Set("Content-Type", kind)
	q.Body, q.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	q.Form, q.PostForm = nil, nil
	a := &inner{header: http.Header{}}
	h.ServeHTTP(a, q)
	return a
}

// postLogin logs in by a form, through the limits that the API's log-in has.
func (b *browser) postLogin(w http.ResponseWriter, r *http.Request) {
	form := b.form(w, r)
	a := askInner(r, b.logIn, "application/x-www-form-urlencoded", url.Values{"username": form["username"], "password": form["password"]}.Encode())
	var tokens struct{ Access, Refresh string }
	if a.status != http.StatusOK || json.Unmarshal(a.body.Bytes(), &tokens) != nil {
		says := "The name or the password is not right."
		switch a.status {
		case http.StatusTooManyRequests:
			says = "Too many attempts. Try again later."
			w.Header()["Retry-After"] = a.header["Retry-After"]
		case http.StatusServiceUnavailable:
			says = "Nobody can log in right now. Try again soon."
		}
		b.page(w, r, a.status, "login", map[string]any{"Says": says, "Next": nextOf(form.Get("next"))})
		return
	}
	for _, c := range a.header["Set-Cookie"] { // this device is known from now on
		w.Header().Add("Set-Cookie", c)
	}
	b.keep(w, tokens.Access, tokens.Refresh)
	http.Redirect(w, r, nextOf(form.Get("next")), http.StatusSeeOther)
}

// nextOf returns a path of this server, whatever a link says.
func nextOf(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}

func (b *browser) getLogin(w http.ResponseWriter, r *http.Request) {
	b.page(w, r, http.StatusOK, "login", map[string]any{"Next": nextOf(r.URL.Query().Get("next"))})
}

func (b *browser) postLogout(w http.ResponseWriter, r *http.Request) {
	if t, ok := auth.FromContext(r.Context()); ok {
		if err := b.service.RevokeToken(r.Context(), t); err != nil {
			b.log.LogAttrs(r.Context(), slog.LevelWarn, "a log-out ended no session", slog.String("error", err.Error()))
		}
	}
	b.forget(w)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// form reads the form of r, 64 KiB at most; what cannot be read is empty.
func (b *browser) form(w http.ResponseWriter, r *http.Request) url.Values {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if r.ParseForm() != nil {
		return url.Values{}
	}
	return r.PostForm
}

// page answers with a template, of which nothing is sent until it is whole.
func (b *browser) page(w http.ResponseWriter, r *http.Request, status int, name string, data map[string]any) {
	if data == nil {
		data = map[string]any{}
	}
	caller, ok := rampart.CallerFrom(r.Context())
	data["Page"], data["Caller"], data["In"] = name, caller, ok
	if ok {
		data["Name"] = b.users.name(r.Context(), caller.Subject)
	}
	data["Layers"], data["Demo"] = passed(w.Header()), b.demo
	var page bytes.Buffer
	if err := b.html.ExecuteTemplate(&page, "layout", data); err != nil {
		b.log.LogAttrs(r.Context(), slog.LevelError, "a page failed", slog.String("page", name), slog.String("error", err.Error()))
		(&rampart.Problem{Status: http.StatusInternalServerError, Code: "internal_error"}).Write(w)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}

// passed names the layers that an answer tells of in its header.
func passed(h http.Header) []string {
	list := []string{}
	for _, one := range []struct{ header, layer string }{
		{"X-Request-Id", "request id"}, {"Content-Security-Policy", "headers"}, {"Vary", "cors"}, {"RateLimit", "limit"},
	} {
		if len(h[one.header]) > 0 {
			list = append(list, one.layer+" ("+one.header+")")
		}
	}
	return list
}

// name returns what a subject is called; "" where it cannot be told.
func (u *users) name(ctx context.Context, subject string) (name string) {
	ctx, cancel := context.WithTimeout(ctx, u.db.timeout/8)
	defer cancel()
	id, err := strconv.ParseInt(subject, 10, 64)
	if err != nil || u.db.QueryRowContext(ctx, u.db.q(`SELECT username FROM users WHERE id = ?`), id).Scan(&name) != nil {
		return ""
	}
	return name
}
