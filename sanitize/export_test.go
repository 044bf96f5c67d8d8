package sanitize

import (
	"net/http"
	"reflect"
)

// BindAs is [NewBinder] and [Binder.Bind] for a type that a test has made at run
// time, with tags that no compiler has seen.
func BindAs(cfg Config, t reflect.Type) (bind func(http.ResponseWriter, *http.Request) error, err error) {
	e, err := newEngine(cfg, t)
	if err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		if p := e.bind(w, r, reflect.New(t).Elem()); p != nil {
			return p
		}
		return nil
	}, nil
}
