package incidenttest_test

import (
	"fmt"
	"testing"

	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/incidenttest"
)

// TestMyStore is the whole test of a store of your own.
func TestMyStore(t *testing.T) {
	incidenttest.TestStore(t, func(testing.TB) func() incident.Store {
		store := incident.NewMemoryStore(0)
		return func() incident.Store { return store }
	})
}

func ExampleTestStore() {
	fmt.Println("see TestMyStore")
	// Output: see TestMyStore
}
