package rampart_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

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
