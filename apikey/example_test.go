package apikey_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ecolaura/rampart/apikey"
)

func ExampleKeys_Handler() {
	ctx := context.Background()
	keys, err := apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: "eco_live"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = keys.Close() }()

	_, secret, err := keys.Create(ctx, apikey.Key{Name: "nightly import", Owner: "alice"})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := keys.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := apikey.FromContext(r.Context())
		fmt.Fprintf(w, "hello, %s of %s\n", caller.Name(), caller.Owner())
	}))

	r := httptest.NewRequest(http.MethodGet, "/api/partner/", nil)
	r.Header.Set("X-API-Key", secret.Reveal())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Print(w.Code, " ", w.Body)

	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/partner/", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 200 hello, nightly import of alice
	// 401 {"title":"Unauthorized","status":401,"detail":"Authentication credentials were not provided.","code":"not_authenticated"}
}

func ExampleWellFormed() {
	fmt.Println(apikey.WellFormed("eco_live", "eco_live_1vkQ3sT0Zq8nWc4B_000000000000000000000000000000000000"))
	// Output: false
}
