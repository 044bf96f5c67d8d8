package session_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

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
	ctx := context.Background()
	store := session.NewMemoryStore(0) // authsql shares sessions between processes
	cfg := session.Simplejwt([]byte("a secret of at least 32 random bytes"))
	cfg.Tokens.Revoked = session.RevokedIn(store)
	cfg.Users, cfg.Sessions, cfg.NoRotation = accounts{}, store, false
	cfg.Logger = slog.New(slog.DiscardHandler)
	service, err1 := session.New(cfg)
	verifier, err2 := auth.NewVerifier(cfg.Tokens)
	if err := errors.Join(err1, err2); err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /api/token/", service.IssueHandler()) // {username, password} → {access, refresh}
	mux.Handle("POST /api/token/refresh/", service.RefreshHandler())
	mux.Handle("POST /api/token/blacklist/", service.EndSessionHandler())
	mux.Handle("GET /api/secure/", verifier.Handler(http.NotFoundHandler()))

	pair, err := service.Issue(ctx, "1", nil) // what IssueHandler does for a good password
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := verifier.Verify(ctx, pair.Access, auth.Access)
	fmt.Println("subject", token.Subject(), err)
	ended, err := service.EndSession(ctx, pair.Session)
	fmt.Println("ended", ended, err)
	_, err = verifier.Verify(ctx, pair.Access, auth.Access)
	fmt.Println(err)
	// Output:
	// subject 1 <nil>
	// ended 1 <nil>
	// auth: token refused: revoked
}
