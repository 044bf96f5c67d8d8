package plugin

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/router"
)

// RequestTransformer edits requests on their way to the upstream.
type RequestTransformer struct {
	HTTPMethod string      `k:"http_method"`
	Remove     Parts       `k:"remove"`  // names
	Rename     Parts       `k:"rename"`  // old:new
	Replace    Replacement `k:"replace"` // name:value, as in the others
	Add        Parts       `k:"add"`
	Append     Parts       `k:"append"`
}

// Parts lists what to do to each part of a request.
type Parts struct {
	Headers     []string `k:"headers"`
	Querystring []string `k:"querystring"`
	Body        []string `k:"body"`
}

// Replacement is Parts with the path.
type Replacement struct {
	Parts `k:",inline"`
	URI   string `k:"uri"`
}

func newRequestTransformer() any { return config(&RequestTransformer{}) }

// Check looks for mistakes.
func (t *RequestTransformer) Check(c *conf.Checks, _ *conf.File) {
	m := strings.ToUpper(t.HTTPMethod)
	c.Want(m == "" || conf.Token(m) && !slices.Contains([]string{"HEAD", "TRACE", "CONNECT"}, m), "config.http_method",
		"a method such as GET or POST is wanted; HEAD has no answer to give, TRACE shows what proxies have added")
	for _, l := range t.lists() {
		for i, entry := range l.entries {
			if _, err := l.read(entry); err != nil {
				c.Want(false, l.at(i), "%s", err)
			}
		}
	}
	if _, err := parsePath(t.Replace.URI); err != nil {
		c.Want(false, "config.replace.uri", "%s", err)
	}
}

// Transformations run in Kong's order.
const (
	opRemove = iota
	opRename
	opReplace
	opAdd
	opAppend
)

// An entryList is one list of the configuration.
type entryList struct {
	field   string // such as config.add.headers
	op      int
	header  bool
	entries []string
}

// lists returns the lists for headers, the query and the body, in the order in
// which they run.
func (t *RequestTransformer) lists() []entryList {
	var all []entryList
	ops := []struct {
		name string
		of   *Parts
	}{{"remove", &t.Remove}, {"rename", &t.Rename}, {"replace", &t.Replace.Parts}, {"add", &t.Add}, {"append", &t.Append}}
	for op, o := range ops {
		all = append(all,
			entryList{"config." + o.name + ".headers", op, true, o.of.Headers},
			entryList{"config." + o.name + ".querystring", op, false, o.of.Querystring},
			entryList{"config." + o.name + ".body", op, false, o.of.Body})
	}
	return all
}

func (l *entryList) at(i int) string { return fmt.Sprintf("%s[%d]", l.field, i) }

// An edit is one entry of a list.
type edit struct {
	op    int
	name  string
	to    string   // of opRename
	value template // of the last three
}

// read takes an entry apart. The error says what would be right.
func (l *entryList) read(entry string) (edit, error) {
	e := edit{op: l.op}
	var text string
	e.name, text, _ = strings.Cut(entry, ":")
	if l.op == opRemove {
		e.name, text = entry, "-"
	}
	if text = strings.TrimLeft(text, ":"); e.name == "" || text == "" {
		return e, errors.New("name:value is wanted")
	}
	if l.header {
		text = strings.TrimSpace(text)
		if err := headerName(e.name, l.op); err != nil {
			return e, err
		}
		e.name = http.CanonicalHeaderKey(e.name)
	}
	switch l.op {
	case opRemove:
		return e, nil
	case opRename:
		e.to = text
		switch {
		case strings.Contains(text, "$("):
			return e, errors.New("a new name is no template: a client would choose it")
		case l.header:
			e.to = http.CanonicalHeaderKey(text)
			return e, headerName(text, opAdd)
		}
		return e, nil
	}
	var err error
	if e.value, err = parseTemplate(text); err != nil {
		return e, err
	}
	for _, p := range e.value {
		if l.header && !conf.Printable(p.literal) {
			return e, errors.New("printable ASCII is wanted")
		}
	}
	return e, nil
}

// headerName returns why a header cannot be edited so.
func headerName(name string, op int) error {
	if !conf.Token(name) {
		return errors.New("a header's name is wanted before the colon")
	}
	name = http.CanonicalHeaderKey(name)
	switch {
	case name == "Host" && op != opReplace:
		return errors.New("a request has one Host: use replace")
	case slices.Contains([]string{"Connection", "Content-Length", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}, name) ||
		strings.HasPrefix(name, "Proxy-"):
		return errors.New("the header belongs to a connection, not to the request")
	case call.IsIdentity(name):
		if op != opRemove && op != opRename {
			return errors.New("the gateway alone says who calls; it can be removed, renamed, and read: $(headers[\"x-consumer-username\"])")
		}
	case op != opRemove && call.Reserved(name):
		return errors.New("the gateway alone writes that header, and drops names with _: upstreams could not tell them from those with -")
	case op == opRemove && (strings.HasPrefix(name, "X-Forwarded-") || name == "X-Real-Ip"):
		return errors.New("the gateway always says where a request comes from")
	}
	return nil
}

// parsePath reads replace.uri.
func parsePath(text string) (template, error) {
	t, err := parseTemplate(text)
	if err != nil {
		return nil, err
	}
	for i, p := range t {
		if p.values == nil && (!conf.Path("/"+strings.TrimPrefix(p.literal, "/")) || i == 0 && p.literal[0] != '/') {
			return nil, errors.New("a path that begins with / is wanted, without a query")
		}
	}
	return t, nil
}

// transform is a RequestTransformer, ready for use.
type transform struct {
	env                  *Env
	method               string
	uri                  template
	headers, query, body []edit
	budget               budget
}

// layer edits requests, in Kong's order: path, method, headers, body, query.
func (t *RequestTransformer) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	out := &transform{env: e, method: strings.ToUpper(t.HTTPMethod)}
	var err error
	if out.uri, err = parsePath(t.Replace.URI); err != nil {
		return nil, err
	}
	for i, l := range t.lists() {
		to := []*[]edit{&out.headers, &out.query, &out.body}[i%3]
		for _, entry := range l.entries {
			one, err := l.read(entry)
			if err != nil {
				return nil, err
			}
			*to = append(*to, one)
		}
	}
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			edited, err := out.edit(w, r)
			if err != nil {
				out.refuse(w, r, err)
				return
			}
			defer out.budget.giveBack(edited)
			next.ServeHTTP(w, edited)
		})
	}}, nil
}

// edit returns an edited copy of r. Every template sees the request as it was.
func (t *transform) edit(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	c := call.From(r.Context())
	src := &source{r: r, c: c, hideHeaders: c.HideHeaders, hideQuery: c.HideQuery}
	out := new(http.Request)
	*out = *r
	out.URL = new(url.URL)
	*out.URL = *r.URL
	if err := t.editPath(src); err != nil {
		return nil, err
	}
	if t.method != "" {
		out.Method = t.method
	}
	if err := t.editHeaders(src, out); err != nil {
		return nil, err
	}
	query := out.URL.RawQuery
	if len(c.HideQuery) > 0 {
		query, c.HideQuery = call.Without(query, c.HideQuery), nil
	}
	form, err := t.editBody(w, src, out)
	if err != nil {
		t.budget.giveBack(out)
		return nil, err
	}
	if form != "" { // of a request that is now a GET
		query = strings.TrimPrefix(query+"&"+form, "&")
	}
	if len(t.query) > 0 {
		f := newFormFields(query)
		if err := apply(t.query, f, src, nil); err != nil {
			t.budget.giveBack(out)
			return nil, err
		}
		query = f.encode()
	}
	out.URL.RawQuery = query
	return out, nil
}

// editPath renders replace.uri. A client's values are one segment each, or part
// of one; no dot segment may come of them.
func (t *transform) editPath(src *source) error {
	if t.uri == nil {
		return nil
	}
	path, err := src.render(t.uri, url.PathEscape)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if t.uri.dynamic() {
		for segment := range strings.SplitSeq(path, "/") {
			if segment == "." || segment == ".." {
				return errRendered
			}
		}
		if path = router.Normalize(path); router.Ambiguous(path) || !conf.Path(path) {
			return errRendered
		}
	}
	src.c.UpstreamPath = path
	return nil
}

// editHeaders edits what the upstream gets: with what the gateway says of the
// caller, without hidden credentials.
func (t *transform) editHeaders(src *source, out *http.Request) error {
	if len(t.headers) == 0 {
		return nil
	}
	c := src.c
	h := out.Header.Clone()
	for name := range h {
		if call.IsIdentity(name) {
			delete(h, name)
		}
	}
	for _, name := range c.HideHeaders {
		h.Del(name)
	}
	c.HideHeaders = nil
	c.Identity(func(name, value string) { h[name] = []string{value} })
	for pair := range slices.Chunk(c.SetHeaders, 2) {
		h.Set(pair[0], pair[1])
	}
	c.SetHeaders = nil
	h.Set("Host", out.Host)
	host := out.Host
	if err := apply(t.headers, headerFields{h}, src, fitsHeader); err != nil {
		return err
	}
	if now := h.Get("Host"); now != host {
		if !conf.HostPort(now) {
			return errRendered
		}
		c.Host = now
	}
	h.Del("Host")
	c.Identity(func(name, _ string) {
		if _, kept := h[name]; !kept {
			c.DropHeaders = append(c.DropHeaders, name)
		}
	})
	out.Header = h
	return nil
}

// fitsHeader reports whether a value may be in a header (RFC 9110 section 5.5).
func fitsHeader(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// apply edits f. ok, if not nil, judges the values.
func apply(edits []edit, f fields, src *source, ok func(string) bool) error {
	for i := range edits {
		e := &edits[i]
		switch {
		case e.op == opRemove:
			f.remove(e.name)
			continue
		case e.op == opRename:
			f.rename(e.name, e.to)
			continue
		case e.op == opReplace && !f.has(e.name), e.op == opAdd && f.has(e.name):
			continue
		}
		text, err := src.render(e.value, nil)
		if err != nil {
			return err
		}
		if ok != nil && !ok(text) {
			return errRendered
		}
		if e.op == opReplace {
			f.replace(e.name, text)
		} else {
			f.add(e.name, text)
		}
	}
	return nil
}

// refuse responds for a request that cannot be edited.
func (t *transform) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, reason := bodyProblem(w, r, err)
	t.env.Events.Refused(r, rampart.InputValidationFail, "", slog.String("reason", reason))
	p.Write(w)
}
