package integration_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
)

const reencryptWriters = 4

// TestReencryptLosesNothing re-encrypts a table in another process, which is
// killed three times, beside writers that change, delete and insert rows: first
// with the old key, from the second kill on with the new one. In the end each
// row has the text that was last written to it, under the new key, with its index.
// RAMPART_BARS=1 has 200 000 rows.
func TestReencryptLosesNothing(t *testing.T) {
	t.Parallel() // most of it is waiting
	if spec := os.Getenv("RAMPART_REENCRYPT_CHILD"); spec != "" {
		reencryptChild(t, spec)
		return
	}
	rows := 5_000
	if os.Getenv("RAMPART_BARS") == "1" {
		rows = 200_000
	}
	forEachNotes(t, "BIGINT", func(t *testing.T, n notes) {
		a, b := fernet.GenerateKey(), fernet.GenerateKey()
		ring := ringOf(t, a, b)
		w := &noteWriters{notes: n, field: ring.Field("customers.note"), index: column.NewIndex(ring, "customers.note", strings.ToLower), texts: make([]map[int]string, reencryptWriters)}
		w.fill(t, rows)
		started := time.Now()
		stop := w.start(t, rows)

		run := func(killAfter int) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReencryptLosesNothing$", "-test.v")
			cmd.Env = append(os.Environ(), "RAMPART_REENCRYPT_CHILD="+n.dialect.String()+" "+n.dsn, "RAMPART_REENCRYPT_KEYS="+b.Reveal()+","+a.Reveal())
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			cmd.Stderr = os.Stderr
			require.NoError(t, cmd.Start())
			var p column.Progress
			for lines := bufio.NewScanner(out); lines.Scan(); {
				_, err := fmt.Sscanf(lines.Text(), "progress:%d:%d:%d", &p.Rows, &p.Changed, &p.Retried)
				if err == nil && killAfter > 0 && p.Rows >= killAfter {
					require.NoError(t, cmd.Process.Kill()) // kill -9
					killAfter = 0
				}
			}
			err = cmd.Wait()
			t.Logf("%s: run ended (%v) after %d rows, %d changed, %d read again", n.dialect, err, p.Rows, p.Changed, p.Retried)
			if killAfter < 0 {
				require.NoError(t, err)
			} else {
				require.Error(t, err)
			}
		}
		run(rows / 5)
		run(rows / 3)
		require.NoError(t, ring.Reconfigure(b, a)) // every writer has the new first key from here
		run(rows / 2)
		run(-1)
		written := stop()
		t.Logf("%s: %d rows in %v beside %d writes", n.dialect, rows, time.Since(started).Round(time.Millisecond), written)
		require.Greater(t, written, int64(rows/100))
		w.verify(t, ringOf(t, b))
	})
}

func reencryptChild(t *testing.T, spec string) {
	dialect, dsn, _ := strings.Cut(spec, " ")
	n := notes{dialect: rampart.SQLite}
	if dialect == rampart.PostgreSQL.String() {
		n.dialect = rampart.PostgreSQL
		db, err := sql.Open("pgx", dsn)
		require.NoError(t, err)
		defer db.Close()
		n.DB = db
	} else {
		n.DB = openSQLiteFile(t, dsn)
	}
	ring, err := fernet.KeyringFromEnv("RAMPART_REENCRYPT_KEYS")
	require.NoError(t, err)
	_, err = reencryptNotes(n, ring).Run(t.Context(), func(p column.Progress) {
		fmt.Printf("progress:%d:%d:%d\n", p.Rows, p.Changed, p.Retried)
	})
	require.NoError(t, err)
}

// noteWriters are the programs that use the table. Each has rows of its own, so
// that it knows what they must hold.
type noteWriters struct {
	notes
	field  *fernet.Cipher
	index  *column.Index
	texts  []map[int]string // by writer and row
	writes atomic.Int64
}

func (w *noteWriters) fill(t *testing.T, rows int) {
	for i := range w.texts {
		w.texts[i] = map[int]string{}
	}
	tx, err := w.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	insert, err := tx.PrepareContext(t.Context(), w.bind(`INSERT INTO TABLE_ (ID_, TEXT_, INDEX_) VALUES (@, @, @)`))
	require.NoError(t, err)
	for id := range rows {
		text := fmt.Sprintf("First text of %d", id)
		_, err := insert.ExecContext(t.Context(), id, column.Seal(w.field.Row(fmt.Sprint(id)), text), w.index.Of(text))
		require.NoError(t, err)
		w.texts[id%len(w.texts)][id] = text
	}
	require.NoError(t, tx.Commit())
}

// start starts the writers; stop ends them and returns how often they wrote.
func (w *noteWriters) start(t *testing.T, rows int) (stop func() int64) {
	var wg sync.WaitGroup
	end := make(chan struct{})
	for i, texts := range w.texts {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 7))
			for k := 0; ; k++ {
				select {
				case <-end:
					return
				default:
				}
				if err := w.write(t, rnd, texts, rnd.IntN(rows/len(w.texts))*len(w.texts)+i, fmt.Sprintf("Writer %d, text %d", i, k)); err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
				w.writes.Add(1)
			}
		})
	}
	return func() int64 { close(end); wg.Wait(); return w.writes.Load() }
}

// write checks what a row holds and changes it.
func (w *noteWriters) write(t *testing.T, rnd *rand.Rand, texts map[int]string, id int, text string) error {
	row := w.field.Row(fmt.Sprint(id))
	old, there := texts[id]
	if !there {
		_, err := w.ExecContext(t.Context(), w.bind(`INSERT INTO TABLE_ (ID_, TEXT_, INDEX_) VALUES (@, @, @)`), id, column.Seal(row, text), w.index.Of(text))
		texts[id] = text
		return err
	}
	var have, index string
	err := w.QueryRowContext(t.Context(), w.bind(`SELECT TEXT_, INDEX_ FROM TABLE_ WHERE ID_ = @`), id).Scan(column.Scan(row, &have), &index)
	if err != nil || have != old {
		return fmt.Errorf("row %d has %q; want %q (%w)", id, have, old, err)
	}
	if all := w.index.AllOf(old); index != all[0] && index != all[1] {
		return fmt.Errorf("row %d is not found by its index", id)
	}
	if rnd.IntN(10) == 0 {
		delete(texts, id)
		_, err = w.ExecContext(t.Context(), w.bind(`DELETE FROM TABLE_ WHERE ID_ = @`), id)
		return err
	}
	texts[id] = text
	_, err = w.ExecContext(t.Context(), w.bind(`UPDATE TABLE_ SET TEXT_ = @, INDEX_ = @ WHERE ID_ = @`), column.Seal(row, text), w.index.Of(text), id)
	return err
}

// verify reads the whole table with the keys of ring.
func (w *noteWriters) verify(t *testing.T, ring *fernet.Keyring) {
	field, index := ring.Field("customers.note"), column.NewIndex(ring, "customers.note", strings.ToLower)
	want := map[int]string{}
	for _, texts := range w.texts {
		maps.Copy(want, texts)
	}
	rows, err := w.QueryContext(t.Context(), w.bind(`SELECT ID_, TEXT_, INDEX_ FROM TABLE_`))
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var id int
		var token, blind string
		require.NoError(t, rows.Scan(&id, &token, &blind))
		text, err := field.Row(fmt.Sprint(id)).DecryptString(token)
		require.NoError(t, err, "row %d is not under the new key", id)
		require.Equal(t, want[id], text, "row %d", id)
		require.Equal(t, index.Of(text), blind, "row %d", id)
		delete(want, id)
	}
	require.NoError(t, rows.Err())
	require.Empty(t, want, "rows that are gone")
}
