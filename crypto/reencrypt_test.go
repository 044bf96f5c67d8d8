package crypto_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart"
	rcrypto "github.com/ecolaura/rampart/crypto"
)

// What Reencrypt does to a table is tested in internal/integration, where there
// are drivers.
func TestReencryptSaysEveryMistakeAtOnce(t *testing.T) {
	ring := ringOf(t, keyA)
	whole := rcrypto.Reencrypt{DB: new(sql.DB), Dialect: rampart.SQLite, Table: "t", ID: "id", Column: "c", Cipher: ring.Cipher()}
	with := func(change func(r *rcrypto.Reencrypt)) rcrypto.Reencrypt {
		r := whole
		change(&r)
		return r
	}
	for name, tt := range map[string]struct {
		r    rcrypto.Reencrypt
		want []string
	}{
		"nothing given":             {rcrypto.Reencrypt{}, []string{"DB missing", "Dialect invalid", "Table missing", "ID missing", "Column missing", "Cipher missing"}},
		"no field for rows":         {with(func(r *rcrypto.Reencrypt) { r.RowBound = true }), []string{"Cipher no_field"}},
		"ciphers without keys":      {with(func(r *rcrypto.Reencrypt) { r.Cipher, r.From = &rcrypto.Cipher{}, &rcrypto.Cipher{} }), []string{"Cipher missing", "From missing"}},
		"an index without a column": {with(func(r *rcrypto.Reencrypt) { r.Index = ring.Index("t.c", nil) }), []string{"IndexColumn missing"}},
		"a column without an index": {with(func(r *rcrypto.Reencrypt) { r.IndexColumn = "i" }), []string{"Index missing"}},
		"a negative batch":          {with(func(r *rcrypto.Reencrypt) { r.Batch = -1 }), []string{"Batch invalid"}},
		"a huge batch":              {with(func(r *rcrypto.Reencrypt) { r.Batch = 10_001 }), []string{"Batch invalid"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tt.r.Run(t.Context(), nil)
			var got []string
			for m := range rampart.Mistakes(err) {
				got = append(got, m.Field+" "+m.Reason)
			}
			assert.Equal(t, tt.want, got)
		})
	}
}
