package sanitize

import (
	"net/http"
	"reflect"
)

// Value cleans and checks a value that came from elsewhere, such as a file or a
// queue, as if all of its fields had been in the input. It changes v in place,
// also when it returns an error: a [*rampart.Problem] with all field errors.
// Nothing is logged.
func (b *Binder[T]) Value(v *T) error {
	if b.e == nil {
		return notConfigured()
	}
	f := b.e.findings(new(http.Request), inBody) // which has no context of its own
	f.clean, f.once = true, true
	value := reflect.ValueOf(v).Elem()
	f.visit(b.e.root, value)
	if b.e.methods && len(f.found) == 0 {
		if p := f.methods(b.e.root, value); p != nil {
			return p
		}
	}
	if p := f.problem(nil); p != nil {
		return p
	}
	return nil
}
