package column_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
)

type (
	phone string
	blob  []byte
)

type failing struct{}

func (failing) Value() (driver.Value, error) { return nil, errors.New("no value") }

func TestSeal(t *testing.T) {
	c := newCipher(t)
	const null = "NULL"
	tests := []struct {
		desc string
		v    any
		want string
	}{
		{"string", "text", "text"},
		{"empty string", "", ""},
		{"named string", phone("text"), "text"},
		{"bytes", []byte("text"), "text"},
		{"empty bytes", []byte{}, ""},
		{"named bytes", blob("text"), "text"},
		{"pointer to string", new("text"), "text"},
		{"pointer to empty string", new(""), ""},
		{"pointer to pointer", new(new("text")), "text"},
		{"pointer to bytes", new([]byte("text")), "text"},
		{"valid NullString", sql.NullString{String: "text", Valid: true}, "text"},
		{"empty NullString", sql.NullString{Valid: true}, ""},
		{"valid Null", sql.Null[string]{V: "text", Valid: true}, "text"},
		{"pointer to NullString", &sql.NullString{String: "text", Valid: true}, "text"},
		{"nil", nil, null},
		{"nil bytes", []byte(nil), null},
		{"nil pointer", (*string)(nil), null},
		{"pointer to nil pointer", new((*string)(nil)), null},
		{"pointer to nil bytes", new([]byte(nil)), null},
		{"NULL NullString", sql.NullString{String: "left over"}, null},
		{"nil pointer to NullString", (*sql.NullString)(nil), null},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			v, err := column.Seal(c, tt.v).Value()
			require.NoError(t, err)
			if tt.want == null {
				assert.Nil(t, v)
				return
			}
			text, err := c.DecryptString(v.(string))
			require.NoError(t, err)
			assert.Equal(t, tt.want, text)
			assert.True(t, driver.IsValue(v))
		})
	}
}

func TestSealRefusesWhatIsNoText(t *testing.T) {
	c := newCipher(t)
	for want, v := range map[string]any{
		"column: cannot encrypt a int":     7,
		"column: cannot encrypt a []int":   []int{1},
		"column: cannot encrypt a float64": sql.NullFloat64{Float64: 1, Valid: true},
		"no value":                         failing{},
	} {
		got, err := column.Seal(c, v).Value()
		assert.Nil(t, got)
		assert.EqualError(t, err, want)
	}
}

func TestSealedArgumentsDoNotPrintTheText(t *testing.T) {
	v := column.Seal(newCipher(t), "078-05-1120")
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v %s", v, v, v, []any{v}), "078")
}

func TestScan(t *testing.T) {
	c := newCipher(t)
	token := c.EncryptString("text")
	for _, src := range []any{token, []byte(token)} {
		var (
			s  string
			n  phone
			b  []byte
			bb blob
			p  *string
			pp **string
			ns sql.NullString
			nt sql.Null[string]
		)
		for _, dst := range []any{&s, &n, &b, &bb, &p, &pp, &ns, &nt} {
			require.NoError(t, column.Scan(c, dst).Scan(src), "%T", dst)
		}
		assert.Equal(t, "text", s)
		assert.Equal(t, phone("text"), n)
		assert.Equal(t, []byte("text"), b)
		assert.Equal(t, blob("text"), bb)
		assert.Equal(t, "text", *p)
		assert.Equal(t, "text", **pp)
		assert.Equal(t, sql.NullString{String: "text", Valid: true}, ns)
		assert.Equal(t, sql.Null[string]{V: "text", Valid: true}, nt)
	}
}

func TestScanKeepsNullAndEmptyApart(t *testing.T) {
	c := newCipher(t)
	empty := c.EncryptString("")
	p, b, ns := new("before"), []byte("before"), sql.NullString{String: "before", Valid: true}
	require.NoError(t, column.Scan(c, &p).Scan(nil))
	require.NoError(t, column.Scan(c, &b).Scan(nil))
	require.NoError(t, column.Scan(c, &ns).Scan(nil))
	assert.Nil(t, p)
	assert.Nil(t, b)
	assert.False(t, ns.Valid)

	require.NoError(t, column.Scan(c, &p).Scan(empty))
	require.NoError(t, column.Scan(c, &b).Scan(empty))
	require.NoError(t, column.Scan(c, &ns).Scan(empty))
	assert.Equal(t, new(""), p)
	assert.Equal(t, []byte{}, b)
	assert.Equal(t, sql.NullString{Valid: true}, ns)
}

func TestScanLeavesTheDestinationAloneOnErrors(t *testing.T) {
	c := newCipher(t)
	token := c.EncryptString("text")
	s, n, p := "before", 1, new(1)
	tests := []struct {
		desc string
		dst  any
		src  any
		want string
	}{
		{"plain text in the column", &s, "078-05-1120", "fernet: invalid token"},
		{"empty column", &s, "", "fernet: invalid token"},
		{"token of another key", &s, newCipher(t).EncryptString("x"), "fernet: invalid token"},
		{"NULL into a string", &s, nil, "column: cannot decrypt NULL into a string"},
		{"a number in the column", &s, int64(5), "column: cannot decrypt a int64"},
		{"into a number", &n, token, "column: cannot decrypt into a int"},
		{"into a pointer to a number", &p, token, "column: cannot decrypt into a int"},
		{"into no pointer", s, token, "column: cannot decrypt into a string"},
		{"into a nil pointer", (*string)(nil), token, "column: cannot decrypt into a *string"},
		{"into nil", nil, token, "column: cannot decrypt into a <nil>"},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			assert.EqualError(t, column.Scan(c, tt.dst).Scan(tt.src), tt.want)
			assert.Equal(t, "before", s)
			assert.Equal(t, 1, n)
			assert.Equal(t, 1, *p)
		})
	}
	assert.Equal(t, fernet.ErrInvalid, column.Scan(c, &s).Scan("junk"))
}

func TestScanKeepsNoMemoryOfTheDriver(t *testing.T) {
	c := newCipher(t)
	src := c.Encrypt([]byte("text"))
	var b []byte
	require.NoError(t, column.Scan(c, &b).Scan(src))
	clear(src)
	assert.Equal(t, "text", string(b))
}

const (
	keyA      = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	vectorKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

func ringOf(t testing.TB, text string) *fernet.Keyring {
	t.Helper()
	key, err := fernet.ParseKey(text)
	require.NoError(t, err)
	ring, err := fernet.NewKeyring(key)
	require.NoError(t, err)
	return ring
}

func newCipher(t testing.TB) *fernet.Cipher { return ringOf(t, fernet.GenerateKey().Reveal()).Cipher() }
