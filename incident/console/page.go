package console

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ecolaura/rampart"
)

// A view is what each page is made of.
type view struct {
	Title, Page string
	Path        string // where the console is mounted
	Service     string
	LogIn       string
	LogOut      string
	User, May   string // who is logged in, and what they may do
	Scope       string // what a caller needs
	Here        string // this page, to come back to
	Fleet       *Fleet // nil: not for this caller
	Instance    string // which process responds: a page keeps to the numbers of one
	Now         time.Time
	Data        any
}

// parsePages reads the templates. Each screen is a template of its file's name.
func parsePages(c *Console) (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"file":  func(name string) string { return c.cfg.Path + "static/" + c.files.name(name) },
		"clock": clock,
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":   func(t time.Time) string { return span(time.Since(t)) },
		"until": func(t time.Time) string { return span(time.Until(t)) },
		"percent": func(f float64) string {
			return number(f*100) + " %"
		},
		"group": group,
		"count": func(n int, word string) string {
			if n == 1 {
				return "1 " + word
			}
			return fmt.Sprintf("%d %ss", n, word)
		},
	}).ParseFS(embedded, "pages/*.html")
}

// group writes a number with its thousands apart.
func group(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u2009" + text[i:]
	}
	return text
}

// show responds with a page, of which nothing is sent until it is whole.
func (c *Console) show(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	caller, _ := rampart.CallerFrom(r.Context())
	v := view{
		Title: title, Page: name, Path: c.cfg.Path, Service: c.cfg.Service, LogIn: c.cfg.LogIn, LogOut: c.cfg.LogOut,
		User: caller.Subject, May: caller.Scope, Scope: c.cfg.Scope, Now: time.Now().UTC(), Data: data,
		Instance: c.cfg.Recorder.id,
	}
	v.Here = c.cfg.Path + r.URL.Path[1:]
	if r.URL.RawQuery != "" {
		v.Here += "?" + r.URL.RawQuery
	}
	if r.Method != http.MethodGet {
		v.Here = c.cfg.Path + "orders"
	}
	if caller.HasScope(c.cfg.Scope) {
		v.Fleet = c.fleet(r)
	}
	if c.cfg.Names != nil && caller.Subject != "" {
		v.User = cmp.Or(c.cfg.Names(r.Context(), caller.Subject), caller.Subject)
	}
	var page bytes.Buffer
	if err := c.pages.ExecuteTemplate(&page, "layout", v); err != nil {
		c.cfg.Logger.LogAttrs(r.Context(), slog.LevelError, "a page of the console failed", slog.String("page", name), slog.String("error", err.Error()))
		(&rampart.Problem{Status: http.StatusInternalServerError, Code: "internal_error"}).Write(w)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}

func (c *Console) fleetPage(w http.ResponseWriter, r *http.Request) {
	c.show(w, r, http.StatusOK, "fleet", "Fleet", nil)
}

// A nowView is the page Now.
type nowView struct {
	now
	Lines  []line
	Events []Event
	Filter Filter
	Layers []string
	Older  string // the query of the events before these; "": there are none
}

func (c *Console) nowPage(w http.ResponseWriter, r *http.Request) {
	v := nowView{now: c.now(r), Filter: filterOf(r), Layers: append(slices.Clone(layers[:]), "operator", "system")}
	v.Lines, v.Events = lines(v.Minutes), c.cfg.Recorder.Events(v.Filter, page)
	if len(v.Events) == page {
		q := r.URL.Query()
		q.Set("before", fmt.Sprint(v.Events[page-1].Seq))
		v.Older = q.Encode()
	}
	c.show(w, r, http.StatusOK, "now", "Now", v)
}

// A whoView is the page Who.
type whoView struct {
	By    string
	Kinds []string
	Since time.Time
	Who   []Refused
}

func (c *Console) whoPage(w http.ResponseWriter, r *http.Request) {
	v := whoView{By: byOf(r), Since: c.cfg.Recorder.started, Who: c.who(r, byOf(r))}
	for _, k := range kinds {
		v.Kinds = append(v.Kinds, k.name)
	}
	c.show(w, r, http.StatusOK, "who", "Who", v)
}

func (c *Console) onePage(w http.ResponseWriter, r *http.Request) {
	o := c.one(r)
	c.show(w, r, http.StatusOK, "one", o.Name, o)
}

// An ordersView is the page Orders.
type ordersView struct {
	Actions []action
	Open    string     // the action whose form is open
	Fill    url.Values // what its fields begin with
	Rates   []rate
	Force   []measure
	Trail   []order
	Next    string
	Unread  bool // the audit trail cannot be read
}

func (c *Console) ordersPage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	v := ordersView{Open: q.Get("do"), Fill: q, Rates: c.rates(r)}
	var wired struct{ Calls []string }
	if c.get(r, "/", &wired) == nil {
		for _, a := range actions {
			if slices.Contains(wired.Calls, "POST "+a.Call) {
				v.Actions = append(v.Actions, a)
			}
		}
	}
	newest, _, err := c.orders(r, "", maxOrders)
	v.Unread = err != nil
	v.Force = c.force(r, newest)
	if v.Trail, v.Next, err = c.orders(r, q.Get("before"), 20); err != nil {
		v.Unread = true
	}
	c.show(w, r, http.StatusOK, "orders", "Orders", v)
}

func (c *Console) orderPage(w http.ResponseWriter, r *http.Request) {
	o := &order{}
	if err := c.get(r, "/orders/"+url.PathEscape(r.PathValue("id"))+"/", o); err != nil {
		c.show(w, r, http.StatusNotFound, "given", "Order", given{Refused: &problem{Detail: "This order is not known, or cannot be read right now."}})
		return
	}
	c.show(w, r, http.StatusOK, "given", "Order", given{Order: o})
}

func (c *Console) keysPage(w http.ResponseWriter, r *http.Request) {
	c.show(w, r, http.StatusOK, "keys", "Keys", c.keys(r))
}

func (c *Console) helpPage(w http.ResponseWriter, r *http.Request) {
	c.show(w, r, http.StatusOK, "help", "Help", nil)
}
