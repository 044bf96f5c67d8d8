package request

import (
	"net/http"
	"strings"
	"time"
)

// A Copy is a copy of a request whose context asks the layers of a [Writer] for
// their values, together with that Writer: all that the layers keep for a request
// is two or three allocations. The first layer with a value makes it.
type Copy struct {
	Outer
	R http.Request
}

// JoinCopy is [Join] for a layer with a value, which becomes one of r's. It joins
// only the Writer and the Copy that one layer made for r, and only if no other layer
// of its kind has; fresh asks for a Copy in any case. Fill makes the layer whole
// before it joins: from then on any goroutine may ask for its value. With a Copy, next
// is to be served by [Copy.Serve]; if it is nil, by w and r.
func JoinCopy[T any, L interface {
	*T
	Layer
}](w http.ResponseWriter, r *http.Request, kind Kind, fresh bool, fill func(L)) *Copy {
	if outer := both(w, r, kind); outer != nil && !fresh {
		g := new(struct {
			guest
			layer T
		})
		layer := L(&g.layer)
		fill(layer)
		outer.join(&g.guest, layer, kind)
		return nil
	}
	c := new(struct {
		Copy
		layer T
	})
	layer := L(&c.layer)
	fill(layer)
	c.init(w, r, layer, kind)
	c.R = *r.WithContext((*copyContext)(&c.Copy)) // inlined, so that it is part of c
	return &c.Copy
}

// both returns the Writer that w is, if r is the Copy that stands beside it and
// has no value of the kind. Some kinds have none at all.
func both(w http.ResponseWriter, r *http.Request, kind Kind) *Writer {
	outer := free(w)
	if outer == nil || kind&values == 0 {
		return outer
	}
	c, ok := r.Context().(*copyContext)
	if !ok || &c.R != r || outer != &c.Writer || Kind(outer.kinds.Load())&kind&^Loud != 0 {
		return nil
	}
	return outer
}

// Serve has next respond to c, or to r if c is nil.
func (c *Copy) Serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if c == nil {
		next.ServeHTTP(w, r)
		return
	}
	returned := false
	defer func() {
		giveBack(r, &c.R, returned)
		c.end(&returned)
	}()
	next.ServeHTTP(c.view(), &c.R)
	returned = true
}

// copyContext is a Copy as the context of its request.
type copyContext Copy

// Deadline implements [context.Context].
func (c *copyContext) Deadline() (time.Time, bool) { return c.In.Context().Deadline() }

// Done implements [context.Context].
func (c *copyContext) Done() <-chan struct{} { return c.In.Context().Done() }

// Err implements [context.Context].
func (c *copyContext) Err() error { return c.In.Context().Err() }

// Value implements [context.Context].
func (c *copyContext) Value(key any) any { return c.value(key) }

// giveBack gives r what next has put into inner, a copy of it: net/http removes
// the files only of the upload that is in the request which it made itself, and what
// stands further out, such as a metrics layer, reads the pattern of a route there.
// After a panic net/http leaves the files, so those that came with the copy go here.
// It writes only what has changed: several goroutines may have one r.
func giveBack(r, inner *http.Request, returned bool) {
	if r.MultipartForm != inner.MultipartForm {
		r.MultipartForm = inner.MultipartForm
		if !returned && r.MultipartForm != nil {
			_ = r.MultipartForm.RemoveAll() // nobody is left who could be told
		}
	}
	if r.Pattern == inner.Pattern {
		return
	}
	r.Pattern = inner.Pattern
	for part := range strings.SplitSeq(inner.Pattern, "/") {
		name, isName := strings.CutPrefix(part, "{")
		if isName && name != "$}" {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "...")
			r.SetPathValue(name, inner.PathValue(name))
		}
	}
}
