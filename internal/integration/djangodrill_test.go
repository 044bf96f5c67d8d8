package integration_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth/authdjango"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/internal/sqlutil"
)

// TestDjangoCutOverAndRollBack: Django stops and ours starts, then ours stops and Django
// starts. Nobody is logged out, nobody gets in, and both read each other's rows.
func TestDjangoCutOverAndRollBack(t *testing.T) {
	t.Parallel() // most of it is waiting
	users, live, dead, keys, columns := 50, 25, 10, 5, 50
	if os.Getenv("RAMPART_BARS") == "1" {
		users, live, dead, keys, columns = 1000, 500, 100, 50, 1000
	}
	schemes := []string{"argon2", "pbkdf2_sha256", "pbkdf2_sha1", "bcrypt_sha256", "bcrypt"}
	for _, b := range djangoBackends() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			db, settings := b.open(t)
			d := startDjango(t, settings, true)
			theirs := func() side { return side{name: "Django", base: d.url} }
			name := func(i int) string { return fmt.Sprint("u", i%users) }

			// What Django leaves behind.
			accounts := [][]string{}
			for i := range users {
				accounts = append(accounts, []string{name(i), schemes[i%len(schemes)]})
			}
			for some := range slices.Chunk(accounts, 25) {
				d.manage(t, map[string]any{"do": "users", "users": some})
			}
			for i, a := range accounts { // a log-in there would write the first scheme
				var hash string
				require.NoError(t, db.QueryRowContext(t.Context(), sqlutil.Rebind(b.dialect, `SELECT password FROM auth_user WHERE username = ?`), a[0]).Scan(&hash))
				require.Contains(t, hash, schemes[i%len(schemes)]+"$")
			}
			sessions, ended := make([]tokens, live), []tokens{}
			for i := range sessions {
				sessions[i] = theirs().login(t, name(users-1-i)) // the last ones: the others keep their old hashes
			}
			for i := range dead {
				ended = append(ended, theirs().login(t, name(users-1-i)))
				theirs().logout(t, ended[i].refresh)
			}
			key := fernet.GenerateKey()
			columnsOf := func(what string, texts []string) (out []string) {
				answer := d.manage(t, map[string]any{"do": what, "key": key.Reveal(), "texts": texts})
				for _, text := range answer["texts"].([]any) {
					out = append(out, text.(string))
				}
				return out
			}
			plain := make([]string, columns)
			for i := range plain {
				plain[i] = fmt.Sprint("+49 30 é ", i)
			}
			columnsThere := columnsOf("encrypt", plain)
			apiKeys := make([]string, keys)
			for i := range apiKeys {
				apiKeys[i] = fmt.Sprintf("kZ9-token_urlsafe_%027d", i)
			}
			saveAPIKeys(t, db, b.dialect, apiKeys)

			// To stores of our own, without Django's tables: who was logged out stays so.
			memory := session.NewMemoryStore(0)
			n, err := authdjango.Import(t.Context(), db, b.dialect, authdjango.ImportConfig{}, memory)
			require.NoError(t, err)
			assert.Equal(t, dead, n)
			alone, _ := authService(t, memory, 0)
			loggedOut, letIn := 0, 0
			for _, s := range sessions {
				if postAuth(t, alone.VerifyHandler(), `{"token":"`+s.refresh+`"}`).Code != http.StatusOK {
					loggedOut++
				}
			}
			for _, s := range ended {
				if postAuth(t, alone.RefreshHandler(), `{"refresh":"`+s.refresh+`"}`).Code != http.StatusUnauthorized {
					letIn++
				}
			}

			// The cut-over.
			d.end()
			store := djangoStore(t, db, b.dialect, authdjango.Config{})
			census, err := store.Census(t.Context())
			require.NoError(t, err)
			ours, _ := oursOver(t, store, cheap(t, password.Config{Census: census, NameKey: []byte("a secret of some bytes")}))
			for i, s := range sessions {
				if ours.request(t, s.access) != http.StatusOK {
					loggedOut++
				}
				next, code := ours.refresh(t, s.refresh)
				if code != http.StatusOK {
					loggedOut++
					continue
				}
				if sessions[i] = next; i%5 == 0 {
					ours.logout(t, next.refresh)
					ended = append(ended, next)
				}
				ended = append(ended, s) // used up
			}
			for _, s := range ended[:dead] {
				if _, code := ours.refresh(t, s.refresh); code != http.StatusUnauthorized {
					letIn++
				}
			}
			for i := range users {
				ours.login(t, name(i))
				if i%10 == 0 {
					a := ask(t, ours.own, "", http.MethodPost, "/api/token/", "", map[string]string{"username": name(i), "password": "wrong"})
					assert.Equal(t, http.StatusUnauthorized, a.code)
				}
			}
			ring, err := fernet.NewKeyring(key)
			require.NoError(t, err)
			unreadable := 0
			columnsHere := make([]string, columns)
			for i, text := range columnsThere {
				if got, err := ring.Cipher().DecryptString(text); err != nil || got != plain[i] {
					unreadable++
				}
				columnsHere[i] = ring.Cipher().EncryptString(plain[i])
			}
			accepts := importAPIKeys(t, db)
			for _, text := range apiKeys {
				assert.True(t, accepts(text))
				assert.False(t, accepts(text+"x"))
			}

			// The roll-back.
			d = startDjango(t, settings, false)
			for i, s := range sessions {
				_, code := theirs().refresh(t, s.refresh)
				if i%5 == 0 {
					continue // logged out
				}
				if code != http.StatusOK {
					loggedOut++
				}
			}
			for _, s := range ended {
				if _, code := theirs().refresh(t, s.refresh); code != http.StatusUnauthorized {
					letIn++
				}
			}
			for i := range users {
				theirs().login(t, name(i))
			}
			for i, text := range columnsOf("decrypt", append(columnsThere, columnsHere...)) {
				if text != plain[i%columns] {
					unreadable++
				}
			}
			assert.Zero(t, loggedOut, "logged out")
			assert.Zero(t, letIn, "let in")
			assert.Zero(t, unreadable, "unreadable rows")
			t.Logf("%d users, %d sessions, %d ended, %d API keys, %d columns: %d logged out, %d let in, %d unreadable",
				users, live, len(ended), keys, columns, loggedOut, letIn, unreadable)
		})
	}
}

// saveAPIKeys keeps API keys as the original does: in plain text.
func saveAPIKeys(t testing.TB, db *sql.DB, d rampart.Dialect, keys []string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), `CREATE TABLE shop_apikey (key varchar(64) NOT NULL UNIQUE)`)
	require.NoError(t, err)
	for _, key := range keys {
		_, err := db.ExecContext(t.Context(), sqlutil.Rebind(d, `INSERT INTO shop_apikey (key) VALUES (?)`), key)
		require.NoError(t, err)
	}
}

// importAPIKeys takes them over, and returns what tells whether one is accepted.
func importAPIKeys(t testing.TB, db *sql.DB) func(text string) bool {
	t.Helper()
	kind := apikey.PlainText()
	ks, err := apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: "shop", Legacy: []apikey.Legacy{kind}})
	require.NoError(t, err)
	rows, err := db.QueryContext(t.Context(), `SELECT key FROM shop_apikey`)
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		_, err := ks.Import(t.Context(), apikey.Key{Name: text[len(text)-4:]}, kind, text)
		require.NoError(t, err)
	}
	require.NoError(t, rows.Err())
	return func(text string) bool {
		_, err := ks.Verify(t.Context(), text, netip.Addr{})
		return err == nil
	}
}
