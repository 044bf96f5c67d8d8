package apikey_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/apikey"
)

// owners is a table of what people may do.
type owners struct {
	scopes map[string][]string
	err    error
	asked  int
}

func (o *owners) of(_ context.Context, owner string) ([]string, error) {
	o.asked++
	return o.scopes[owner], o.err
}

func TestAKeyHasNoScopeThatItsOwnerHasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &owners{scopes: map[string][]string{"alice": {"customers:read", "ops", "products:write"}}}
		f := newFixture(t, func(c *apikey.Config) { c.OwnerScopes, c.CacheTTL = o.of, time.Minute })
		k, text := f.make(t)
		scopes := func() []string {
			caller, err := f.Verify(t.Context(), text, anywhere)
			require.NoError(t, err)
			assert.Equal(t, strings.Join(slices.Collect(caller.Scopes()), " "), caller.Caller().Scope)
			return slices.Collect(caller.Scopes())
		}
		assert.Equal(t, []string{"products:write", "customers:read"}, scopes(), "those of the key, and no more")

		o.scopes["alice"] = []string{"ops", "customers:read"}
		assert.Equal(t, []string{"products:write", "customers:read"}, scopes())
		assert.Equal(t, 1, o.asked, "with the store, which is not asked at every request")
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"customers:read"}, scopes())

		o.scopes["alice"] = nil
		f.Invalidate(k.ID)
		assert.Empty(t, scopes())
		o.scopes["alice"] = []string{"products:write", "customers:read"}
		f.Invalidate(k.ID)
		assert.Len(t, scopes(), 2, "the key itself is as it was")
	})
}

func TestAnOwnerOfWhomNobodyCanTellIsAnOutage(t *testing.T) {
	o := &owners{err: errors.New("down")}
	f := newFixture(t, func(c *apikey.Config) { c.OwnerScopes = o.of })
	_, text := f.make(t)
	_, err := f.Verify(t.Context(), text, anywhere)
	assert.Equal(t, apikey.KeyUnavailable, reason(err))
	for _, change := range []func(*apikey.Key){
		func(k *apikey.Key) { k.Owner = "" },
		func(k *apikey.Key) { k.Scopes = nil },
	} {
		_, text = f.make(t, change)
		_, err = f.Verify(t.Context(), text, anywhere)
		assert.NoError(t, err, "nobody is asked")
	}
	assert.Equal(t, 1, o.asked)
}

// TestAKeyThatHasEndedIsNoOutage: its owner may be gone as well.
func TestAKeyThatHasEndedIsNoOutage(t *testing.T) {
	o := &owners{err: errors.New("no such owner")}
	f := newFixture(t, func(c *apikey.Config) { c.OwnerScopes, c.CacheTTL = o.of, time.Minute })
	k, text := f.make(t)
	require.NoError(t, f.Revoke(t.Context(), k.ID))
	for range 2 {
		_, err := f.Verify(t.Context(), text, anywhere)
		assert.Equal(t, apikey.KeyRevoked, reason(err))
	}
	assert.Zero(t, o.asked)
}

func TestAKeyOfAnotherSystemHasNoScopeThatItsOwnerHasLost(t *testing.T) {
	o := &owners{scopes: map[string][]string{"alice": {"a"}}}
	f := newFixture(t, func(c *apikey.Config) { c.OwnerScopes, c.Legacy = o.of, []apikey.Legacy{apikey.PlainText()} })
	const text = "an-old-key-of-another-system"
	_, err := f.Import(t.Context(), apikey.Key{ID: "old", Name: "n", Owner: "alice", Scopes: []string{"a", "b"}}, apikey.PlainText(), text)
	require.NoError(t, err)
	caller, err := f.Verify(t.Context(), text, anywhere)
	require.NoError(t, err)
	assert.True(t, caller.HasScope("a"))
	assert.False(t, caller.HasScope("b"))
}

func TestAConfigPrintsWithoutItsPeppers(t *testing.T) {
	const pepper = "a pepper of 28 bytes, secret"
	cfg := apikey.Config{Prefix: prefix, Peppers: [][]byte{[]byte(pepper)}}
	var out bytes.Buffer
	for _, v := range []any{cfg, &cfg, []apikey.Config{cfg}, map[string]apikey.Config{"k": cfg}, struct{ C apikey.Config }{cfg}} {
		for _, verb := range "vsqxXdoOUtbceEfFgG" { // not p: package fmt asks nobody about it
			for _, flags := range []string{"", "+", "#"} {
				fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", v)
			}
		}
		text, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Contains(t, string(text), "REDACTED")
		out.Write(text)
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("m", "v", v)
		}
	}
	assert.Equal(t, `apikey.Config("eco_test" REDACTED)`, fmt.Sprintf("%+v", cfg))
	for _, shown := range []string{pepper, fmt.Sprintf("%x", pepper), fmt.Sprintf("%X", pepper), strings.Trim(fmt.Sprintf("%d", []byte(pepper)), "[]"), "YSBwZXBwZXI"} {
		assert.NotContains(t, out.String(), shown)
	}
}
