package incident_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/incidenttest"
)

func TestTheMemoryStoreKeepsTheContract(t *testing.T) {
	incidenttest.TestStore(t, func(testing.TB) func() incident.Store {
		store := incident.NewMemoryStore(0)
		return func() incident.Store { return store }
	})
}

func TestTheMemoryStoreKeepsTheNewestOrders(t *testing.T) {
	for limit, want := range map[int]int{3: 3, 1: 1, 0: 1000, -1: 1000} {
		store := incident.NewMemoryStore(limit)
		begin := func(id int) {
			t.Helper()
			_, added, err := store.Begin(t.Context(), incident.Order{
				ID: fmt.Sprintf("%04d", id), At: time.Unix(int64(id), 0), State: incident.Done, Once: fmt.Sprint(id % 1002),
			})
			require.NoError(t, err)
			require.True(t, added, "the Once of an order that is gone is free")
		}
		for id := range 1002 {
			begin(id)
		}
		page, err := store.List(t.Context(), "", 2000)
		require.NoError(t, err)
		require.Len(t, page, want)
		assert.Equal(t, "1001", page[0].ID)
		_, err = store.Get(t.Context(), "0000")
		assert.ErrorIs(t, err, incident.ErrNoOrder)
		begin(1002) // whose Once was that of the order 0
	}
}
