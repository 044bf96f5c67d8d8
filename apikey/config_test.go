package apikey_test

import (
	"bytes"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

func TestNewReportsEveryMistake(t *testing.T) {
	store := apikey.NewMemoryStore()
	long := bytes.Repeat([]byte("p"), 32)
	tests := []struct {
		desc string
		cfg  apikey.Config
		want string
	}{
		{"an empty config", apikey.Config{}, "Store: missing\nPrefix: missing"},
		{
			"several at once",
			apikey.Config{Prefix: "Eco", Peppers: [][]byte{[]byte("short"), long}, Header: []string{"X Key", "Authorization:", "X-API-Key"}},
			"Store: missing\nPrefix: invalid: \"Eco\"\nPeppers: invalid\nHeader: invalid: \"X Key\"\nHeader: invalid: \"Authorization:\"",
		},
		{"an empty pepper alone", apikey.Config{Store: store, Prefix: "eco", Peppers: [][]byte{nil}}, "Peppers: invalid"},
		{"an empty pepper before another", apikey.Config{Store: store, Prefix: "eco", Peppers: [][]byte{long, nil, long}}, "Peppers: invalid"},
		{"a kind of keys that is none", apikey.Config{Store: store, Prefix: "eco", Legacy: []apikey.Legacy{{}}}, "Legacy: invalid"},
		{"a negative time to live", apikey.Config{Store: store, Prefix: "eco", CacheTTL: -1}, `CacheTTL: invalid: "-1ns"`},
		{"a scheme of two words", apikey.Config{Store: store, Prefix: "eco", Header: []string{"Authorization: Api Key"}}, `Header: invalid: "Authorization: Api Key"`},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			keys, err := apikey.New(tt.cfg)
			assert.Nil(t, keys)
			require.Equal(t, tt.want, conferrtest.Text(err))
			assert.Len(t, slices.Collect(rampart.Mistakes(err)), 1+strings.Count(tt.want, "\n"))
		})
	}
}

func TestPrefixes(t *testing.T) {
	for p, ok := range map[string]bool{
		"eco": true, "eco_live": true, "e2": true, "a_b_c": true, strings.Repeat("a", 32): true,
		"e": false, "_eco": false, "eco_": false, "eco__live": false, "1eco": false, "ECO": false, "eco-live": false, "é": false, "a b": false, strings.Repeat("a", 33): false,
	} {
		_, err := apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: p})
		assert.Equal(t, ok, err == nil, "%q: %v", p, err)
	}
}

func TestConfigIsNotComparable(t *testing.T) {
	assert.False(t, reflect.TypeFor[apikey.Config]().Comparable())
}

func TestLaterChangesOfConfigHaveNoEffect(t *testing.T) {
	pepper, header := bytes.Repeat([]byte("p"), 32), []string{"X-Key"}
	store := apikey.NewMemoryStore()
	keys, err := apikey.New(apikey.Config{Store: store, Prefix: prefix, Peppers: [][]byte{pepper}, Header: header})
	require.NoError(t, err)
	_, secret, err := keys.Create(t.Context(), apikey.Key{Name: "n"})
	require.NoError(t, err)
	clear(pepper)
	header[0] = "X-Other"
	r := request(t, "X-Key", secret.Reveal())
	_, err = keys.Check(r)
	require.NoError(t, err)
}

func TestAZeroKeysFailsClosed(t *testing.T) {
	var keys apikey.Keys
	next := new(spy)
	for _, h := range []http.Handler{keys.Handler(next), keys.Optional(next), mounted(fixture{Keys: &keys}, nil), mounted(fixture{Keys: &keys}, asAlice)} {
		r := request(t, "X-API-Key", good+checksumOfGood)
		r.URL.Path = "/api/keys/"
		w := serve(h, r)
		assert.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable}, w.Code)
		if w.Code == http.StatusUnauthorized {
			assert.Equal(t, "Api-Key", w.Header().Get("WWW-Authenticate"))
		}
	}
	assert.Zero(t, next.calls)
	ctx := t.Context()
	_, err := keys.Verify(ctx, good+checksumOfGood, anywhere)
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
	_, err = keys.Import(ctx, apikey.Key{Name: "n"}, apikey.PlainText(), good)
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
	_, _, err = keys.Create(ctx, apikey.Key{Name: "n"})
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
	_, _, err = keys.Rotate(ctx, "id", 0)
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
	assert.Equal(t, apikey.KeyUnavailable, reason(keys.Revoke(ctx, "id")))
	_, err = keys.RevokeOwner(ctx, "alice")
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
	_, err = keys.List(ctx, apikey.Filter{})
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
	assert.NoError(t, keys.Close())
}
