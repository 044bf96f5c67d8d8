package throttletest_test

import (
	"testing"

	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttletest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	throttletest.TestStore(t, func(testing.TB) throttle.Store { return throttle.NewMemory(0) })
}
