package memo_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/internal/memo"
)

func TestAMapKeepsTheFirstValuesThatHaveRoom(t *testing.T) {
	var m memo.Map[string, int]
	_, ok := m.Get("a")
	assert.False(t, ok)
	for _, step := range []struct {
		key         string
		value, kept int
		ok          bool
	}{{"a", 1, 1, true}, {"b", 2, 2, true}, {"a", 3, 1, true}, {"c", 4, 4, false}} {
		kept, ok := m.Add(step.key, step.value, 2)
		assert.Equal(t, []any{step.kept, step.ok}, []any{kept, ok}, step.key)
	}
	b, ok := m.Get("b")
	assert.True(t, ok)
	assert.Equal(t, 2, b)
	_, ok = m.Get("c")
	assert.False(t, ok)
}

func TestGoroutinesAgreeOnAValue(t *testing.T) {
	var m memo.Map[int, *int]
	var group sync.WaitGroup
	got := make([]*int, 16)
	for g := range got {
		group.Go(func() {
			for i := range 50 {
				got[g], _ = m.Add(i, new(int), 100)
			}
		})
	}
	group.Wait()
	for _, p := range got {
		assert.Same(t, got[0], p)
	}
}
