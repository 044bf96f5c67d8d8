package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// measure is a counter-measure, and a request that it stops.
type measure struct {
	desc string
	// prepare returns a request that passes.
	prepare func(t *testing.T, p *process) request
	// call and body are the operator's; SESSION, SUBJECT and KEY stand for what
	// the request has.
	call, body string
	status     int // of the request once it is stopped
	// spare is how many an instance may still let pass: of one a day that one, and
	// one that it counts by itself if a busy Redis keeps it waiting.
	spare      int
	lift, with string // the operator's call that ends it; "" if nothing does
}

// secure is a request with alice's access token.
func secure(t *testing.T, p *process) request {
	t.Helper()
	access, _ := p.login("alice")
	session := claim(t, access, "sid")
	return request{
		method: "GET", path: "/api/secure/", headers: []string{bearer(access)},
		session: session, subject: claim(t, access, "user_id"),
	}
}

// partner is a request with a new API key of alice's.
func partner(t *testing.T, p *process) request {
	t.Helper()
	access, _ := p.login("alice")
	key := p.post("/api/keys/", `{"name":"crm"}`, bearer(access))
	return request{
		method: "GET", path: "/api/partner/", headers: []string{"X-API-Key: " + key.field(t, "key")},
		key: key.field(t, "id"), subject: claim(t, access, "user_id"),
	}
}

// publicFrom is a stranger's request from an address.
func publicFrom(addr string) func(*testing.T, *process) request {
	return func(*testing.T, *process) request {
		return request{method: "GET", path: "/api/public/", headers: []string{"X-Forwarded-For: " + addr}}
	}
}

// verify is a request that changes nothing by a method that might.
func verify(t *testing.T, p *process) request {
	t.Helper()
	access, _ := p.login("alice")
	return request{method: "POST", path: "/api/token/verify/", body: `{"token":"` + access + `"}`, headers: []string{asJSON}}
}

var measures = []measure{
	{desc: "a session is ended", prepare: secure, call: "sessions/end/", body: `{"session":"SESSION","note":"lost laptop"}`, status: 401},
	{desc: "a subject's sessions are ended", prepare: secure, call: "sessions/end/", body: `{"subject":"SUBJECT"}`, status: 401},
	{desc: "all sessions before a time are ended", prepare: secure, call: "sessions/end/", body: `{"before":""}`, status: 401},
	{desc: "an API key is revoked", prepare: partner, call: "keys/revoke/", body: `{"key":"KEY"}`, status: 401},
	{desc: "an owner's API keys are revoked", prepare: partner, call: "keys/revoke/", body: `{"owner":"SUBJECT"}`, status: 401},
	{
		desc: "an address is blocked", prepare: publicFrom("203.0.113.7"), status: 403,
		call: "blocks/", body: `{"prefix":"203.0.113.7","for":"1h","note":"scraper"}`, lift: "blocks/lift/", with: `{"prefix":"203.0.113.7"}`,
	},
	{
		desc: "a prefix is blocked", prepare: publicFrom("2001:db8::7"), status: 403,
		call: "blocks/", body: `{"prefix":"2001:db8::/32","for":"1h"}`, lift: "blocks/lift/", with: `{"prefix":"2001:db8::/32"}`,
	},
	{
		desc: "a rate is tightened", prepare: publicFrom("203.0.113.8"), status: 429, spare: 2,
		call: "rates/", body: `{"policy":"anon","rate":"1/day","for":"1h"}`, lift: "rates/lift/", with: `{"policy":"anon"}`,
	},
	{
		desc: "writing is locked", prepare: verify, status: 503,
		call: "lockdown/", body: `{"mode":"read_only","for":"1h"}`, lift: "lockdown/lift/", with: `{}`,
	},
	{
		desc: "everybody but a list is locked out", prepare: publicFrom("203.0.113.9"), status: 503,
		call: "lockdown/", body: `{"mode":"deny","allow":["198.51.100.0/24"],"for":"1h"}`, lift: "lockdown/lift/", with: `{}`,
	},
	{desc: "a leaked signing key is replaced", prepare: secure, call: "signing-key/rotate/", body: `{"overlap":"0s"}`, status: 401},
}

// Each counter-measure is ordered from one of three processes, amid traffic on
// all of them: what it stops passes everywhere before, within a second nowhere,
// and it stays so over a restart.
func TestCounterMeasuresHoldOnEveryInstanceAndOverARestart(t *testing.T) {
	args := append([]string{"-trusted-proxies", "127.0.0.0/8"}, wide...)
	t.Run("through the database", func(t *testing.T) {
		t.Parallel()
		startFleet(t, args...).takes(t, measures)
	})
	t.Run("through Redis", func(t *testing.T) {
		t.Parallel()
		url, _ := redisServer(t)
		startFleet(t, append(args, "-redis", url)...).takes(t, measures)
	})
}

func (f *fleet) takes(t *testing.T, measures []measure) {
	for _, m := range measures {
		t.Run(m.desc, func(t *testing.T) {
			for _, p := range f.instances {
				p.t = t
			}
			f.take(t, m)
		})
	}
}

func (f *fleet) take(t *testing.T, m measure) {
	r := m.prepare(t, f.instances[0])
	body := strings.NewReplacer("SESSION", r.session, "SUBJECT", r.subject, "KEY", r.key).Replace(m.body)
	operator := f.instances[1].operator()
	tr := f.traffic(r)
	tr.await(t, "it passes everywhere", sample.accepted)
	assert.Contains(t, f.instances[1].ops(operator, m.call, body).body, `"in_force":{"instances":3,"of":3}`)
	ordered := time.Now()
	tr.await(t, "it is stopped everywhere", func(s sample) bool { return s.status == m.status })
	sent := tr.end(t)
	assertStopped(t, sent, ordered, m.status, m.spare)
	assert.LessOrEqual(t, accepted(sent[1], ordered), m.spare, "where it was ordered, once that was answered")

	began := time.Now()
	f.restart(t)
	tr = f.traffic(r)
	tr.await(t, "it stays so over a restart", func(s sample) bool { return s.status == m.status })
	for _, samples := range tr.end(t) {
		assert.LessOrEqual(t, accepted(samples, began), m.spare, "over a restart")
	}

	if m.lift == "" {
		return
	}
	f.instances[0].ops(operator, m.lift, m.with)
	tr = f.traffic(r)
	tr.await(t, "once it is lifted it passes everywhere", sample.accepted)
	tr.end(t)
}

func TestAnOrderTellsWhichInstancesAreBehind(t *testing.T) {
	t.Parallel()
	f := startFleet(t, append([]string{"-trusted-proxies", "127.0.0.0/8"}, wide...)...)
	one, paused, killed := f.instances[0], f.instances[1], f.instances[2]
	operator := one.operator()
	signal := func(p *process, s syscall.Signal) { require.NoError(t, p.cmd.Process.Signal(s)) }
	block := func() answer { return one.ops(operator, "blocks/", `{"prefix":"203.0.113.7","for":"1h"}`) }

	signal(paused, syscall.SIGSTOP)
	a := block()
	assert.Contains(t, a.body, `"in_force":{"instances":2,"of":3,"behind":[{"id":"`)
	signal(paused, syscall.SIGCONT)
	order := "/api/ops/orders/" + a.field(t, "id") + "/"
	require.Eventually(t, func() bool {
		return strings.Contains(one.do("GET", order, "", operator).body, `"in_force":{"instances":3,"of":3}`)
	}, 10*time.Second, 50*time.Millisecond)

	signal(killed, syscall.SIGKILL)
	_ = killed.cmd.Wait()
	assert.Contains(t, block().body, `"in_force":{"instances":2,"of":3,"behind":[{"id":"`)
	require.Equal(t, 0, paused.stop(t))
	assert.Contains(t, block().body, `"in_force":{"instances":1,"of":2,"behind":[{"id":"`, "one that has ended is not waited for")
}
