package column_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
)

// What Reencrypt does to a table is tested in internal/integration, where there
// are drivers.
func TestReencryptSaysEveryMistakeAtOnce(t *testing.T) {
	ring := ringOf(t, keyA)
	whole := column.Reencrypt{DB: new(sql.DB), Dialect: rampart.SQLite, Table: "t", ID: "id", Column: "c", Cipher: ring.Cipher()}
	with := func(change func(r *column.Reencrypt)) column.Reencrypt {
		r := whole
		change(&r)
		return r
	}
	for name, tt := range map[string]struct {
		r    column.Reencrypt
		want []string
	}{
		"nothing given":             {column.Reencrypt{}, []string{"DB missing", "Dialect invalid", "Table missing", "ID missing", "Column missing", "Cipher missing"}},
		"no field for rows":         {with(func(r *column.Reencrypt) { r.RowBound = true }), []string{"Cipher no_field"}},
		"ciphers without keys":      {with(func(r *column.Reencrypt) { r.Cipher, r.From = &fernet.Cipher{}, &fernet.Cipher{} }), []string{"Cipher missing", "From missing"}},
		"an index without a column": {with(func(r *column.Reencrypt) { r.Index = column.NewIndex(ring, "t.c", nil) }), []string{"IndexColumn missing"}},
		"a column without an index": {with(func(r *column.Reencrypt) { r.IndexColumn = "i" }), []string{"Index missing"}},
		"a negative batch":          {with(func(r *column.Reencrypt) { r.Batch = -1 }), []string{"Batch invalid"}},
		"a huge batch":              {with(func(r *column.Reencrypt) { r.Batch = 10_001 }), []string{"Batch invalid"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tt.r.Run(t.Context(), nil)
			var got []string
			for m := range rampart.Mistakes(err) {
				got = append(got, m.Field+" "+string(m.Reason))
			}
			assert.Equal(t, tt.want, got)
		})
	}
}
