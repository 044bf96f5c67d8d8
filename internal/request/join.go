package request

import "net/http"

// An Outer is a [Writer] with the layer that made it.
type Outer struct{ hijacker }

func (o *Outer) init(below http.ResponseWriter, r *http.Request, own Layer, kind Kind) {
	o.ResponseWriter, o.In, o.own = below, r, own
	o.kinds.Store(uint32(kind))
}

// view returns what the handler gets.
func (o *Outer) view() http.ResponseWriter {
	switch o.ResponseWriter.(type) {
	case interface {
		http.Flusher
		http.Hijacker
	}:
		return &o.hijacker
	case http.Flusher:
		return &o.flusher
	default:
		return &o.Writer
	}
}

// A Place is where a layer has joined. The zero Place is that of none.
type Place struct {
	own   *Outer // it made the Writer
	guest *guest
}

// Serve has next respond to r, through the Writer that the layer made, or else
// through w.
func (p Place) Serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if p.own == nil {
		next.ServeHTTP(w, r)
		if p.guest != nil {
			p.guest.returned = true
		}
		return
	}
	returned := false
	defer p.own.end(&returned)
	next.ServeHTTP(p.own.view(), r)
	returned = true
}

// end makes the header final. While a panic goes on, a recover further out
// responds with what the map then holds.
func (o *Outer) end(returned *bool) {
	if *returned {
		o.final(http.StatusOK)
	} else {
		o.abandon()
	}
}

// Join returns a new layer of the response that goes through w, and its place: that
// of a guest of the Writer that w is, or a Writer of its own.
func Join[T any, L interface {
	*T
	Layer
}](w http.ResponseWriter, r *http.Request, kind Kind) (layer L, place Place) {
	if outer := free(w); outer != nil {
		g := new(struct {
			guest
			layer T
		})
		layer = &g.layer
		outer.join(&g.guest, layer, kind)
		return layer, Place{guest: &g.guest}
	}
	o := new(struct {
		Outer
		layer T
	})
	layer = &o.layer
	o.init(w, r, layer, kind)
	return layer, Place{own: &o.Outer}
}

func (w *Writer) join(g *guest, layer Layer, kind Kind) {
	g.layer, g.kind = layer, kind
	for {
		g.outer = w.guests.Load()
		if w.guests.CompareAndSwap(g.outer, g) {
			break
		}
	}
	if Kind(w.kinds.Or(uint32(kind)))&kind&(Headers|CORS|Fields) != 0 { // two that write the same names
		w.kinds.Or(uint32(Loud))
		w.retire(g.outer, kind&CORS)
	}
}

// retire leaves out the guests whose handlers have returned, where one of their kind
// follows them: a handler that tried one and then another wants the policy of the
// second.
func (w *Writer) retire(g *guest, kind Kind) {
	for ; g != nil; g = g.outer {
		g.retired = g.retired || g.returned && g.kind&kind != 0
	}
}
