package apikeytest_test

import (
	"testing"

	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeytest"
)

// In the test of a store of your own:
func ExampleTestStore() {
	_ = func(t *testing.T) {
		apikeytest.TestStore(t, func(testing.TB) apikey.Store { return apikey.NewMemoryStore() })
	}
	// Output:
}
