package sanitize

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// Value cleans and checks a value that came from elsewhere, such as a file or a
// queue, as if all of its fields had been in the input. It changes v in place,
// also when it returns an error: a [*rampart.Problem] with all field errors.
// Nothing is logged.
func (b *Binder[T]) Value(v *T) error {
	if b.e == nil {
		return notConfigured()
	}
	vw := visitor{faults: strictjson.Faults{Most: b.e.limits.MaxErrors}, depth: b.e.limits.MaxDepth}
	vw.visit(b.e.root, reflect.ValueOf(v).Elem(), "")
	if p := vw.faults.Problem(); p != nil {
		return p
	}
	return nil
}

// visitor walks a value along its plan.
type visitor struct {
	faults strictjson.Faults
	depth  int // how much deeper it may go: pointers may run in a circle
}

// note notes an error; the first of them are enough.
func (vw *visitor) note(pointer string, inv *Invalid) {
	if inv != nil && len(vw.faults.List) < vw.faults.Most {
		vw.faults.Add(inv.at(rampart.FieldError{Pointer: strictjson.Fragment(pointer)})) // the list is read at the end
	}
}

func (vw *visitor) visit(n *node, v reflect.Value, pointer string) {
	switch n.kind {
	case kindText:
		s := v.String()
		switch {
		case strings.IndexByte(s, 0) >= 0:
			vw.note(pointer, shared(strictjson.ErrNUL))
			return
		case !utf8.ValidString(s):
			vw.note(pointer, n.wrong)
			return
		}
		s, inv := n.settle(s)
		v.SetString(s)
		vw.note(pointer, inv)
	case kindPointer:
		if !v.IsNil() {
			vw.visit(n.elem, v.Elem(), pointer)
		}
	case kindOptional:
		if v.Field(1).Bool() && !v.Field(2).Bool() {
			vw.visit(n.elem, v.Field(0), pointer)
		}
	case kindList, kindDict, kindObject:
		if vw.depth == 0 {
			vw.note(pointer, &Invalid{Code: CodeTooDeep, Detail: "Nested too deeply."})
			return
		}
		vw.depth--
		vw.parts(n, v, pointer)
		vw.depth++
		vw.note(pointer, n.check(v))
	default:
		vw.note(pointer, n.check(v))
	}
}

// parts visits the elements or fields of v.
func (vw *visitor) parts(n *node, v reflect.Value, pointer string) {
	switch n.kind {
	case kindList:
		for i := range v.Len() {
			vw.visit(n.elem, v.Index(i), strictjson.Under(pointer, strconv.Itoa(i)))
		}
	case kindDict:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			elem := reflect.New(v.Type().Elem()).Elem()
			elem.Set(v.MapIndex(key))
			vw.visit(n.elem, elem, strictjson.Under(pointer, key.String()))
			v.SetMapIndex(key, elem)
		}
	default:
		for i := range n.object.fields {
			f := &n.object.fields[i]
			vw.visit(f.node, f.of(v), strictjson.Under(pointer, f.name))
		}
	}
}
