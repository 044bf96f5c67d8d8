package rampart_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart"
)

func TestMistakesFindsEveryConfigErrorInOrder(t *testing.T) {
	one := &rampart.ConfigError{Type: "cors.Config", Field: "Origins", Reason: "invalid", Value: "a\nb"}
	two := &rampart.ConfigError{Type: "auth.Config", Field: "Secret", Reason: "too_short"}
	tree := fmt.Errorf("start: %w", errors.Join(fmt.Errorf("cors: %w", one), errors.New("else"), errors.Join(two)))

	assert.Equal(t, []*rampart.ConfigError{one, two}, slices.Collect(rampart.Mistakes(tree)))
	assert.Empty(t, slices.Collect(rampart.Mistakes(nil)))
	assert.Empty(t, slices.Collect(rampart.Mistakes(errors.New("plain"))))

	for first := range rampart.Mistakes(tree) { // stops when told to
		assert.Same(t, one, first)
		break
	}
}

func TestAConfigErrorQuotesItsValue(t *testing.T) {
	assert.EqualError(t, &rampart.ConfigError{Type: "cors.Config", Field: "Origins", Reason: rampart.ReasonInvalid, Value: "a\nb", Want: "an origin"}, `cors.Config.Origins: invalid "a\nb": an origin`)
	assert.EqualError(t, &rampart.ConfigError{Type: "auth.Config", Field: "Secret", Reason: "too_short"}, `auth.Config.Secret: too_short`)
}
