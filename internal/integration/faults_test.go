package integration_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
)

// TestFaults has three processes of the example server meet what happens to their
// backends and to each other. RAMPART_FAULTS=1 (`make faults`) is the whole of it.
func TestFaults(t *testing.T) {
	whole := os.Getenv("RAMPART_FAULTS") != ""
	if _, err := exec.LookPath("redis-server"); err != nil {
		missing(t, "redis", "run `make services`: this test kills a redis-server of its own")
	}
	postgresSchema(t) // or the test is skipped
	binary := buildAPI(t)
	t.Run("log-ins at once", func(t *testing.T) { faultLogins(t, binary, whole) })
	t.Run("backends", func(t *testing.T) {
		f := startAPIs(t, binary, 3, wideRates()...)
		t.Run("Redis", func(t *testing.T) { faultRedis(t, f, whole) })
		t.Run("PostgreSQL", func(t *testing.T) { faultPostgres(t, f, whole) })
		t.Run("restored", func(t *testing.T) { faultRestore(t, f) })
		t.Run("instances", func(t *testing.T) { faultInstances(t, f, whole) })
		t.Run("an instance is terminated while PostgreSQL hangs", func(t *testing.T) { faultTerminated(t, f) })
	})
	t.Run("one limit for all", func(t *testing.T) { faultLimit(t, binary) })
	if whole {
		t.Run("calls per request", func(t *testing.T) { faultCalls(t, binary) })
	}
}

// usualProbes are what clients and operators ask.
func usualProbes(t *testing.T, f *apiFleet) []probe {
	t.Helper()
	first := f.instances[0]
	alice, _ := first.login("alice")
	oscar, _ := first.login("oscar")
	key := first.key(alice)
	var refresh, blocks []string
	for i := range f.instances {
		_, token := first.login("bob")
		refresh = append(refresh, `{"refresh":"`+token+`"}`)
		blocks = append(blocks, fmt.Sprintf(`{"prefix":"198.51.100.%d","for":"10m"}`, i+1))
	}
	for _, s := range f.instances { // each instance knows them
		for _, caller := range []string{alice, oscar} {
			require.Equal(t, http.StatusOK, s.do(apiRequest{method: "GET", path: "/api/secure/", caller: caller}).status)
		}
		require.Equal(t, http.StatusOK, s.do(apiRequest{method: "GET", path: "/api/partner/", caller: key}).status)
	}
	get := func(name, path, caller string) probe {
		return probe{name: name, request: apiRequest{method: "GET", path: path, caller: caller, from: "203.0.113.1"}, every: fastProbe}
	}
	post := func(name, path, body, caller string) probe {
		return probe{name: name, request: apiRequest{method: "POST", path: path, body: body, caller: caller, from: "203.0.113.2"}, every: slowProbe}
	}
	order := post("order", "/api/ops/blocks/", "", oscar)
	order.bodies = blocks
	renew := post("refresh", "/api/token/refresh/", "", "")
	renew.bodies, renew.renews = refresh, true
	return []probe{
		get("token", "/api/secure/", alice), get("key", "/api/partner/", key), get("public", "/api/public/", ""),
		get("products", "/api/products/", ""), get("state", "/api/ops/state/", oscar), get("health", "/healthz", ""),
		post("register", "/api/register/", `{"email":"a@example.com","name":"Ann","phone":"+49301234567"}`, ""),
		{name: "login", request: loginOf("bob"), every: 2 * slowProbe}, // dear
		order, renew,
	}
}

// survive tries an outage until nothing was late: a busy machine may need another
// try.
func (f *apiFleet) survive(t *testing.T, o outage) {
	t.Helper()
	t.Run(o.state, func(t *testing.T) {
		var late []string
		for range 3 {
			if late = f.endure(t, o, usualProbes(t, f)); len(late) == 0 || t.Failed() {
				break
			}
			t.Log(late)
		}
		assert.Empty(t, late)
	})
}

// lasting is how long an outage lasts: longer than any answer may take.
func lasting(whole bool) time.Duration {
	if whole {
		return 12 * time.Second
	}
	return 4 * time.Second
}

// Redis holds limits alone: while it is away each instance counts by itself, and
// everything is served.
func faultRedis(t *testing.T, f *apiFleet, whole bool) {
	t.Helper()
	orders := func(t *testing.T) {
		t.Helper()
		oscar, _ := f.instances[0].login("oscar")
		assert.Eventually(t, func() bool { // it waits a second for the others, which a busy machine may hold up
			a := f.instances[0].order(oscar, "blocks/", `{"prefix":"192.0.2.66","for":"10m"}`)
			return strings.Contains(a.body, `"in_force":{"instances":3,"of":3}`)
		}, 5*time.Second, 50*time.Millisecond)
		for i, s := range f.instances {
			assert.Equal(t, http.StatusForbidden, s.do(apiRequest{method: "GET", path: "/api/public/", from: "192.0.2.66"}).status, "instance %d", i)
		}
		f.instances[0].order(oscar, "blocks/lift/", `{"prefix":"192.0.2.66"}`)
	}
	f.survive(t, outage{
		backend: "Redis", state: "hung", lasts: lasting(whole), amid: orders,
		down: func() { require.NoError(t, f.redis.cmd.Process.Signal(syscall.SIGSTOP)) },
		up:   func() { require.NoError(t, f.redis.cmd.Process.Signal(syscall.SIGCONT)) },
	})
	f.survive(t, outage{
		backend: "Redis", state: "killed, then restarted empty", lasts: lasting(whole) / 2, amid: orders,
		down: f.redis.kill, up: f.redis.start,
	})
}

// Without PostgreSQL what needs no row is served, to those who are known, and all
// else is refused soon.
func faultPostgres(t *testing.T, f *apiFleet, whole bool) {
	t.Helper()
	refuses := []string{"products", "state", "health", "register", "login", "order", "refresh"}
	f.survive(t, outage{
		backend: "PostgreSQL", state: "hung", lasts: lasting(whole), refuses: refuses,
		down: f.postgres.hang, up: f.postgres.cont,
	})
	f.survive(t, outage{
		backend: "PostgreSQL", state: "stopped, then restarted", lasts: lasting(whole) / 2, refuses: refuses,
		down: f.postgres.stop, up: f.postgres.start,
	})
}

// Who ends an instance does not wait for a database that hangs.
func faultTerminated(t *testing.T, f *apiFleet) {
	t.Helper()
	alice, _ := f.instances[0].login("alice")
	s := f.start(t)
	f.postgres.hang()
	defer f.postgres.cont()
	a := s.do(apiRequest{method: "GET", path: "/api/secure/", caller: alice})
	assert.Equal(t, http.StatusServiceUnavailable, a.status, "it does not know whether she may act: %s", a.body)
	assert.NotEmpty(t, a.retry)
	assert.Less(t, a.took, patient(longestAnswer))
	under := make(chan apiAnswer, 1)
	go func() {
		a, err := s.try(t.Context(), apiRequest{method: "GET", path: "/api/products/"})
		assert.NoError(t, err)
		under <- a
	}()
	pause(200 * time.Millisecond) // it is under way
	s.signal(syscall.SIGTERM)
	began := time.Now()
	err := s.cmd.Wait()
	took := time.Since(began)
	assert.NoError(t, err, "%s", s.log)
	assert.Equal(t, http.StatusServiceUnavailable, (<-under).status)
	t.Logf("ended after %v", took)
	assert.Less(t, took, patient(5*time.Second))
}

// A database that was set back and a Redis that was emptied lose no measure: the
// instances remember, and one that starts then hears of it.
func faultRestore(t *testing.T, f *apiFleet) {
	t.Helper()
	first := f.instances[0]
	oscar, _ := first.login("oscar")
	bob, refresh := first.login("bob")
	session := first.do(apiRequest{method: "GET", path: "/api/ops/sessions/?subject=" + subjectOf(t, bob), caller: oscar})
	require.Equal(t, http.StatusOK, session.status, session.body)
	id := sessionOf(t, bob)
	require.Contains(t, session.body, id)
	first.order(oscar, "blocks/", `{"prefix":"192.0.2.77","for":"10m"}`)
	first.order(oscar, "sessions/end/", `{"session":"`+id+`"}`)
	first.order(oscar, "lockdown/", `{"mode":"read_only","for":"10m"}`)

	db, err := sql.Open("pgx", f.postgres.direct)
	require.NoError(t, err)
	defer db.Close()
	setBackSQL(t, db, rampart.PostgreSQL).restore(t, 3)
	f.redis.kill()
	f.redis.start()

	fourth := f.start(t)
	began := time.Now()
	restored := f.instances[1].do(apiRequest{method: "GET", path: "/api/secure/", caller: bob})
	assert.Equal(t, http.StatusUnauthorized, restored.status, "those that remember never forget")
	for desc, held := range map[string]struct {
		request apiRequest
		status  int
	}{
		"the block":         {apiRequest{method: "GET", path: "/api/public/", from: "192.0.2.77"}, http.StatusForbidden},
		"the ended session": {apiRequest{method: "GET", path: "/api/secure/", caller: bob}, http.StatusUnauthorized},
		"the lockdown":      {apiRequest{method: "POST", path: "/api/register/", body: `{}`}, http.StatusServiceUnavailable},
	} {
		assert.Eventually(t, func() bool { return fourth.do(held.request).status == held.status }, 20*time.Second, 20*time.Millisecond, desc)
	}
	t.Logf("in force on an instance that starts at once after %v", time.Since(began))
	first.order(oscar, "lockdown/lift/", `{}`)
	first.order(oscar, "blocks/lift/", `{"prefix":"192.0.2.77"}`)
	assert.Equal(t, http.StatusUnauthorized, first.do(apiRequest{method: "POST", path: "/api/token/refresh/", body: `{"refresh":"` + refresh + `"}`}).status)
	lost := 0 // whichever noticed it first published again what was lost
	for _, s := range f.instances {
		lost += s.log.count("event=sys_state_lost")
	}
	assert.Positive(t, lost)
	fourth.signal(syscall.SIGTERM) // it leaves the list of those that follow
	assert.NoError(t, fourth.cmd.Wait())
}

// An order tells the truth of instances that were killed or paused.
func faultInstances(t *testing.T, f *apiFleet, whole bool) {
	t.Helper()
	one, paused, killed := f.instances[0], f.instances[1], f.instances[2]
	oscar, _ := one.login("oscar")
	block := func() apiAnswer { return one.order(oscar, "blocks/", `{"prefix":"192.0.2.88","for":"10m"}`) }
	require.Contains(t, block().body, `"in_force":{"instances":3,"of":3}`)
	paused.signal(syscall.SIGSTOP)
	killed.signal(syscall.SIGKILL)
	_ = killed.cmd.Wait()
	a := block()
	assert.Contains(t, a.body, `"in_force":{"instances":1,"of":3,"behind":[{"id":"`)
	paused.signal(syscall.SIGCONT)
	inForce := func(want string) func() bool {
		return func() bool {
			return strings.Contains(one.do(apiRequest{method: "GET", path: "/api/ops/orders/" + a.field("id") + "/", caller: oscar}).body, want)
		}
	}
	began := time.Now()
	require.Eventually(t, inForce(`"in_force":{"instances":2,"of":3,"behind":[{"id":"`), 20*time.Second, 50*time.Millisecond)
	t.Logf("in force %v after it goes on", time.Since(began))
	assert.Equal(t, http.StatusForbidden, paused.do(apiRequest{method: "GET", path: "/api/public/", from: "192.0.2.88"}).status)
	f.instances[2] = f.start(t)
	assert.Contains(t, block().body, `"in_force":{"instances":3,"of":4,"behind":[{"id":"`, "who was killed is still there")
	if whole {
		require.Eventually(t, inForce(`"in_force":{"instances":3,"of":3}`), time.Minute, 200*time.Millisecond, "nor is it waited for any more")
	}
	one.order(oscar, "blocks/lift/", `{"prefix":"192.0.2.88"}`)
}
