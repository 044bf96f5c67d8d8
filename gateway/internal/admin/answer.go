package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// A code is Kong's number for what is wrong (kong/db/errors.lua).
type code int

const (
	codeNone       code = 0
	codePrimary    code = 1
	codeSchema     code = 2
	codePrimaryHad code = 3
	codeForeign    code = 4
	codeUnique     code = 5
	codeNotFound   code = 6
	codeOffset     code = 7
	codeSize       code = 9
	codeOptions    code = 11
	codeDocument   code = 14
	codeReferenced code = 19
)

func (c code) String() string {
	switch c {
	case codePrimary:
		return "invalid primary key"
	case codePrimaryHad:
		return "primary key violation"
	case codeForeign:
		return "foreign key violation"
	case codeUnique:
		return "unique constraint violation"
	case codeNotFound:
		return "not found"
	case codeOffset:
		return "invalid offset"
	case codeSize:
		return "invalid size"
	case codeOptions:
		return "invalid options"
	case codeDocument:
		return "invalid declarative configuration"
	case codeReferenced:
		return "referenced by others"
	default:
		return "schema violation"
	}
}

// A refusal is an error of the request itself.
type refusal struct {
	status int
	code   code
	field  string
	reason string
}

// Error implements error.
func (e *refusal) Error() string { return fmt.Sprintf("%s (%s: %s)", e.code, e.field, e.reason) }

var (
	errMedia  = errors.New("admin: neither JSON nor a form")
	errMethod = errors.New("admin: method not allowed")
)

// notSavedError says that a change is in use, and will be until the next start
// or reload.
type notSavedError struct{ err error }

// Error implements error.
func (e *notSavedError) Error() string {
	return "the change is in use, but not in the file: " + e.err.Error()
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	write(w, status, v)
}

func write(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // a client that has gone
}

// problem refuses: problem+json (RFC 9457) with the members that Kong's clients
// know. Those that Kong has no number for have none.
func problem(w http.ResponseWriter, status int, c code, name, message string, fields map[string]any) {
	body := map[string]any{"status": status, "title": http.StatusText(status), "name": name, "message": message}
	if c != codeNone {
		body["code"], body["name"] = c, c.String()
	}
	if fields != nil {
		body["fields"] = fields
	}
	w.Header().Set("Content-Type", "application/problem+json")
	write(w, status, body)
}

// refuse responds for an error. Like Kong it names the fields.
func refuse(w http.ResponseWriter, err error) {
	ms, wrong := errors.AsType[conf.Mistakes](err)
	one, bad := errors.AsType[*refusal](err)
	used, inUse := errors.AsType[*conf.InUseError](err)
	_, large := errors.AsType[*http.MaxBytesError](err)
	_, unsaved := errors.AsType[*notSavedError](err)
	switch {
	case wrong:
		refuseMistakes(w, ms)
	case bad:
		problem(w, one.status, one.code, "", one.Error(), map[string]any{one.field: one.reason})
	case inUse:
		c := codeForeign
		if used.Kind == "ca_certificates" || used.Field == "config.anonymous" {
			c = codeReferenced
		}
		problem(w, http.StatusBadRequest, c, "", used.Error(), map[string]any{"@referenced_by": used.By})
	case errors.Is(err, conf.ErrNotFound):
		problem(w, http.StatusNotFound, codeNotFound, "", "Not found", nil)
	case errors.Is(err, errMethod):
		problem(w, http.StatusMethodNotAllowed, codeNone, "method_not_allowed", "Method not allowed", nil)
	case errors.Is(err, errMedia):
		problem(w, http.StatusUnsupportedMediaType, codeNone, "unsupported_media_type", "send JSON or a form", nil)
	case errors.Is(err, os.ErrDeadlineExceeded):
		problem(w, http.StatusRequestTimeout, codeNone, "body_timeout", "the body did not arrive in time", nil)
	case large:
		problem(w, http.StatusRequestEntityTooLarge, codeNone, "too_large", "the body is too large", nil)
	case unsaved:
		problem(w, http.StatusInternalServerError, codeNone, "not_saved", err.Error(), nil)
	default:
		problem(w, http.StatusInternalServerError, codeNone, "not_applied", err.Error(), nil)
	}
}

func refuseMistakes(w http.ResponseWriter, ms conf.Mistakes) {
	fields := map[string]any{}
	var texts []string
	for _, m := range ms {
		fields[m.Path] = m.Reason
		texts = append(texts, m.String())
	}
	all := func(is func(conf.Mistake) bool) bool {
		return !slices.ContainsFunc(ms, func(m conf.Mistake) bool { return !is(m) })
	}
	status, c := http.StatusBadRequest, codeSchema
	switch {
	case all(func(m conf.Mistake) bool { return m.Taken && m.Path == "id" }):
		status, c = http.StatusConflict, codePrimaryHad
	case all(func(m conf.Mistake) bool { return m.Taken }):
		status, c = http.StatusConflict, codeUnique
	case all(func(m conf.Mistake) bool { return m.Missing }):
		c = codeForeign
	}
	head := c.String()
	if len(ms) > 1 {
		head = fmt.Sprintf("%d %ss", len(ms), c)
	}
	problem(w, status, c, "", head+" ("+strings.Join(texts, "; ")+")", fields)
}
