package integration_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/internal/logtest"
)

func TestABackgroundBringsColumnsUnderTheNewestKey(t *testing.T) {
	db := openSQLiteFile(t, filepath.Join(t.TempDir(), "x.db"))
	execute(t, db, `CREATE TABLE c (id INTEGER PRIMARY KEY, phone TEXT, note TEXT)`)
	ring, err := fernet.NewKeyring(fernet.GenerateKey())
	require.NoError(t, err)
	for range 300 {
		_, err := db.Exec(`INSERT INTO c (phone, note) VALUES (?, ?)`, ring.Cipher().EncryptString("+49"), ring.Cipher().EncryptString("n"))
		require.NoError(t, err)
	}
	var log logtest.Records
	job := func(name string) column.Reencrypt {
		return column.Reencrypt{DB: db, Dialect: rampart.SQLite, Table: "c", ID: "id", Column: name, Cipher: ring.Cipher(), Batch: 50}
	}
	b, err := column.NewBackground(column.BackgroundConfig{Jobs: []column.Reencrypt{job("phone"), job("note")}, Delay: time.Millisecond, Logger: log.Logger()})
	require.NoError(t, err)
	assert.Equal(t, column.BackgroundState{}, b.State())
	ends := func(changed int) {
		t.Helper()
		require.Eventually(t, func() bool { return !b.State().Running }, 30*time.Second, time.Millisecond)
		for _, name := range []string{"phone", "note"} {
			p := b.State().Columns[name]
			assert.Equal(t, 300, p.Rows)
			assert.Equal(t, changed, p.Changed)
		}
	}
	b.Start()
	ends(0)
	key := fernet.GenerateKey()
	require.NoError(t, ring.Rotate(key))
	b.Start()
	require.Eventually(t, func() bool { return b.State().Columns["phone"].Changed > 0 }, 30*time.Second, time.Millisecond)
	b.Start() // while it runs: once more after that
	ends(0)
	newest, err := fernet.NewKeyring(key)
	require.NoError(t, err)
	var text string
	require.NoError(t, db.QueryRow(`SELECT note FROM c WHERE id = 300`).Scan(&text))
	_, err = newest.Cipher().DecryptString(text)
	require.NoError(t, err)
	assert.False(t, b.State().Failed)
	assert.Empty(t, log.All(t))

	execute(t, db, `UPDATE c SET note = 'torn' WHERE id = 7`)
	b.Start()
	require.Eventually(t, func() bool { return !b.State().Running }, 30*time.Second, time.Millisecond)
	assert.True(t, b.State().Failed)
	assert.Equal(t, 1, b.State().Columns["note"].Invalid)
	assert.Len(t, log.All(t), 1)

	b.Start()
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	assert.False(t, b.State().Running)
	b.Start()
	assert.False(t, b.State().Running, "it is closed")
}

func TestABackgroundReportsEveryMistake(t *testing.T) {
	_, err := column.NewBackground(column.BackgroundConfig{Delay: -1})
	assert.Equal(t, "Jobs: missing\nDelay: invalid: \"-1ns\"", conferrtest.Text(err))
	_, err = column.NewBackground(column.BackgroundConfig{Jobs: []column.Reencrypt{{}}})
	require.Error(t, err)
}
