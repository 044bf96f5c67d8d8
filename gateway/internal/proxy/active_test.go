package proxy_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/proxy"
	"github.com/stretchr/testify/assert"
)

// asked answers active checks as it is told.
type asked struct {
	mu     sync.Mutex
	status map[string]int // 0: unreachable; -1: too slow
	times  map[string]int
}

func (a *asked) ask(ctx context.Context, addr string) (int, error) {
	a.mu.Lock()
	a.times[addr]++
	status := a.status[addr]
	a.mu.Unlock()
	switch status {
	case 0:
		return 0, errors.New("refused")
	case -1:
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return status, nil
}

func (a *asked) set(addr string, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status[addr] = status
}

func TestActiveChecks(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*conf.Active)
		bad    int
		after  int // rounds until the target is sick; 0: never
	}{
		{"bad answers", func(a *conf.Active) { a.Unhealthy.HTTPFailures = 2 }, 500, 2},
		{"bad answers that do not count", func(*conf.Active) {}, 500, 0},
		{"an answer that says nothing", func(a *conf.Active) { a.Unhealthy.HTTPFailures = 2 }, 418, 0},
		{"no connection", func(a *conf.Active) { a.Unhealthy.TCPFailures = 3 }, 0, 3},
		{"no answer in time", func(a *conf.Active) { a.Unhealthy.Timeouts = 1 }, -1, 1},
		{"no connection by TCP", func(a *conf.Active) { a.Unhealthy.TCPFailures, a.Type = 1, "tcp" }, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := conf.NewUpstream()
				u.ID, u.Name = "u", "u"
				a := &u.Healthchecks.Active
				a.Healthy.Interval, a.Unhealthy.Interval, a.Healthy.Successes, a.Timeout = 10, 5, 2, 1
				c.change(a)
				var targets []*conf.Target
				for _, addr := range []string{"a:1", "b:1"} {
					one := conf.NewTarget()
					one.Upstream, one.Target = "u", addr
					targets = append(targets, one)
				}
				by := &asked{status: map[string]int{"a:1": 200, "b:1": 200}, times: map[string]int{}}
				p := proxy.NewAsking(u, targets, by.ask)
				rounds := func(n int, every time.Duration) {
					time.Sleep(time.Duration(n) * every)
					time.Sleep(1500 * time.Millisecond) // for the slow ones
					synctest.Wait()
				}
				rounds(1, 10*time.Second)
				assert.Equal(t, map[string]int{"a:1": 1, "b:1": 1}, by.times)
				by.set("b:1", c.bad)
				rounds(max(c.after, 5)-1, 10*time.Second)
				if c.after == 0 {
					assert.True(t, p.Health()["b:1"])
					p.Close()
					return
				}
				rounds(1, 10*time.Second)
				assert.Equal(t, map[string]bool{"a:1": true, "b:1": false}, p.Health())
				for range 10 { // no cooldown: the checks alone decide
					addr, end, err := p.Pick()
					assert.NoError(t, err)
					assert.Equal(t, "a:1", addr)
					end(true)
				}
				by.set("b:1", 200)
				rounds(4, 5*time.Second)
				assert.True(t, p.Health()["b:1"], "two good answers")
				p.Close()
				before := by.times["a:1"]
				time.Sleep(time.Minute)
				synctest.Wait()
				assert.Equal(t, before, by.times["a:1"], "the end is the end")
			})
		})
	}
}
