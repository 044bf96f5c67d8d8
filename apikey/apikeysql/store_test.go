package apikeysql_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeysql"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// The store itself is tested where the drivers are: internal/integration.

func TestNewReportsEveryMistake(t *testing.T) {
	s, err := apikeysql.New(nil, 9, apikeysql.Config{})
	assert.Nil(t, s)
	assert.Equal(t, "db: missing\nd: invalid: \"unknown\"", conferrtest.Text(err))
}

func TestMigrateReportsEveryMistake(t *testing.T) {
	assert.Equal(t, "db: missing\nd: invalid: \"unknown\"", conferrtest.Text(apikeysql.Migrate(t.Context(), nil, 0)))
}

func TestAZeroStoreFailsClosed(t *testing.T) {
	var s apikeysql.Store
	ctx := t.Context()
	_, _, lookup := s.Lookup(ctx, "id")
	_, lookupHash := s.LookupHash(ctx, nil)
	_, revokeOwner := s.RevokeOwner(ctx, "alice", time.Now())
	_, list := s.List(ctx, apikey.Filter{Limit: 1})
	for _, err := range []error{
		lookup, lookupHash, revokeOwner, list, s.Insert(ctx, apikey.Key{}, nil), s.UpdateHash(ctx, "id", nil, nil),
		s.Rotate(ctx, "id", time.Now(), apikey.Key{}, nil), s.Revoke(ctx, "id", time.Now()), s.Touch(ctx, map[string]time.Time{"id": time.Now()}),
	} {
		require.EqualError(t, err, "apikeysql: store not made by New")
	}
}
