package throttle_test

import (
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
)

// samples returns what l tells, by name and limiter.
func samples(l *throttle.Limiter) map[string]float64 {
	all := map[string]float64{}
	for s := range l.Samples {
		all[s.Name+" "+s.Labels["limiter"]] = s.Value
	}
	return all
}

func TestALimiterTellsHowFullItsTableIs(t *testing.T) {
	day := throttle.Policy{Name: "day", Rate: throttle.Rate{Count: 1_000_000, Period: time.Hour}, Key: throttle.By("path", func(r *http.Request) string { return r.URL.Path })}
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(2)), day}, Store: throttle.NewMemory(1200)})
	const name = "rampart_throttle_fill_ratio anon,day"
	assert.Equal(t, map[string]float64{name: 0}, samples(l))
	for i := range 600 {
		serve(l, get(fmt.Sprintf("192.0.2.7:%d", i)))
	}
	assert.Less(t, samples(l)[name], 0.01, "one caller")
	for i := range 600 {
		serve(l, get(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256)))
	}
	assert.InDelta(t, 0.45, samples(l)[name], 0.1, "with some slots to spare")
	for i := range 6000 {
		serve(l, get(fmt.Sprintf("10.%d.%d.%d:1", 1+i/65536, i/256%256, i%256)))
	}
	assert.InDelta(t, 1, samples(l)[name], 0.01)
	for range l.Samples {
		break
	}
	assert.Empty(t, samples(new(throttle.Limiter)))
}

func TestALimiterTellsThatItsStoreIsDown(t *testing.T) {
	for desc, tt := range map[string]struct {
		outage rampart.Outage
		fill   map[string]float64
	}{
		"closed":              {rampart.FailClosed, nil},
		"with one of its own": {rampart.FallBack, map[string]float64{"rampart_throttle_fill_ratio anon": 0}},
	} {
		t.Run(desc, func(t *testing.T) {
			l, store, _ := remote(t, tt.outage, anon(perHour(1000)))
			with := func(down float64) map[string]float64 {
				all := map[string]float64{"rampart_throttle_store_down anon": down}
				maps.Copy(all, tt.fill)
				return all
			}
			assert.Equal(t, with(0), samples(l))
			store.err = errDown
			_, _ = l.Check(get("192.0.2.7:1"))
			got := samples(l)
			if tt.fill != nil {
				assert.Positive(t, got["rampart_throttle_fill_ratio anon"])
				got["rampart_throttle_fill_ratio anon"] = 0
			}
			assert.Equal(t, with(1), got)
			store.err = nil
			_, err := l.Check(get("192.0.2.7:1"))
			require.NoError(t, err)
			assert.Zero(t, samples(l)["rampart_throttle_store_down anon"])
		})
	}
	circuit := &openCircuit{Store: throttle.NewMemory(0)}
	l := newLimiter(t, throttle.Config{Policies: []throttle.Policy{anon(perHour(2))}, Store: circuit, Outage: rampart.FailClosed, Replicas: 1})
	assert.InDelta(t, 1, samples(l)["rampart_throttle_store_down anon"], 0, "a store that reports outages itself")
}

// openCircuit is a store that says that it does not ask.
type openCircuit struct{ throttle.Store }

func (*openCircuit) CircuitOpen() bool { return true }
func (*openCircuit) ReportsOutages()   {}
