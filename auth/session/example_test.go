package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
)

// accounts is the application's table of users.
type accounts struct{}

func (accounts) Login(_ context.Context, name, password string) (string, error) {
	if name != "alice" || password != "correct horse battery staple" { // see auth/password
		return "", session.ErrBadCredentials
	}
	return "1", nil
}

func (accounts) Active(context.Context, string) (bool, error) { return true, nil }

func Example() {
	store := session.NewMemoryStore(0) // authsql shares sessions between processes
	cfg := session.Simplejwt([]byte("a secret of at least 32 random bytes"))
	cfg.Tokens.Revoked = session.RevokedIn(store)
	cfg.Users, cfg.Sessions, cfg.NoRotation = accounts{}, store, false
	cfg.Logger = slog.New(slog.DiscardHandler)
	service, err := session.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := auth.NewVerifier(cfg.Tokens)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/api/token/", service.IssueHandler())
	mux.Handle("/api/token/refresh/", service.RefreshHandler())
	mux.Handle("/api/token/blacklist/", service.EndSessionHandler())
	mux.Handle("/api/secure/", verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth.FromContext(r.Context())
		fmt.Fprintf(w, "hello, user %s", token.Subject())
	})))

	send := func(method, path, body, access string) string {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if access != "" {
			r.Header.Set("Authorization", "Bearer "+access)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	_, body, _ := strings.Cut(send(http.MethodPost, "/api/token/", `{"username":"alice","password":"correct horse battery staple"}`, ""), " ")
	var tokens struct{ Access, Refresh string }
	if err := json.Unmarshal([]byte(body), &tokens); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(send(http.MethodGet, "/api/secure/", "", tokens.Access))
	fmt.Println(send(http.MethodPost, "/api/token/blacklist/", `{"refresh":"`+tokens.Refresh+`"}`, ""))
	fmt.Println(strings.Split(send(http.MethodGet, "/api/secure/", "", tokens.Access), " ")[0])
	// Output:
	// 200 hello, user 1
	// 200 {}
	// 401
}
