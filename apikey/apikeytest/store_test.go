package apikeytest_test

import (
	"testing"

	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeytest"
)

func TestTheMemoryStoreKeepsTheContract(t *testing.T) {
	apikeytest.TestStore(t, func(testing.TB) apikey.Store { return apikey.NewMemoryStore() })
}
