package main

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/sanitize/markup"
)

func TestARefreshTokenIsKeptWhereDjangosClientsKeepIt(t *testing.T) {
	s := startService(t, append([]string{"-rotate=false"}, wide...)...)
	_, refresh := s.login("alice")
	for range 3 {
		a := s.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`)
		require.Equal(t, 200, a.status, a.body)
		assert.Empty(t, a.field(t, "refresh"), "a client that keeps the first finds no other")
		assert.Equal(t, 200, s.do("GET", "/api/secure/", "", bearer(a.field(t, "access"))).status)
	}
	require.Equal(t, 200, s.post("/api/token/blacklist/", `{"refresh":"`+refresh+`"}`).status)
	assert.Equal(t, 401, s.post("/api/token/refresh/", `{"refresh":"`+refresh+`"}`).status)
}

func TestNoDemoAccountIsMadeBesideAnotherServicesTables(t *testing.T) {
	path := filepath.Join(t.TempDir(), "django.sqlite3")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `CREATE TABLE auth_user (id INTEGER PRIMARY KEY, username TEXT)`)
	require.NoError(t, errors.Join(err, db.Close()))
	s := startOn(t, path, wide...)
	assert.Equal(t, 401, s.post("/api/token/", `{"username":"alice","password":"`+demoPassword+`"}`).status, "its id would be that of a user of Django's")
}

func TestScopesAreInTheRefreshTokenToo(t *testing.T) {
	s := startService(t, wide...)
	_, refresh := s.login("alice")
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(refresh, ".")[1])
	require.NoError(t, err)
	assert.Contains(t, string(claims), `"scope":"products:write customers:read keys:manage"`, "Django copies it into the access tokens that it makes")
}

func TestNamesAreStoredAndAnsweredAsBleachCleansThem(t *testing.T) {
	s := startService(t, wide...)
	alice, _ := s.login("alice")
	const evil = `<script>alert(1)</script><a href=\"https://ok.example\" onclick=\"x()\">Ann</a><img src=x onerror=alert(1)>`
	const clean = `&lt;script&gt;alert(1)&lt;/script&gt;<a href="https://ok.example">Ann</a>&lt;img src=x onerror=alert(1)&gt;`
	made := s.post("/api/register/", `{"email":"ann@example.com","phone":"+49301234567","name":"`+evil+`","note":"`+evil+`"}`)
	require.Equal(t, 201, made.status, made.body)
	assert.Equal(t, clean, made.field(t, "name"))
	var stored string
	require.NoError(t, s.srv.db.QueryRow(`SELECT name FROM customers WHERE id = 1`).Scan(&stored))
	assert.Equal(t, clean, stored)
	read := s.do("GET", "/api/customers/1/", "", bearer(alice))
	assert.Equal(t, clean, read.field(t, "name"))
	assert.Equal(t, clean, read.field(t, "note"))

	t.Run("rows from before names were cleaned come out clean", func(t *testing.T) {
		raw := strings.ReplaceAll(evil, `\"`, `"`)
		_, err := s.srv.db.ExecContext(t.Context(), `UPDATE customers SET name = ?, note = ? WHERE id = 1`, raw, s.srv.app.columns.note.Row("1").EncryptString(raw))
		require.NoError(t, err)
		read := s.do("GET", "/api/customers/1/", "", bearer(alice))
		assert.Equal(t, clean, read.field(t, "name"))
		assert.Equal(t, clean, read.field(t, "note"))
	})
}

// TestRowsThatDjangoCleanedAreLeftAlone goes through what bleach made of its 257 cases:
// shown here, each says the same, and nearly all are the same text.
func TestRowsThatDjangoCleanedAreLeftAlone(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "sanitize", "markup", "testdata", "bleach_clean.json"))
	require.NoError(t, err)
	var file struct{ Cases []struct{ Default string } }
	require.NoError(t, json.Unmarshal(raw, &file))
	require.Len(t, file.Cases, 257)
	changed := 0
	for _, row := range file.Cases {
		once := shown.Clean(row.Default)
		if once != row.Default {
			changed++
		}
		assert.Equal(t, markup.StripTags(row.Default), markup.StripTags(once))
		assert.Equal(t, once, shown.Clean(once), "a second time changes nothing")
	}
	assert.LessOrEqual(t, changed, 19, "characters that need no escape, links that bleach lets run code, and an li outside a list")
}

func TestCustomersThatDjangoWroteAreFoundByPhone(t *testing.T) {
	dir := t.TempDir()
	db := filepath.Join(dir, "ecolaura.db")
	s := startOn(t, db, wide...)
	find := func(s *service, phone string) []customer {
		alice, _ := s.login("alice")
		a := s.do("GET", "/api/customers/?phone="+url.QueryEscape(phone), "", bearer(alice))
		require.Equal(t, 200, a.status, a.body)
		var found []customer
		require.NoError(t, json.Unmarshal([]byte(a.body), &found))
		return found
	}
	text, err := os.ReadFile(db + ".fernet-keys")
	require.NoError(t, err)
	key, err := fernet.ParseKey(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	ring, err := fernet.NewKeyring(key)
	require.NoError(t, err)
	django := func(id int, phone string) {
		_, err := s.srv.db.ExecContext(t.Context(), `INSERT INTO customers (id, email, name, phone) VALUES (?, 'ann@example.com', 'O''Reilly &amp; Sons', ?)`, id, ring.Cipher().EncryptString(phone))
		require.NoError(t, err)
	}

	django(7, "+49 (30) 123-4567")
	django(8, "ring twice")
	require.Empty(t, find(s, "+49301234567"), "there is no index yet")
	status, out, log := shell(t, db, "", "customer", "index")
	require.Equal(t, 0, status, log)
	assert.Equal(t, "customers.phone: 2 of 2 rows written.\ncustomers.note: 0 of 0 rows written.\n", out)
	found := find(s, "+49 30 1234567")
	require.Len(t, found, 1)
	assert.Equal(t, int64(7), found[0].ID)
	assert.Equal(t, "+49 (30) 123-4567", found[0].Phone, "it stays as it was typed")
	assert.Equal(t, "O'Reilly &amp; Sons", found[0].Name)

	django(9, "+49 30 1234567")
	again := startOn(t, db, wide...) // which looks at its start
	require.Eventually(t, func() bool { return len(find(again, "+49301234567")) == 2 }, 20*time.Second, 100*time.Millisecond)
}

func TestDjangosAPIKeysWorkOnceTheyAreImported(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	const good, expired, off = "gHx0zq1Yk3m5n7p9r1t3v5x7z9B1D3F5H7J9L1N3P5Q", "aHx0zq1Yk3m5n7p9r1t3v5x7z9B1D3F5H7J9L1N3P5Q", "bHx0zq1Yk3m5n7p9r1t3v5x7z9B1D3F5H7J9L1N3P5Q"
	rows := `[{"model":"shop.apikey","pk":1,"fields":{"key":"` + good + `","name":"","is_active":true,"expires_at":null}},
		{"model":"shop.apikey","pk":2,"fields":{"key":"` + expired + `","name":"old","is_active":true,"expires_at":"2020-01-01T00:00:00.123Z"}},
		{"model":"shop.apikey","pk":3,"fields":{"key":"` + off + `","name":"off","is_active":false,"expires_at":null}}]`
	s := startOn(t, db, append([]string{"-legacy-keys"}, wide...)...)
	call := func(s *service, key string) int { return s.do("GET", "/api/partner/", "", "X-API-Key: "+key).status }
	require.Equal(t, 401, call(s, good))

	status, out, log := shell(t, db, rows, "key", "import", "alice")
	require.Equal(t, 0, status, log)
	assert.Equal(t, "Imported 3 keys for alice; 0 were there already.\n", out)
	assert.Contains(t, log, `action="key import" target=alice`)
	assert.NotContains(t, out+log, good)
	assert.Equal(t, 200, call(s, good))
	assert.Equal(t, 401, call(s, expired))
	assert.Equal(t, 401, call(s, off))
	alice, _ := s.login("alice")
	assert.Contains(t, s.do("GET", "/api/keys/", "", bearer(alice)).body, `"name":"imported"`, "their owner sees them")
	assert.NotContains(t, dump(t, s), good, "only its hash is kept")

	status, out, _ = shell(t, db, rows, "key", "import", "alice")
	assert.Equal(t, 0, status)
	assert.Equal(t, "Imported 0 keys for alice; 3 were there already.\n", out)

	const later, gone = "later-key-of-django-0123456789", "gone-key-of-django-0123456789"
	mixed := `[{"pk":4,"fields":{"key":"short","is_active":true}},
		{"pk":5,"fields":{"key":"` + later + `","is_active":true,"expires_at":"` + time.Now().AddDate(1, 0, 0).Format("2006-01-02T15:04:05.000") + `"}},
		{"pk":6,"fields":{"key":"` + gone + `","is_active":true,"expires_at":"` + time.Now().Add(10*time.Hour).UTC().Format("2006-01-02T15:04:05") + `"}}]`
	status, out, log = shell(t, db, mixed, "key", "import", "alice")
	assert.NotEqual(t, 0, status)
	assert.Equal(t, "Imported 2 keys for alice; 0 were there already.\n", out, "one that is refused stops no other")
	assert.Contains(t, log, "key 1 of 3")
	assert.Equal(t, 200, call(s, later))
	assert.Equal(t, 401, call(s, gone), "a time without a zone is the earliest that it can mean")

	for desc, words := range map[string]struct{ rows, owner, want string }{
		"another account":   {rows, "nobody", "no such account"},
		"no JSON":           {good, "alice", "not what manage.py dumpdata prints"},
		"a key too short":   {`[{"fields":{"key":"short"}}]`, "alice", "key 1 of 1"},
		"a word with a tab": {rows, "a\tb", "names and scopes"},
	} {
		status, out, log := shell(t, db, words.rows, "key", "import", words.owner)
		assert.NotEqual(t, 0, status, desc)
		assert.Contains(t, log, words.want, desc)
		assert.NotContains(t, out+log, good, desc)
	}

	none := func(string) string { return "" }
	_, err := parse([]string{"-db", "postgres://db", "key", "import", "alice"}, none, io.Discard)
	require.NoError(t, err, "keys are hashed, which needs no secret")
	_, err = parse([]string{"-db", "postgres://db", "customer", "index"}, none, io.Discard)
	require.ErrorContains(t, err, "ECOLAURA_FERNET_KEYS")

	without := startOn(t, db, wide...)
	assert.Equal(t, 401, call(without, good), "the flag is what lets them in")
}
