package column_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
)

func TestAnIndexPrintsNoKey(t *testing.T) {
	x := column.NewIndex(ringOf(t, keyA), "a.b", nil)
	want := x.String()
	assert.Contains(t, want, "REDACTED")
	assert.Equal(t, want, fmt.Sprintf("%+v", x))
	assert.Equal(t, want, x.LogValue().String())
	text, err := json.Marshal(x)
	require.NoError(t, err)
	assert.JSONEq(t, `"`+want+`"`, string(text))
	assert.Equal(t, "REDACTED()", (*column.Index)(nil).String())
}

func TestWithoutAKeyAStatementFails(t *testing.T) {
	for _, c := range []column.Cipher{nil, new(fernet.Cipher)} {
		_, err := column.Seal(c, "text").Value()
		assert.ErrorContains(t, err, "without a key")
		var text string
		assert.Error(t, column.Scan(c, &text).Scan("gAAAA"))
	}
}
