package cors_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
)

func Example() {
	share, err := cors.New(cors.Config{
		Origins:         []string{"https://www.ecolaura.com", "https://*.shops.ecolaura.com"},
		Methods:         []string{"PUT", "DELETE"},
		RequestHeaders:  []string{"Authorization", "Content-Type"},
		ResponseHeaders: []string{"Retry-After"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := share.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }))

	// What a browser asks before a page of a shop may send its PUT.
	r := httptest.NewRequest(http.MethodOptions, "https://api.ecolaura.com/", nil)
	r.Header.Set("Origin", "https://tea.shops.ecolaura.com")
	r.Header.Set("Access-Control-Request-Method", "PUT")
	r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Access-Control-Allow-Origin"), w.Header().Get("Access-Control-Allow-Methods"))
	// Output: 204 https://tea.shops.ecolaura.com PUT
}

// A settings page can show every mistake at its field.
func ExampleNew_mistakes() {
	_, err := cors.New(cors.Config{
		Origins:     []string{"*", "https://www.ecolaura.com/"},
		Credentials: true,
		Methods:     []string{"TRACE"},
	})
	for m := range rampart.Mistakes(err) {
		fmt.Println(m.Field, m.Reason, m.Value)
	}
	// Output:
	// Origins wildcard_not_alone *
	// Origins wildcard_with_credentials *
	// Origins invalid https://www.ecolaura.com/
	// Methods forbidden TRACE
}
