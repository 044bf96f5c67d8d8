package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/freeport"
)

// redisServer starts a Redis of this test's own, which it may kill.
func redisServer(t *testing.T) (url string, instance *exec.Cmd) {
	t.Helper()
	name, err := exec.LookPath("redis-server")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("RAMPART_REQUIRE"), ","), "redis") {
			t.Fatal(err)
		}
		t.Skip("SKIPPED: no redis-server on this machine: run `make services`")
	}
	addr := freeport.Addr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	instance = exec.Command(name, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir", t.TempDir())
	require.NoError(t, instance.Start())
	t.Cleanup(func() { _ = instance.Process.Kill(); _ = instance.Wait() })
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 30*time.Second, 20*time.Millisecond)
	return "redis://" + addr + "/0", instance
}

func TestInstancesShareLimitsRevocationsAndBlocksThroughRedis(t *testing.T) {
	url, instance := redisServer(t)
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	args := []string{"-redis", url, "-anon-rate", "100/hour", "-user-rate", "10000/hour", "-trusted-proxies", "127.0.0.0/8"}
	one, two := startProcess(t, db, args...), startProcess(t, db, args...)
	one.behindProxy, two.behindProxy = true, true

	// An instance that waits for Redis for a tenth of a second counts by itself:
	// on a busy machine one client or the other may have had to.
	var client string
	var passed atomic.Int64
	for i := range 5 {
		client = fmt.Sprint("X-Forwarded-For: 203.0.113.", i+1)
		passed.Store(0)
		var wg sync.WaitGroup
		for i := range 8 {
			p := []*process{one, two}[i%2]
			wg.Go(func() {
				for range 25 {
					if p.do("GET", "/api/public/", "", client).status == 200 {
						passed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if passed.Load() == 100 {
			break
		}
		t.Logf("%d passed", passed.Load())
	}
	assert.EqualValues(t, 100, passed.Load(), "of 200 over both, 100 an hour")

	access, _ := one.login("alice")
	operator := two.operator()
	assert.Equal(t, 200, two.do("GET", "/api/secure/", "", bearer(access)).status)
	one.ops(operator, "sessions/end/", `{"subject":"`+claim(t, access, "user_id")+`"}`)
	two.soonRefused("/api/secure/", bearer(access))
	carol, _ := one.login("alice")
	key := one.post("/api/keys/", `{"name":"crm"}`, bearer(carol))
	for _, p := range []*process{one, two} { // into either cache
		assert.Equal(t, 200, p.do("GET", "/api/partner/", "", "X-API-Key: "+key.field(t, "key")).status)
	}
	one.ops(operator, "keys/revoke/", `{"key":"`+key.field(t, "id")+`"}`)
	two.soonRefused("/api/partner/", "X-API-Key: "+key.field(t, "key"))
	again := startProcess(t, db, args...)
	again.behindProxy = true
	assert.Equal(t, 401, again.do("GET", "/api/secure/", "", bearer(access)).status)
	var statuses []int
	for range 3 {
		statuses = append(statuses, again.do("GET", "/api/public/", "", client).status)
	}
	assert.Contains(t, statuses, 429, "the limit outlives an instance")

	// Without Redis each instance counts by itself, at once and without a hang;
	// what has been revoked stays so.
	require.NoError(t, instance.Process.Kill())
	_ = instance.Wait()
	times := make([]time.Duration, 3)
	for i := range times {
		began := time.Now()
		assert.Contains(t, []int{200, 429}, one.do("GET", "/api/public/", "", client).status)
		assert.Equal(t, 401, two.do("GET", "/api/secure/", "", bearer(access)).status)
		times[i] = time.Since(began)
	}
	t.Logf("answered without Redis after %v", times)
	slices.Sort(times)
	assert.Less(t, times[1], 2*time.Second)
	assert.Less(t, times[2], 10*time.Second)

	// An order needs no Redis, and an instance that has none hears of it.
	without := startProcess(t, db, args[2:]...)
	without.behindProxy = true
	late, _ := one.login("alice")
	one.ops(operator, "sessions/end/", `{"subject":"`+claim(t, late, "user_id")+`"}`)
	for _, p := range []*process{two, without} {
		p.soonRefused("/api/secure/", bearer(late))
	}
}

func TestAnUnreachableRedisIsToldAtStart(t *testing.T) {
	name, err := binary()
	require.NoError(t, err)
	out, status := runBinary(t, name, "-db", filepath.Join(t.TempDir(), "a.db"), "-redis", "redis://:hunter2@"+freeport.Addr(t)+"/0")
	assert.Equal(t, 1, status, out)
	assert.Contains(t, out, "redis")
	assert.NotContains(t, out, "hunter2")
}
