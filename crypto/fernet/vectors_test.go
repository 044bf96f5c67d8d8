package fernet_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
)

// TestTheVectorsOfTheDocuments opens what another implementation of
// docs/encryption.md made, and looks for it in there.
func TestTheVectorsOfTheDocuments(t *testing.T) {
	var v struct {
		Key                   string
		Time                  int64
		Fields, Rows, Indexes []struct{ Column, Row, Key, Text, Token, Index string }
	}
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v))
	require.Len(t, v.Fields, 3)
	require.Len(t, v.Rows, 4)
	require.Len(t, v.Indexes, 3)
	doc, err := os.ReadFile("../../docs/encryption.md")
	require.NoError(t, err)
	require.Contains(t, string(doc), v.Key)

	ring, newer := ringOf(t, v.Key), ringOf(t, fernet.GenerateKey().Reveal(), v.Key)
	check := func(token, want string, text string, err error, made func([]byte) (time.Time, error)) {
		require.NoError(t, err)
		assert.Equal(t, want, text)
		at, err := made([]byte(token))
		require.NoError(t, err)
		assert.Equal(t, v.Time, at.Unix())
		assert.Contains(t, string(doc), "`"+token+"`")
	}
	for _, r := range []*fernet.Keyring{ring, newer} {
		for _, f := range v.Fields {
			c := r.Field(f.Column)
			text, err := c.DecryptString(f.Token)
			check(f.Token, f.Text, text, err, c.Timestamp)
		}
		for _, f := range v.Rows {
			b := r.Field(f.Column).Row(f.Row)
			text, err := b.DecryptString(f.Token)
			check(f.Token, f.Text, text, err, b.Timestamp)
		}
	}
	for _, f := range v.Indexes {
		assert.Equal(t, f.Index, column.NewIndex(ring, f.Column, nil).Of(f.Text))
		assert.Equal(t, f.Index, column.NewIndex(newer, f.Column, nil).AllOf(f.Text)[1])
		assert.Contains(t, string(doc), "`"+f.Index+"`")
	}
}
