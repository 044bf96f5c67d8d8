package proxy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/proxy"
)

func pool(algorithm string, weights ...int) *proxy.Pool {
	u := conf.NewUpstream()
	u.ID, u.Algorithm = "u", algorithm
	u.Healthchecks.Passive.Unhealthy.TCPFailures = 2
	u.Healthchecks.Passive.Healthy.Successes = 1
	var targets []*conf.Target
	for i, w := range weights {
		t := conf.NewTarget()
		t.Upstream, t.Weight, t.Target = "u", w, string(rune('a'+i))+":1"
		targets = append(targets, t)
	}
	return proxy.NewPool(u, targets, nil)
}

func TestWeightsAreSharesOfTheRequests(t *testing.T) {
	p := pool("round-robin", 3, 1, 0)
	seen := map[string]int{}
	for range 400 {
		addr, done, err := p.Pick()
		require.NoError(t, err)
		seen[addr]++
		done(true)
	}
	assert.Equal(t, map[string]int{"a:1": 300, "b:1": 100}, seen)
}

func TestTheTargetWithTheFewestRequestsUnderWayIsNext(t *testing.T) {
	p := pool("least-connections", 1, 1)
	first, end, err := p.Pick()
	require.NoError(t, err)
	second, _, err := p.Pick()
	require.NoError(t, err)
	assert.NotEqual(t, first, second)
	end(true)
	third, _, err := p.Pick()
	require.NoError(t, err)
	assert.Equal(t, first, third, "it has none again, the second still one")
}

func TestATargetThatFailedIsTriedAgainByOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool("round-robin", 1)
		for range 2 {
			_, done, err := p.Pick()
			require.NoError(t, err)
			done(false)
		}
		_, _, err := p.Pick()
		require.Error(t, err, "it rests")
		time.Sleep(10 * time.Second)
		_, done, err := p.Pick()
		require.NoError(t, err, "one request may try it")
		_, _, err = p.Pick()
		require.Error(t, err, "but no second one")
		done(false)
		_, _, err = p.Pick()
		require.Error(t, err, "it rests again")
		time.Sleep(10 * time.Second)
		_, done, err = p.Pick()
		require.NoError(t, err)
		done(true)
		for range 3 {
			_, _, err = p.Pick()
			require.NoError(t, err, "it is well")
		}
	})
}

func TestATrialThatItsClientGivesUpIsNotTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool("round-robin", 1)
		_, _, another, err := p.PickFor() // begins while the target is well
		require.NoError(t, err)
		for range 2 {
			_, done, err := p.Pick()
			require.NoError(t, err)
			done(false)
		}
		time.Sleep(10 * time.Second)
		_, _, giveUp, err := p.PickFor()
		require.NoError(t, err, "the trial")
		giveUp()
		_, _, err = p.Pick()
		require.Error(t, err, "it rests again")
		another()
		time.Sleep(10 * time.Second)
		_, done, err := p.Pick()
		require.NoError(t, err, "another trial")
		done(true)
		_, _, err = p.Pick()
		require.NoError(t, err, "it is well")
	})
}

func TestATrialThatIsGivenUpDoesNotOverruleTheOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool("round-robin", 1)
		for range 2 {
			_, done, err := p.Pick()
			require.NoError(t, err)
			done(false)
		}
		time.Sleep(10 * time.Second)
		addr, _, giveUp, err := p.PickFor()
		require.NoError(t, err)
		require.True(t, p.Set(addr, false))
		giveUp()
		time.Sleep(time.Hour)
		_, _, err = p.Pick()
		require.Error(t, err, "the operator said so")
	})
}
