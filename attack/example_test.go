package attack_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/ecolaura/rampart/attack"
)

// Scan returns what Run would report as errors of a test.
func ExampleScan() {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/secure/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "for customers only") // and who checks that?
	})
	findings, err := attack.Scan(context.Background(), attack.Target{
		Handler: mux,
		Secure:  "/api/secure/",
		Bob:     attack.Account{Name: "bob", Password: "bob's password"},
		Login: func(context.Context, *attack.Client, attack.Account) (attack.Session, error) {
			return attack.Session{Access: "bob's token"}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range findings {
		if f.Severity == attack.Critical {
			fmt.Println(f.Title, f.CWE, f.Top10, f.Layer)
		}
	}
	// Output: A private path is served without a token CWE-306 API2:2023 Broken Authentication auth
}
