// Command service is a small service with a database: accounts that log in, and notes
// that only their owner reads. Every layer is in one rampart.Stack around the mux and
// one around the routes. The account "alice" gets a new password at each start.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os/signal"
	"strconv"
	"syscall"

	_ "modernc.org/sqlite"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	db, err := sql.Open("sqlite", "service.db?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	pw := rand.Text()
	h, err := service(ctx, db, pw)
	if err != nil {
		return err
	}
	srv, err := server.New(server.Config{Addr: "127.0.0.1:8088", Handler: h})
	if err != nil {
		return err
	}
	fmt.Println("http://127.0.0.1:8088, alice's password is", pw)
	return srv.ListenAndServe(ctx)
}

// service returns the handler of the whole service; pw becomes alice's password.
func service(ctx context.Context, db *sql.DB, pw string) (http.Handler, error) {
	hasher, err := password.New(password.Config{})
	if err != nil {
		return nil, err
	}
	s := &store{db, hasher}
	if err := errors.Join(authsql.Migrate(ctx, db, rampart.SQLite), s.migrate(ctx, pw)); err != nil {
		return nil, err
	}

	// Who is calling. A key that is made at each start ends all sessions with it; keep
	// yours where the service finds it again.
	key, err1 := auth.NewKey(auth.HS256, "", []byte(rand.Text()+rand.Text()))
	keys, err2 := auth.NewKeys(key)
	sessions, err3 := authsql.New(db, rampart.SQLite, authsql.Config{})
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	tokens := auth.VerifierConfig{Keys: keys, Issuer: "notes", Audiences: []string{"notes"}, Revoked: session.RevokedIn(sessions)}
	verifier, err1 := auth.NewVerifier(tokens)
	logins, err2 := session.New(session.Config{Tokens: tokens, Users: s, Sessions: sessions})

	// From where, how often, and with which protections.
	clients, err3 := server.NewClientIP(rampart.Proxies{})
	ids, err4 := server.NewRequestID(server.RequestIDConfig{})
	browser, err5 := headers.New(headers.API("localhost:*", "127.0.0.1:*"))
	share, err6 := cors.New(cors.Config{Origins: []string{"https://app.example.com"}, RequestHeaders: []string{"Authorization", "Content-Type"}})
	edge, err7 := throttle.PerIP("600/minute")
	guesses, err8 := throttle.PerIP("10/minute")
	limit, err9 := throttle.PerCaller("300/minute", "60/minute")

	// With what input.
	guard, err10 := sanitize.NewGuard(sanitize.GuardConfig{})
	notes, err11 := sanitize.NewBinder[note](sanitize.Config{})
	health, err12 := server.NewHealth(server.HealthConfig{Checks: []server.HealthCheck{{Name: "database", Check: db.PingContext}}})
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11, err12); err != nil {
		return nil, err // every mistake of all of them
	}

	mux := server.NewMux()
	guest := rampart.Stack{Limit: guesses.Handler, Guard: guard.Handler}
	member := rampart.Stack{Credential: verifier.Handler, Limit: limit.Handler, Guard: guard.Handler}
	mux.Handle("POST /api/token/{$}", guest.Handler(logins.IssueHandler()))
	mux.Handle("POST /api/token/refresh/{$}", guest.Handler(logins.RefreshHandler()))
	mux.Handle("POST /api/logout/{$}", guest.Handler(logins.EndSessionHandler()))
	mux.Handle("GET /api/notes/{$}", member.Handler(http.HandlerFunc(s.list)))
	mux.Handle("POST /api/notes/{$}", member.Handler(notes.Handler(s.add)))
	mux.Handle("GET /readyz", health.Ready())
	outside := rampart.Stack{RequestID: ids.Handler, ClientIP: clients.Handler, Headers: browser.Handler, CORS: share.Handler, Edge: edge.Handler}
	return outside.Handler(mux), nil
}

// A note is what callers send: plain text, of a length.
type note struct {
	Text string `json:"text" sanitize:"text" validate:"required,max=1000"`
}

// store is the database: accounts and notes.
type store struct {
	db     *sql.DB
	hasher *password.Hasher
}

func (s *store) migrate(ctx context.Context, pw string) error {
	hash, err := s.hasher.Hash(ctx, pw)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, password TEXT NOT NULL);
		CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, text TEXT NOT NULL);
		INSERT INTO users (name, password) VALUES ('alice', ?) ON CONFLICT DO UPDATE SET password = excluded.password`, hash)
	return err
}

// Login implements session.Users. An unknown name takes as long as a known one.
func (s *store) Login(ctx context.Context, name, pw string) (string, error) {
	var id int64
	var hash string
	if err := s.db.QueryRowContext(ctx, `SELECT id, password FROM users WHERE name = ?`, name).Scan(&id, &hash); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	ok, _, err := s.hasher.Check(ctx, name, pw, hash)
	if err == nil && !ok {
		err = session.ErrBadCredentials
	}
	return strconv.FormatInt(id, 10), err
}

// Active implements session.Users; it is asked at every refresh.
func (s *store) Active(ctx context.Context, subject string) (active bool, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM users WHERE id = ?)`, subject).Scan(&active)
	return active, err
}

func (s *store) add(w http.ResponseWriter, r *http.Request, n note) {
	caller, _ := rampart.CallerFrom(r.Context())
	if _, err := s.db.ExecContext(r.Context(), `INSERT INTO notes (owner, text) VALUES (?, ?)`, caller.Subject, n.Text); err != nil {
		rampart.WriteError(w, err)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func (s *store) list(w http.ResponseWriter, r *http.Request) {
	caller, _ := rampart.CallerFrom(r.Context())
	mine, err := s.notesOf(r.Context(), caller.Subject)
	if err != nil {
		rampart.WriteError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(mine)
}

func (s *store) notesOf(ctx context.Context, owner string) ([]note, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT text FROM notes WHERE owner = ? ORDER BY id DESC LIMIT 100`, owner)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	notes := []note{}
	for rows.Next() {
		var n note
		if err := rows.Scan(&n.Text); err != nil {
			return nil, err
		}
		notes = append(notes, n)
	}
	return notes, rows.Err()
}
