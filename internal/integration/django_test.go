package integration_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth/authdjango"
)

// djangoBackend is an empty database for Django and for us.
type djangoBackend struct {
	name    string
	dialect rampart.Dialect
	open    func(testing.TB) (db *sql.DB, settings map[string]any)
}

func djangoBackends() []djangoBackend {
	return []djangoBackend{
		{"SQLite", rampart.SQLite, func(t testing.TB) (*sql.DB, map[string]any) {
			t.Helper()
			file := filepath.Join(t.TempDir(), "django.db")
			db := openSQLiteFile(t, file)
			return db, map[string]any{"ENGINE": "django.db.backends.sqlite3", "NAME": file, "OPTIONS": map[string]any{"timeout": 20}}
		}},
		{"PostgreSQL", rampart.PostgreSQL, func(t testing.TB) (*sql.DB, map[string]any) {
			t.Helper()
			dsn := postgresSchema(t)
			u, err := url.Parse(dsn)
			require.NoError(t, err)
			password, _ := u.User.Password()
			db := openDSN(t, dsn)
			db.SetMaxOpenConns(8)
			db.SetMaxIdleConns(8)
			return db, map[string]any{
				"ENGINE": "django.db.backends.postgresql", "NAME": strings.TrimPrefix(u.Path, "/"), "USER": u.User.Username(), "PASSWORD": password,
				"HOST": u.Hostname(), "PORT": u.Port(), "OPTIONS": map[string]any{"options": "-c search_path=" + u.Query().Get("search_path")},
			}
		}},
	}
}

// A django is a running Django.
type django struct {
	url string
	end func()
}

// startDjango starts one at that database.
func startDjango(t testing.TB, database map[string]any, migrate bool) *django {
	t.Helper()
	python := djangoPython(t)
	text := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return string(b)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), python, "testdata/django_server.py")
	cmd.Env = append(os.Environ(), "SECRET="+authSecret, "DATABASE="+text(database), "PYTHONDONTWRITEBYTECODE=1")
	if migrate {
		cmd.Env = append(cmd.Env, "MIGRATE=1")
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	d := &django{}
	ended := false
	d.end = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(func() {
		d.end()
		if t.Failed() {
			t.Log(stderr.String())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		d.end()
		require.NoError(t, err, stderr.String())
	}
	d.url = "http://127.0.0.1:" + strings.TrimSpace(line)
	return d
}

// A djangoReply is what either side answers.
type djangoReply struct {
	code    int
	members map[string]any
}

func (a djangoReply) text(name string) string {
	s, _ := a.members[name].(string)
	return s
}

// ask asks a path of Django or, if base is empty, of h.
func ask(t testing.TB, h http.Handler, base, method, path, bearer string, body any) djangoReply {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), method, "/"+strings.TrimPrefix(path, "/"), bytes.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	var a djangoReply
	var got []byte
	if base == "" {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		a.code, got = w.Code, w.Body.Bytes()
	} else {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // hashing, on a busy machine
		defer cancel()
		r, err = http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(text))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		w, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		got, err = io.ReadAll(w.Body)
		require.NoError(t, err)
		require.NoError(t, w.Body.Close())
		a.code = w.StatusCode
	}
	_ = json.Unmarshal(got, &a.members) // some answers are no objects
	require.Less(t, a.code, 500, "%s %s: %s", base, path, got)
	return a
}

// manage does something with Django's own code.
func (d *django) manage(t testing.TB, what map[string]any) map[string]any {
	t.Helper()
	a := ask(t, nil, d.url, http.MethodPost, "/manage/", "", what)
	require.Equal(t, http.StatusOK, a.code)
	return a.members
}

// djangoTables makes Django's tables as its migrations do, without the columns that
// nobody here needs.
func djangoTables(t testing.TB, db *sql.DB, d rampart.Dialect) {
	t.Helper()
	id, stamp, deferred := "integer NOT NULL PRIMARY KEY AUTOINCREMENT", "datetime", ""
	if d == rampart.PostgreSQL {
		id, stamp, deferred = "bigserial NOT NULL PRIMARY KEY", "timestamp with time zone", "DEFERRABLE INITIALLY DEFERRED"
	}
	for _, statement := range []string{
		`CREATE TABLE auth_user (id ` + strings.Replace(id, "bigserial", "serial", 1) + `, password varchar(128) NOT NULL, username varchar(150) NOT NULL UNIQUE, is_active bool NOT NULL)`,
		`CREATE TABLE token_blacklist_outstandingtoken (id ` + id + `, token text NOT NULL, created_at ` + stamp + ` NULL, expires_at ` + stamp + ` NOT NULL,
			user_id integer NULL REFERENCES auth_user (id) ` + deferred + `, jti varchar(255) NOT NULL UNIQUE)`,
		`CREATE TABLE token_blacklist_blacklistedtoken (id ` + id + `, blacklisted_at ` + stamp + ` NOT NULL,
			token_id bigint NOT NULL UNIQUE REFERENCES token_blacklist_outstandingtoken (id) ` + deferred + `)`,
		`INSERT INTO auth_user (username, password, is_active) VALUES ('a', '!', true), ('b', '!', true), ('c', '!', true)`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

func djangoStore(t testing.TB, db *sql.DB, d rampart.Dialect, cfg authdjango.Config) *authdjango.Store {
	t.Helper()
	require.NoError(t, authdjango.Migrate(t.Context(), db, d))
	store, err := authdjango.New(db, d, cfg)
	require.NoError(t, err)
	return store
}
