package apikeytest_test

import (
	"fmt"
	"testing"

	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeytest"
)

// TestMyStore is the whole test of a store of your own.
func TestMyStore(t *testing.T) {
	apikeytest.TestStore(t, func(testing.TB) apikey.Store { return apikey.NewMemoryStore() })
}

func ExampleTestStore() {
	fmt.Println("see TestMyStore")
	// Output: see TestMyStore
}
