package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/attack"
)

func start(t *testing.T, path, pw string) http.Handler {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	h, err := service(t.Context(), db, pw)
	require.NoError(t, err)
	return h
}

func TestNotesAreTheirOwnersAndALogOutIsForGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "service.db")
	const old, pw = "a first long password", "another long password"
	start(t, path, old)
	srv := httptest.NewServer(start(t, path, pw)) // a second start
	defer srv.Close()
	ask := func(method, path, body, access string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, bytes.NewReader([]byte(body)))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		if access != "" {
			r.Header.Set("Authorization", "Bearer "+access)
		}
		resp, err := srv.Client().Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(text)
	}
	var pair struct{ Access, Refresh string }

	status, _ := ask("POST", "/api/token/", `{"username":"alice","password":"`+old+`"}`, "")
	assert.Equal(t, 401, status)
	status, _ = ask("POST", "/api/token/", `{"username":"mallory","password":"`+pw+`"}`, "")
	assert.Equal(t, 401, status)
	status, text := ask("POST", "/api/token/", `{"username":"alice","password":"`+pw+`"}`, "")
	require.Equal(t, 200, status, text)
	require.NoError(t, json.Unmarshal([]byte(text), &pair))

	status, _ = ask("GET", "/api/notes/", "", "")
	assert.Equal(t, 401, status)
	status, _ = ask("POST", "/api/notes/", `{"text":"first"}`, pair.Access)
	assert.Equal(t, 201, status)
	status, text = ask("POST", "/api/notes/", `{"text":""}`, pair.Access)
	assert.Equal(t, 422, status, text)
	status, text = ask("GET", "/api/notes/", "", pair.Access)
	assert.Equal(t, 200, status)
	assert.JSONEq(t, `[{"text":"first"}]`, text)

	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `UPDATE notes SET owner = 99`)
	require.NoError(t, err)
	_, text = ask("GET", "/api/notes/", "", pair.Access)
	assert.JSONEq(t, `[]`, text, "another owner's")

	status, _ = ask("POST", "/api/logout/", `{"refresh":"`+pair.Refresh+`"}`, "")
	assert.Equal(t, 200, status)
	status, _ = ask("GET", "/api/notes/", "", pair.Access)
	assert.Equal(t, 401, status)
	status, _ = ask("POST", "/api/token/refresh/", `{"refresh":"`+pair.Refresh+`"}`, "")
	assert.Equal(t, 401, status)
	status, _ = ask("GET", "/readyz", "", "")
	assert.Equal(t, 200, status)
}

func TestNoAttackOfTheSuiteGetsThrough(t *testing.T) {
	const pw = "a long enough password"
	path := filepath.Join(t.TempDir(), "service.db")
	h := start(t, path, pw)
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `INSERT INTO users (name, password) SELECT 'bob', password FROM users`)
	require.NoError(t, errors.Join(err, db.Close()))
	attack.Run(t, attack.Target{
		Handler: h,
		Alice:   attack.Account{Name: "alice", Password: pw},
		Bob:     attack.Account{Name: "bob", Password: pw},
		Secure:  "/api/notes/", Refresh: "/api/token/refresh/", Logout: "/api/logout/",
		Write:   attack.Request{Method: "POST", Path: "/api/notes/", Body: `{"text":"a note"}`},
		Invalid: []string{`{"text":""}`, `{"text":7}`, `{}`},
		Origins: []string{"https://app.example.com"},
		Limits:  []attack.Limit{{Request: attack.Request{Method: "POST", Path: "/api/token/", Body: `{"username":"nobody","password":"{n}"}`}, Count: 10}},
	})
}
