package rampart_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart"
)

func ExampleChain() {
	say := func(word string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Print(word, " ")
				next.ServeHTTP(w, r)
			})
		}
	}
	h := rampart.Chain(say("outer"), nil, say("inner"))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		fmt.Println("handler")
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	// Output: outer inner handler
}

func TestTheFieldsOfAStackStandInItsOrderAndNilOnesAreSkipped(t *testing.T) {
	var seen, want []string
	var s rampart.Stack
	passed := false
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true })
	ask := func() {
		passed = false
		s.Handler(next).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		assert.True(t, passed)
	}
	ask() // the zero Stack
	assert.Empty(t, seen)
	fields := reflect.ValueOf(&s).Elem()
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		if name == "_" || name == "Probe" {
			continue
		}
		want = append(want, name)
		fields.Field(i).Set(reflect.ValueOf(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = append(seen, name)
				next.ServeHTTP(w, r)
			})
		}))
	}
	ask()
	assert.Equal(t, want, seen)
	assert.Len(t, want, 10)
}
