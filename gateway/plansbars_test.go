package gateway_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway"
)

const crowd = 10_000

func crowdKey(i int) string { return fmt.Sprintf("a-key-of-a-consumer-%06d", i) }

// crowded is a configuration of 10 000 consumers on five plans, of which plan i has
// the quota 2+i; without plans if with is "".
func crowded(with string) string {
	var text strings.Builder
	text.WriteString("_format_version: \"3.0\"\nroutes: [{name: r, paths: [/]}]\n" +
		"plugins: [{name: key-auth}, {name: request-termination, config: {status_code: 200}}]\nconsumers:\n")
	for i := range crowd {
		plan := ""
		if with != "" {
			plan = fmt.Sprintf("plan: p%d, ", i%5)
		}
		fmt.Fprintf(&text, "- {username: c%d, %skeyauth_credentials: [{key: %s}]}\n", i, plan, crowdKey(i))
	}
	if text.WriteString("plans:\n"); with == "" {
		return text.String()
	}
	for i := range 5 {
		fmt.Fprintf(&text, "- {name: p%d, rate: 1000, quota_month: %d, %s}\n", i, 2+i, with)
	}
	return text.String()
}

// each runs f for every consumer, several at a time.
func each(f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < crowd; i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wg.Wait()
}

func bar(t *testing.T) {
	t.Helper()
	if os.Getenv("RAMPART_BARS") != "1" {
		t.Skip("RAMPART_BARS=1 measures it")
	}
}

func crowdGateway(t *testing.T, with string, change ...func(*gateway.Config)) *metered {
	t.Helper()
	m := meter(t, "", change...)
	require.NoError(t, m.g.Use(t.Context(), []byte(crowded(with))))
	return m
}

func TestBarQuotasOfACrowdAreExactOverARestart(t *testing.T) {
	bar(t)
	file := filepath.Join(t.TempDir(), "gateway.db")
	var passed [crowd]int
	begin, requests := time.Now(), atomic.Int64{}
	for _, most := range []int{1, 2, 9} { // each time another process would
		db := openSQLite(t, file)
		m := crowdGateway(t, "window: calendar", func(c *gateway.Config) { c.DB, c.Dialect = db, rampart.SQLite })
		each(func(i int) {
			n, last := m.ask(most, crowdKey(i), "GET", "/")
			passed[i] += n
			if requests.Add(int64(n)); last.status != 200 {
				requests.Add(1)
				assert.Equal(t, 429, last.status)
			}
		})
		require.NoError(t, m.g.Close())
		require.NoError(t, db.Close())
	}
	took := time.Since(begin)
	for i, n := range passed {
		require.Equal(t, 2+i%5, n, i)
	}
	t.Logf("10 000 consumers, two restarts: exact; %d requests, %v each", requests.Load(), took/time.Duration(requests.Load()))
}

func TestBarQuotasOfACrowdAreExactInMemoryOverATurn(t *testing.T) {
	bar(t)
	synctest.Test(t, func(t *testing.T) {
		m := crowdGateway(t, "window: calendar, quota_day: 1")
		for range 2 {
			each(func(i int) { assert.Equal(t, 1, m.passed(9, crowdKey(i), "GET", "/"), i) })
			time.Sleep(24 * time.Hour)
		}
	})
}

func TestBarQuotasOfACrowdAreExactOverFourGateways(t *testing.T) {
	bar(t)
	r := newRedis(t)
	var gateways []*metered
	for range 4 {
		gateways = append(gateways, crowdGateway(t, "policy: redis, fault_tolerant: false", func(c *gateway.Config) { c.Redis = dial(t, "127.0.0.1:"+r.port) }))
	}
	var passed [crowd]atomic.Int64
	begin := time.Now()
	each(func(i int) {
		var wg sync.WaitGroup
		for _, g := range gateways {
			wg.Go(func() {
				n, last := g.ask(9, crowdKey(i), "GET", "/")
				passed[i].Add(int64(n))
				assert.Equal(t, 429, last.status)
			})
		}
		wg.Wait()
	})
	for i := range passed {
		require.EqualValues(t, 2+i%5, passed[i].Load(), i)
	}
	t.Logf("10 000 consumers on four gateways: exact, in %v", time.Since(begin))
}

func TestBarBytesAConsumerOnAPlan(t *testing.T) {
	bar(t)
	heap := func() uint64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	cost := func(with string, db *sql.DB) float64 {
		before := heap()
		m := crowdGateway(t, with, func(c *gateway.Config) {
			if db != nil {
				c.DB, c.Dialect = db, rampart.SQLite
			}
		})
		each(func(i int) { assert.Equal(t, 1, m.passed(1, crowdKey(i), "GET", "/")) })
		after := heap()
		require.NoError(t, m.g.Close())
		return float64(after-before) / crowd
	}
	open := func() *sql.DB { return openSQLite(t, filepath.Join(t.TempDir(), "gateway.db")) }
	cost("window: sliding", open()) // what is made once
	plain := cost("", nil)
	kept, forgotten := cost("window: sliding", open()), cost("window: sliding", nil)
	t.Logf("%.0f B a consumer with a key; on a plan %.0f B more with quotas in a database, %.0f B more with quotas in memory", plain, kept-plain, forgotten-plain)
	assert.LessOrEqual(t, kept-plain, 100.0)
}
