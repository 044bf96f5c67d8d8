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
	emptyAbsent  bool
	library      *library
	methods      bool // a type has a method Validate
	catalogues   *catalogues
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
		objects:  make(map[objectKey]*object),
		typ:      t.String(),
		bad:      bad,
	}
	var err error
	if c.library, err = newLibrary(c.rules, limits.body(), cfg.Validator); err != nil {
		bad.Add("Validator", rampart.ReasonInvalid, nil, "it returned an error, or panicked: "+err.Error())
	}
	if t.Name() == "" {
		c.typ = "struct"
	}
	c.custom()
	e := &engine{
		limits:       limits,
		body:         limits.body(),
		unknown:      cfg.AllowUnknown,
		emptyAbsent:  cfg.EmptyAbsent,
		library:      c.library,
		catalogues:   newCatalogues(cfg.Catalogues, bad),
		errorHandler: cfg.ErrorHandler,
		rep:          rampart.NewReporter(cfg.Logger, "sanitize"),
		uploads:      uploads,
	}
	e.root = c.node(t, tags{}, "", nothing)
	forms := slices.Contains(limits.ContentTypes, strictjson.Form) || slices.Contains(limits.ContentTypes, typeMultipart)
	switch kind := e.root.kind; {
	case kind == kindObject, (kind == kindList || kind == kindDict) && !forms:
	case kind == kindList, kind == kindDict:
		bad.Join(conferr.New("sanitize.NewBinder", "T", ReasonUnsupported, t, "a form has names; read it into a struct"))
	default:
		bad.Join(conferr.New("sanitize.NewBinder", "T", ReasonUnsupported, t, "bind to a struct type, with a field for each member of the input, or to a list or map"))
	}
	e.methods = c.methods || hasMethod(t)
	if c.library.levels {
		for key := range c.objects {
			c.library.prepare(key.t)
		}
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
		switch {
		case c.rules[name] == nil:
			c.bad.Add("Rules", rampart.ReasonMissing, name, "give the rule a function")
		case isOwn(name) || c.library.knows(c.library.plain, name):
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
	d := e.decoder(r, inBody)
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
	if p != nil {
		return p
	}
	d.fromPath(e.root, v, r)
	switch media {
	case strictjson.Form:
		p = d.form(e.root, v, string(body), &e.limits)
	default:
		d.base = d.json.Place
		p = d.document(e.root, v, body, e.body)
	}
	return e.finish(w, d, v, p)
}

// finish returns the response to what d has read into v.
func (e *engine) finish(w http.ResponseWriter, d *decoder, v reflect.Value, p *rampart.Problem) *rampart.Problem {
	if p != nil {
		return p
	}
	if e.methods && len(d.found) == 0 {
		if p := d.methods(e.root, v); p != nil {
			return p
		}
	}
	if len(d.found) == 0 {
		return nil
	}
	say, lang := e.catalogues.choose(d.req)
	if lang != "" && w != nil {
		w.Header().Set("Content-Language", lang)
		w.Header().Add("Vary", "Accept-Language")
	}
	return d.problem(say)
}

// query reads the query and path values of r into v.
func (e *engine) query(r *http.Request, v reflect.Value) *rampart.Problem {
	switch {
	case e.root.kind != kindObject:
		return notConfigured()
	case len(r.URL.RawQuery) > e.limits.MaxQueryLen:
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
	d := e.decoder(r, inQuery)
	defer e.release(d)
	d.fromPath(e.root, v, r)
	d.params(e.root, v, list, &e.limits)
	return e.finish(nil, d, v, nil)
}

// decoder returns a decoder for one request; release takes it back.
func (e *engine) decoder(r *http.Request, at place) *decoder {
	d, _ := e.decoders.Get().(*decoder)
	if d == nil {
		d = new(decoder)
	}
	d.unknown, d.emptyAbsent = e.unknown, e.emptyAbsent
	d.findings = e.findings(r, at)
	return d
}

// findings returns what collects the errors of r.
func (e *engine) findings(r *http.Request, at place) findings {
	f := findings{most: e.limits.MaxErrors, depth: e.limits.MaxDepth, place: at, req: r, lib: e.library}
	if say, _ := e.catalogues.choose(r); say != nil {
		f.localised = true
	}
	return f
}

// maxPooled is the largest buffer that is kept for the next request.
const maxPooled = 64 << 10

// release keeps d for the next request, without what it holds of this one.
func (e *engine) release(d *decoder) {
	d.findings, d.seen = findings{}, d.seen[:0]
	clear(d.body)
	if cap(d.body) <= maxPooled {
		e.decoders.Put(d)
	}
}
