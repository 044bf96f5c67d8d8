package column_test

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
)

// digits makes "+1 (555) 01-00" and "+15550100" equal.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '+' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, s)
}

func TestAnIndexIsAsSpecified(t *testing.T) {
	master, err := base64.URLEncoding.DecodeString(vectorKey)
	require.NoError(t, err)
	key, err := hkdf.Key(sha256.New, master, nil, "rampart/crypto v1 index\x00customers.phone", 32)
	require.NoError(t, err)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("+15550100"))
	want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
	assert.Equal(t, want, column.NewIndex(ringOf(t, vectorKey), "customers.phone", digits).Of("+1 (555) 01-00"))
}

func TestIndexesAreEqualOnlyForEqualValuesOfOneColumnAndKey(t *testing.T) {
	ring := ringOf(t, vectorKey)
	x := column.NewIndex(ring, "customers.phone", digits)
	assert.Equal(t, x.Of("+15550100"), x.Of("+1 555 0100"))
	assert.Equal(t, x.Of("+15550100"), column.NewIndex(ring, "customers.phone", digits).Of("+15550100"))
	seen := map[string]string{}
	for name, index := range map[string]string{
		"value": x.Of("+15550100"), "other value": x.Of("+15550101"), "empty": x.Of(""),
		"other column": column.NewIndex(ring, "customers.fax", digits).Of("+15550100"),
		"other key":    column.NewIndex(ringOf(t, fernet.GenerateKey().Reveal()), "customers.phone", digits).Of("+15550100"),
		"not normal":   column.NewIndex(ring, "customers.phone", nil).Of("+1 555 0100"),
	} {
		assert.Len(t, index, 22)
		assert.Empty(t, seen[index], name)
		seen[index] = name
	}
}

func TestAnIndexTakesWhatSealTakes(t *testing.T) {
	x := column.NewIndex(ringOf(t, vectorKey), "a.b", digits)
	v, err := x.Seal(new("+1 2")).Value()
	require.NoError(t, err)
	assert.Equal(t, x.Of("+12"), v)
	v, err = x.Seal("").Value()
	require.NoError(t, err)
	assert.Equal(t, x.Of(""), v)
	v, err = x.Seal((*string)(nil)).Value()
	require.NoError(t, err)
	assert.Nil(t, v)
	_, err = x.Seal(7).Value()
	assert.Error(t, err)
}

func TestAnIndexWithoutKeysFindsNothing(t *testing.T) {
	for _, x := range []*column.Index{nil, {}, column.NewIndex(ringOf(t, vectorKey), "", nil), column.NewIndex(new(fernet.Keyring), "a.b", nil), column.NewIndex((*fernet.Keyring)(nil), "a.b", nil)} {
		assert.Empty(t, x.AllOf("x"))
		assert.Panics(t, func() { x.Of("x") })
		_, err := x.Seal("x").Value()
		assert.Error(t, err)
	}
}
