package sanitize

import (
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// engine is what a Binder is made of, whatever its T.
type engine struct {
	root         *node
	limits       Limits
	body         *strictjson.Limits
	unknown      bool
	errorHandler func(http.ResponseWriter, *http.Request, error)
	rep          *rampart.Reporter
	decoders     sync.Pool // of *decoder
}

func newEngine(cfg Config, t reflect.Type) (*engine, error) {
	limits, errs := cfg.Limits.compile()
	c := &compiler{
		rules:    maps.Clone(cfg.Rules),
		cleaners: maps.Clone(cfg.Cleaners),
		formats:  newFormats(),
		objects:  make(map[reflect.Type]*object),
		errs:     errs,
	}
	c.custom()
	e := &engine{
		limits:       limits,
		body:         limits.body(),
		unknown:      cfg.AllowUnknown,
		errorHandler: cfg.ErrorHandler,
		rep:          rampart.NewReporter(cfg.Logger),
	}
	if t.Kind() != reflect.Struct || isParsed(t) || isOptional(t) {
		c.mistake("T", ReasonUnsupported, t.String())
	} else {
		e.root = c.node(t, tags{}, t.Name())
	}
	for _, media := range limits.ContentTypes {
		if media != strictjson.JSON && media != strictjson.Form && media != typeMultipart {
			c.mistake("Limits.ContentTypes", ReasonUnsupported, media)
		}
	}
	if c.files && !slices.Contains(limits.ContentTypes, typeMultipart) {
		c.mistake("Limits.ContentTypes", ReasonMissing, typeMultipart)
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	return e, nil
}

// custom checks the names of custom tags.
func (c *compiler) custom() {
	for _, name := range slices.Sorted(maps.Keys(c.rules)) {
		known, _ := format(name)
		switch {
		case c.rules[name] == nil:
			c.mistake("Rules", ReasonMissing, name)
		case known || ownRule(name) != nil || isStructural(name):
			c.mistake("Rules", ReasonConflict, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.cleaners)) {
		switch {
		case c.cleaners[name] == nil:
			c.mistake("Cleaners", ReasonMissing, name)
		case builtinCleaner(name) != nil:
			c.mistake("Cleaners", ReasonConflict, name)
		}
	}
}

// bind reads the body of r into v.
func (e *engine) bind(w http.ResponseWriter, r *http.Request, v reflect.Value) *rampart.Problem {
	d := e.decoder()
	defer e.release(d)
	body, media, p := e.body.Read(w, r, d.body[:0])
	d.body = body
	if p != nil {
		return p
	}
	switch media {
	case strictjson.Form:
		return d.form(e.root, v, string(body), &e.limits)
	case typeMultipart:
		d.body = nil // files keep it
		return d.multipart(e.root, v, r, body, &e.limits)
	default:
		return d.document(e.root, v, body, e.body)
	}
}

// query reads the query and path values of r into v.
func (e *engine) query(r *http.Request, v reflect.Value) *rampart.Problem {
	if len(r.URL.RawQuery) > e.limits.MaxQueryLen {
		return strictjson.LongURI.Problem()
	}
	list, fault := strictjson.Pairs(r.URL.RawQuery, e.limits.MaxParams)
	if fault != nil {
		return strictjson.BadQuery.Problem(fault.At(""))
	}
	for _, f := range e.root.object.fields {
		if value := r.PathValue(f.name); value != "" {
			list = append(list, strictjson.Pair{Name: f.name, Value: value})
		}
	}
	d := e.decoder()
	defer e.release(d)
	return d.params(e.root.object, v, list, inQuery, &e.limits)
}

// decoder returns a decoder for one request; release takes it back.
func (e *engine) decoder() *decoder {
	d, _ := e.decoders.Get().(*decoder)
	if d == nil {
		d = new(decoder)
	}
	d.unknown, d.faults = e.unknown, strictjson.Faults{Most: e.limits.MaxErrors}
	return d
}

// maxPooled is the largest buffer that is kept for the next request.
const maxPooled = 64 << 10

// release keeps d for the next request, without what it holds of this one.
func (e *engine) release(d *decoder) {
	d.faults, d.seen = strictjson.Faults{}, d.seen[:0]
	clear(d.body)
	if cap(d.body) <= maxPooled {
		e.decoders.Put(d)
	}
}
