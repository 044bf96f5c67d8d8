// Package admin is the gateway's Admin API: Kong's, for the entities that conf
// knows. Each change is checked as a whole configuration and takes effect at
// once, or not at all.
package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/engine"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
	"github.com/ecolaura/rampart/internal/request"
	"go.yaml.in/yaml/v3"
)

// maxBody bounds a request, a whole configuration too.
const maxBody = 16 << 20

// An API is the handler of the Admin API. Wrap it in Protect.
type API struct {
	Engine  *engine.Engine
	Save    func(text []byte) error     // to the file, for ?save=true; nil: there is none
	Reload  func(context.Context) error // of the file
	Metrics func(w io.Writer)           // the gateway's
	Events  http.Handler                // metrics of the security events; nil: none

	saving sync.Mutex
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = request.MaxBytes(w, r, maxBody)
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) == 1 && parts[0] == "":
		a.only(w, r, a.root)
	case len(parts) == 1 && parts[0] == "status":
		a.only(w, r, a.status)
	case len(parts) == 1 && parts[0] == "metrics":
		a.only(w, r, a.metrics)
	case len(parts) == 1 && parts[0] == "config":
		a.config(w, r)
	case len(parts) == 1 && parts[0] == "reload" && r.Method == http.MethodPost:
		if err := a.Reload(r.Context()); err != nil {
			refuse(w, err)
			return
		}
		answer(w, http.StatusOK, map[string]any{"message": "reloaded"})
	case parts[0] == "proxy-cache":
		a.cache(w, r, parts[1:])
	case len(parts) == 3 && parts[0] == "upstreams" && parts[2] == "health":
		a.health(w, r, parts[1])
	case len(parts) == 5 && parts[0] == "upstreams" && parts[2] == "targets":
		a.setHealth(w, r, parts[1], parts[3], parts[4])
	default:
		a.entities(w, r, parts)
	}
}

// only serves GET and HEAD.
func (*API) only(w http.ResponseWriter, r *http.Request, h http.HandlerFunc) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		problem(w, http.StatusMethodNotAllowed, "method_not_allowed", "")
		return
	}
	h(w, r)
}

func (*API) root(w http.ResponseWriter, _ *http.Request) {
	available := map[string]bool{}
	for _, p := range plugin.Types().Names() {
		available[p] = true
	}
	answer(w, http.StatusOK, map[string]any{
		"tagline": "rampart gateway", "lua_version": nil, "go_version": runtime.Version(),
		"plugins": map[string]any{"available_on_server": available},
	})
}

func (a *API) status(w http.ResponseWriter, _ *http.Request) {
	total, active := a.Engine.Requests()
	f := a.Engine.File()
	counts := map[string]int{}
	for _, k := range conf.Kinds() {
		counts[k.Name] = len(k.List(f))
	}
	answer(w, http.StatusOK, map[string]any{
		"server":   map[string]any{"total_requests": total, "connections_active": active},
		"entities": counts, "database": map[string]any{"reachable": true},
	})
}

func (a *API) metrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	a.Metrics(w)
	if a.Events != nil {
		a.Events.ServeHTTP(w, r)
	}
}

// config reads or replaces everything.
func (a *API) config(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		text, err := a.Engine.File().YAML()
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(text)
	case http.MethodPost:
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = a.change(r, func(*conf.File) (*conf.File, error) { return a.Engine.Parse(text) })
		}
		if err != nil {
			refuse(w, err)
			return
		}
		answer(w, http.StatusCreated, map[string]any{"message": "loaded"})
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		problem(w, http.StatusMethodNotAllowed, "method_not_allowed", "")
	}
}

// change edits the configuration, and writes it to the file if that is asked
// for. What cannot be written is still in use, and the error says so.
func (a *API) change(r *http.Request, edit func(*conf.File) (*conf.File, error)) error {
	save := r.URL.Query().Get("save")
	wanted := save == "true" || save == "1"
	if wanted && a.Save == nil {
		return conf.Mistakes{{Path: "save", Reason: "the gateway was started without a file (-config)"}}
	}
	if err := a.Engine.Edit(edit); err != nil {
		return err
	}
	if !wanted {
		return nil
	}
	a.saving.Lock()
	defer a.saving.Unlock()
	text, err := a.Engine.File().YAML()
	if err == nil {
		err = a.Save(text)
	}
	if err != nil {
		return &notSavedError{err}
	}
	return nil
}

// notSavedError says that a change is in use, and will be until the next start
// or reload.
type notSavedError struct{ err error }

// Error implements error.
func (e *notSavedError) Error() string {
	return "the change is in use, but not in the file: " + e.err.Error()
}

func (a *API) health(w http.ResponseWriter, _ *http.Request, name string) {
	k, _ := conf.KindNamed("upstreams")
	e := k.Find(a.Engine.File(), name)
	if e == nil {
		problem(w, http.StatusNotFound, "not_found", "Not found")
		return
	}
	var data []any
	for target, well := range a.Engine.Health(conf.Name(e)) {
		word := "UNHEALTHY"
		if well {
			word = "HEALTHY"
		}
		data = append(data, map[string]any{"target": target, "health": word})
	}
	answer(w, http.StatusOK, map[string]any{"data": data, "next": nil})
}

func (a *API) setHealth(w http.ResponseWriter, r *http.Request, name, target, word string) {
	k, _ := conf.KindNamed("upstreams")
	targets, _ := conf.KindNamed("targets")
	f := a.Engine.File()
	e := k.Find(f, name)
	if t, ok := targets.Find(f, target).(*conf.Target); ok {
		target = t.Target
	}
	if e == nil || r.Method != http.MethodPut && r.Method != http.MethodPost || word != "healthy" && word != "unhealthy" ||
		!a.Engine.SetHealth(conf.Name(e), target, word == "healthy") {
		problem(w, http.StatusNotFound, "not_found", "Not found")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readBody takes a body apart, form or JSON.
func readBody(r *http.Request) (*yaml.Node, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case len(text) == 0:
		return conf.FormNode(nil)
	case err == nil && media == "application/json":
		return conf.JSONNode(text)
	case err == nil && media == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(text))
		if err != nil {
			return nil, conf.Mistakes{{Reason: "not a form"}}
		}
		return conf.FormNode(form)
	}
	return nil, errMedia
}

var errMedia = errors.New("admin: neither JSON nor a form")

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // a client that has gone
}

func problem(w http.ResponseWriter, status int, code, message string) {
	(&rampart.Problem{Status: status, Code: code, Extensions: map[string]any{"message": message}}).Write(w)
}

// refuse answers for an error. Like Kong it names the fields.
func refuse(w http.ResponseWriter, err error) {
	ms, ok := errors.AsType[conf.Mistakes](err)
	_, large := errors.AsType[*http.MaxBytesError](err)
	_, unsaved := errors.AsType[*notSavedError](err)
	switch {
	case ok:
		fields := map[string]any{}
		var texts []string
		for _, m := range ms {
			fields[m.Path] = m.Reason
			texts = append(texts, m.String())
		}
		status, code, name := http.StatusBadRequest, "schema_violation", "schema violation"
		if !slices.ContainsFunc(ms, func(m conf.Mistake) bool { return !m.Taken }) {
			status, code, name = http.StatusConflict, "unique_constraint_violation", "unique constraint violation"
		}
		(&rampart.Problem{Status: status, Code: code, Extensions: map[string]any{
			"name": name, "fields": fields, "message": name + " (" + strings.Join(texts, "; ") + ")",
		}}).Write(w)
	case errors.Is(err, conf.ErrNotFound):
		problem(w, http.StatusNotFound, "not_found", "Not found")
	case errors.Is(err, conf.ErrInUse):
		problem(w, http.StatusBadRequest, "foreign_key_violation", err.Error())
	case errors.Is(err, errMedia):
		problem(w, http.StatusUnsupportedMediaType, "unsupported_media_type", "send JSON or a form")
	case errors.Is(err, os.ErrDeadlineExceeded):
		problem(w, http.StatusRequestTimeout, "body_timeout", "the body did not arrive in time")
	case large:
		problem(w, http.StatusRequestEntityTooLarge, "too_large", "")
	case unsaved:
		problem(w, http.StatusInternalServerError, "not_saved", err.Error())
	default:
		problem(w, http.StatusInternalServerError, "not_applied", err.Error())
	}
}

// newID returns a random UUID (RFC 9562 section 5.4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

func now() int64 { return time.Now().Unix() }

// nested says which collections are found below an entity, and by which field
// they belong to it.
func nested(parent, child string) (kind, field string, ok bool) {
	switch parent {
	case "services":
		field = "service"
		ok = slices.Contains([]string{"routes", "plugins"}, child)
	case "routes":
		field = "route"
		ok = child == "plugins"
	case "consumers":
		field = "consumer"
		ok = slices.Contains([]string{"plugins", "key-auth", "jwt", "acls", "basic-auth"}, child)
	case "upstreams":
		field = "upstream"
		ok = child == "targets"
	case "certificates":
		field = "certificate"
		ok = child == "snis"
	}
	return collection(child), field, ok
}

// collection maps an address to a kind.
func collection(name string) string {
	switch name {
	case "key-auth", "key-auths":
		return "keyauth_credentials"
	case "basic-auth", "basic-auths":
		return "basicauth_credentials"
	case "jwt", "jwts":
		return "jwt_secrets"
	}
	return name
}
