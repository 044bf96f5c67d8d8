package main

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/fernet"
)

func TestCustomersAreFoundByTheBlindIndexOfTheirPhone(t *testing.T) {
	s := startService(t, wide...)
	access, _ := s.login("alice")
	for _, body := range []string{
		`{"email":"ann@example.com","name":"Ann","phone":"+49 30 1234567","note":"allergic to nuts"}`,
		`{"email":"bea@example.com","name":"Bea","phone":"+493012345678"}`,
		`{"email":"ann@example.com","name":"Ann again","phone":"+49301234567","note":null}`,
	} {
		require.Equal(t, 201, s.post("/api/register/", body).status, body)
	}
	find := func(phone string) answer {
		return s.do("GET", "/api/customers/?phone="+url.QueryEscape(phone), "", bearer(access))
	}
	a := find("+49 (30) 1234567")
	require.Equal(t, 200, a.status, a.body)
	assert.JSONEq(t, `[{"id":1,"email":"ann@example.com","name":"Ann","phone":"+49301234567","note":"allergic to nuts"},
		{"id":3,"email":"ann@example.com","name":"Ann again","phone":"+49301234567","note":null}]`, a.body)
	assert.Equal(t, "no-store", a.header.Get("Cache-Control"))
	assert.JSONEq(t, `[]`, find("+4930999999").body)
	assert.Equal(t, 422, find("' OR 1=1").status)
	assert.Equal(t, 422, s.do("GET", "/api/customers/", "", bearer(access)).status)
	bob, _ := s.login("bob")
	assert.Equal(t, 403, s.do("GET", "/api/customers/?phone=%2B49301234567", "", bearer(bob)).status)
	assert.Equal(t, 401, s.do("GET", "/api/customers/?phone=%2B49301234567", "").status)

	var phone, index, note string
	require.NoError(t, s.srv.db.QueryRow(`SELECT phone, phone_index, note FROM customers WHERE id = 1`).Scan(&phone, &index, &note))
	assert.Regexp(t, "^gAAAAA", phone, "a plain Fernet token")
	for _, stored := range []string{phone, index, note} {
		assert.NotContains(t, stored, "1234567")
		assert.NotContains(t, stored, "nuts")
	}
}

// Whoever can write to the table but has no key cannot give one customer's note
// to another.
func TestANoteOpensInItsRowOnly(t *testing.T) {
	s := startService(t, wide...)
	access, _ := s.login("alice")
	for _, note := range []string{"VIP", "owes us money"} {
		require.Equal(t, 201, s.post("/api/register/", `{"email":"a@example.com","name":"A","phone":"+49301234567","note":"`+note+`"}`).status)
	}
	_, err := s.srv.db.Exec(`UPDATE customers SET note = (SELECT note FROM customers WHERE id = 1) WHERE id = 2`)
	require.NoError(t, err)
	assert.Equal(t, 200, s.do("GET", "/api/customers/1/", "", bearer(access)).status)
	a := s.do("GET", "/api/customers/2/", "", bearer(access))
	assert.Equal(t, 500, a.status)
	assert.NotContains(t, a.body, "VIP")
	assert.Contains(t, lineWith(t, s.logs.String(), "crypt_decrypt_fail"), `"path":"/api/customers/2/"`)
	assert.Contains(t, s.logs.String(), `"rule":"altered_ciphertext"`, "somebody is called")
}

// The field key is rotated on one of three instances, under load on all of them,
// and the table is brought under the new key; no value is lost, and a restart goes
// on from there.
func TestTheFieldKeyIsRotatedBesideRequests(t *testing.T) {
	f := startFleet(t, append([]string{"-trusted-proxies", "127.0.0.0/8"}, wide...)...)
	db, one := f.db, f.instances[0]
	access, _ := one.login("alice")
	operator := one.operator()
	register := func(p *process) {
		require.Equal(t, 201, p.post("/api/register/", `{"email":"a@example.com","name":"A","phone":"+49301234567","note":"n"}`).status)
	}
	for range 10 {
		register(one)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			for _, p := range f.instances {
				a := p.post("/api/register/", `{"email":"a@example.com","name":"A","phone":"+49301234567","note":"n"}`)
				assert.Equal(t, 201, a.status)
				for _, reader := range f.instances { // at once, by each
					assert.Equal(t, 200, reader.do("GET", "/api/customers/?phone=%2B49301234567", "", bearer(access)).status)
				}
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	key := one.ops(operator, "field-key/rotate/", `{"note":"yearly"}`).field(t, "key")
	<-done
	require.Eventually(t, func() bool {
		return strings.Contains(one.do("GET", "/api/ops/state/", "", operator).body, `"running":false`)
	}, time.Minute, 100*time.Millisecond)
	assert.NotEmpty(t, key)
	for _, p := range f.instances {
		require.Equal(t, 0, p.stop(t))
	}

	// The file's key alone opens nothing any more: every value is under the new one.
	s := startOn(t, db)
	none := func(string) string { return "" }
	cfg, err := parse([]string{"-db", db}, none, &strings.Builder{})
	require.NoError(t, err)
	sec, err := loadSecrets(cfg)
	require.NoError(t, err)
	rows, err := s.srv.db.Query(`SELECT phone FROM customers`)
	require.NoError(t, err)
	defer rows.Close()
	n := 0
	for rows.Next() {
		var phone string
		require.NoError(t, rows.Scan(&phone))
		_, err := sec.fields.Cipher().DecryptString(phone)
		require.Error(t, err)
		text, err := s.srv.app.columns.phone.DecryptString(phone)
		require.NoError(t, err)
		assert.Equal(t, "+49301234567", text)
		n++
	}
	require.NoError(t, rows.Err())
	assert.Equal(t, 70, n)
}

func TestADatabaseFromBeforeTheBlindIndexGetsOne(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	old := startOn(t, db, wide...)
	require.Equal(t, 201, old.post("/api/register/", `{"email":"a@example.com","name":"A","phone":"+49301234567"}`).status)
	for _, statement := range []string{`DROP INDEX customers_phone_index`, `ALTER TABLE customers DROP COLUMN phone_index`, `ALTER TABLE customers DROP COLUMN note`} {
		_, err := old.srv.db.Exec(statement)
		require.NoError(t, err)
	}
	s := startOn(t, db, wide...)
	access, _ := s.login("alice")
	require.Eventually(t, func() bool {
		return s.do("GET", "/api/customers/?phone=%2B49301234567", "", bearer(access)).body != "[]"
	}, 30*time.Second, 100*time.Millisecond)
}

// Keys from the environment are rolled by hand: (old,new), (new,old), and, once
// every value is under the new one, (new).
func TestFieldKeysFromTheEnvironmentAreRolled(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	start := func(keys string) *service {
		env := func(name string) string {
			return map[string]string{"ECOLAURA_FERNET_KEYS": keys}[name]
		}
		s, err := parse(append([]string{"-db", db}, wide...), env, io.Discard)
		require.NoError(t, err)
		srv, err := open(t.Context(), s, slog.New(slog.DiscardHandler), nil)
		require.NoError(t, err)
		t.Cleanup(srv.close)
		web := httptest.NewServer(srv.handler)
		t.Cleanup(web.Close)
		return &service{t: t, url: web.URL, srv: srv}
	}
	old, fresh := fernet.GenerateKey().Reveal(), fernet.GenerateKey().Reveal()
	s := start(old)
	require.Equal(t, 201, s.post("/api/register/", `{"email":"a@example.com","name":"A","phone":"+49301234567","note":"n"}`).status)
	start(old + "," + fresh)
	s = start(fresh + "," + old)
	operator := s.operator()
	require.Eventually(t, func() bool {
		state := s.do("GET", "/api/ops/state/", "", operator).body
		return strings.Contains(state, `"running":false`) && strings.Contains(state, `"changed":1`)
	}, 30*time.Second, 50*time.Millisecond)
	s = start(fresh)
	access, _ := s.login("alice")
	assert.Contains(t, s.do("GET", "/api/customers/?phone=%2B49301234567", "", bearer(access)).body, `"note":"n"`)
}

func TestAKeyFileThatIsGoneIsToldAtStart(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	s := startOn(t, db, wide...)
	_, err := s.srv.managed.rotateField(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.Remove(db+".fernet-keys"))
	none := func(string) string { return "" }
	for _, env := range []func(string) string{none, func(name string) string {
		return map[string]string{"ECOLAURA_FERNET_KEYS": fernet.GenerateKey().Reveal()}[name]
	}} {
		cfg, err := parse([]string{"-db", db}, env, io.Discard)
		require.NoError(t, err)
		_, err = open(t.Context(), cfg, slog.New(slog.DiscardHandler), nil)
		require.ErrorIs(t, err, errSettings)
		require.ErrorContains(t, err, "file")
	}
}
