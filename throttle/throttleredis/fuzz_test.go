package throttleredis_test

import (
	"context"
	"testing"
	"time"

	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// FuzzReply: whatever a server sends, results are in their ranges, and what it
// sends for a refusal lets nobody pass.
func FuzzReply(f *testing.F) {
	for _, numbers := range [][]float64{
		{1, 5, 7, 0, 0, 3600e6, 9, 0, 0, 60e6}, {0, 5, 7, 0, 0, 3600e6, 9, 0, 5e6, 60e6}, {-1, 1e300, -5, 0, 1, 2, 3, 4, 5, 6},
	} {
		s, _ := replying(numbers...)(f.Context(), nil)
		f.Add([]byte(s.(string)), true)
	}
	f.Fuzz(func(t *testing.T, reply []byte, text bool) {
		store, err := throttleredis.New(func(context.Context, ...any) (any, error) {
			if text {
				return string(reply), nil
			}
			return reply, nil
		}, throttleredis.Config{})
		if err != nil {
			t.Fatal(err)
		}
		items := []throttle.Item{
			{Policy: "w", Key: "k", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Cost: 1},
			{Policy: "b", Key: "k", Rate: throttle.Rate{Count: 3, Period: time.Second, Burst: 5}, Algorithm: throttle.TokenBucket, Cost: 2},
		}
		out := make([]throttle.Result, 2)
		ok, err := store.Take(t.Context(), items, out)
		if err != nil {
			if ok {
				t.Fatal("passed with an error")
			}
			return
		}
		waits := false
		for i, limit := range []int{100, 5} {
			res := out[i]
			if res.Limit != limit || res.Remaining < 0 || res.Remaining > limit || res.RetryAfter < 0 || res.ResetAfter < 0 {
				t.Fatalf("%+v", res)
			}
			waits = waits || res.RetryAfter > 0
		}
		if ok == waits {
			t.Fatalf("passed is %t, results are %+v", ok, out)
		}
	})
}
