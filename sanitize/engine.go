package sanitize

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
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
	uploads      *uploads
	decoders     sync.Pool // of *decoder
}

func newEngine(cfg Config, t reflect.Type) (*engine, error) {
	bad := conferr.For("sanitize.Config")
	limits := cfg.Limits.compile(bad)
	uploads := cfg.Uploads.compile(cfg.Logger, bad)
	c := &compiler{
		uploads:  uploads,
		rules:    maps.Clone(cfg.Rules),
		cleaners: maps.Clone(cfg.Cleaners),
		formats:  newFormats(),
		objects:  make(map[reflect.Type]*object),
		typ:      t.String(),
		bad:      bad,
	}
	if t.Name() == "" {
		c.typ = "struct"
	}
	c.custom()
	e := &engine{
		limits:       limits,
		body:         limits.body(),
		unknown:      cfg.AllowUnknown,
		errorHandler: cfg.ErrorHandler,
		rep:          rampart.NewReporter(cfg.Logger),
		uploads:      uploads,
	}
	if t.Kind() != reflect.Struct || isParsed(t) || isOptional(t) {
		bad.Join(conferr.New("sanitize.NewBinder", "T", ReasonUnsupported, t, "bind to a struct type, with a field for each member of the input"))
	} else {
		e.root = c.node(t, tags{}, "")
	}
	for _, media := range limits.ContentTypes {
		if media != strictjson.JSON && media != strictjson.Form && media != typeMultipart {
			bad.Add("Limits.ContentTypes", ReasonUnsupported, media, "a Binder reads "+strictjson.JSON+", "+strictjson.Form+" and "+typeMultipart)
		}
	}
	if c.files && !slices.Contains(limits.ContentTypes, typeMultipart) {
		bad.Add("Limits.ContentTypes", rampart.ReasonMissing, typeMultipart, "files come in forms of this type only; list it")
	}
	if err := bad.Err(); err != nil {
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
			c.bad.Add("Rules", rampart.ReasonMissing, name, "give the rule a function")
		case known || ownRule(name) != nil || isStructural(name):
			c.bad.Add("Rules", rampart.ReasonConflict, name, "there is a rule of this name already; choose another")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.cleaners)) {
		switch {
		case c.cleaners[name] == nil:
			c.bad.Add("Cleaners", rampart.ReasonMissing, name, "give the cleaner a function")
		case builtinCleaner(name) != nil:
			c.bad.Add("Cleaners", rampart.ReasonConflict, name, "there is a cleaner of this name already; choose another")
		}
	}
}

// bind reads the body of r into v.
func (e *engine) bind(w http.ResponseWriter, r *http.Request, v reflect.Value) *rampart.Problem {
	d := e.decoder()
	defer e.release(d)
	defer e.settle(d, r) // also after a panic
	p := e.read(d, w, r, v)
	d.good = p == nil
	return p
}

func (e *engine) read(d *decoder, w http.ResponseWriter, r *http.Request, v reflect.Value) *rampart.Problem {
	src, media, p := e.body.Open(w, r)
	switch {
	case p != nil:
		return p
	case media == typeMultipart:
		return d.multipart(e, v, w, r, src)
	}
	body, p := e.body.ReadAll(w, r, src, d.body[:0])
	d.body = body
	switch {
	case p != nil:
		return p
	case media == strictjson.Form:
		return d.form(e.root, v, string(body), &e.limits)
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
