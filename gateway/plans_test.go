package gateway_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway"
)

// planned has routes and consumers; PLANS is yet to be filled in.
const planned = `_format_version: "3.0"
routes: [{name: read, paths: [/read]}, {name: write, paths: [/write]}]
plugins: [{name: key-auth}, {name: request-termination, config: {status_code: 200}}]
plans: [PLANS]
consumers:
  - {username: alice, plan: gold, keyauth_credentials: [{key: alice-key-0123456789}, {key: alice-other-key-0123}]}
  - {username: bob, plan: gold, keyauth_credentials: [{key: bob-key-0123456789abc}]}
  - {username: carol, keyauth_credentials: [{key: carol-key-0123456789}]}
`

// metered is a gateway without listeners, so that time may be the test's.
type metered struct {
	t *testing.T
	g *gateway.Gateway
}

func meter(t *testing.T, plans string, change ...func(*gateway.Config)) *metered {
	t.Helper()
	cfg := gateway.Config{Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	g, err := gateway.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, g.Close()) })
	m := &metered{t, g}
	if plans != "" {
		m.use(plans)
	}
	return m
}

func (m *metered) use(plans string) {
	m.t.Helper()
	require.NoError(m.t, m.g.Use(m.t.Context(), []byte(strings.Replace(planned, "PLANS", plans, 1))))
}

// ask sends requests until one is refused, at most most, and returns how many passed.
func (m *metered) ask(most int, key, method, path string) (passed int, last reply) {
	m.t.Helper()
	for passed < most {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Apikey", key)
		if last = inMemory(m.g, r); last.status != 200 {
			break
		}
		passed++
	}
	return passed, last
}

func inMemory(h http.Handler, r *http.Request) reply {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.String()}
}

func (m *metered) passed(most int, key, method, path string) int {
	m.t.Helper()
	n, _ := m.ask(most, key, method, path)
	return n
}

// api asks the Admin API; the body is JSON.
func (m *metered) api(method, path, body string) reply {
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:1234"
	r.Header.Set("Content-Type", "application/json")
	return inMemory(m.g.Admin(), r)
}

// usage is what a consumer has used, each limit as used/limit@reset.
func (m *metered) usage(consumer string) string {
	r := m.api("GET", "/consumers/"+consumer+"/usage", "")
	require.Equal(m.t, 200, r.status, r.body)
	var got struct {
		Data []struct {
			Name                          string
			Limit, Used, Remaining, Reset int
		}
	}
	require.NoError(m.t, json.Unmarshal([]byte(r.body), &got))
	var all []string
	for _, d := range got.Data {
		assert.Equal(m.t, d.Limit, d.Used+d.Remaining)
		all = append(all, fmt.Sprintf("%s %d/%d@%d", d.Name, d.Used, d.Limit, d.Reset))
	}
	return strings.Join(all, ", ")
}

const (
	alice, alice2 = "alice-key-0123456789", "alice-other-key-0123"
	bob, carol    = "bob-key-0123456789abc", "carol-key-0123456789"
)

func TestAPlanHasARateABurstAndQuotasForEachConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meter(t, "{name: gold, rate: 2, burst: 3, quota_day: 5, quota_week: 7, quota_month: 8}")
		n, r := m.ask(9, alice, "GET", "/read")
		assert.Equal(t, 3, n, "the burst")
		assert.Equal(t, 429, r.status)
		assert.Equal(t, "1", r.header.Get("Retry-After"))
		assert.Contains(t, r.header.Get("Ratelimit-Policy"), `"quota-day";q=5;w=86400`)
		assert.Equal(t, 3, m.passed(9, bob, "GET", "/read"), "who has counts of his own")
		assert.Equal(t, 50, m.passed(50, carol, "GET", "/read"), "who has no plan")
		time.Sleep(10 * time.Second)
		n, r = m.ask(9, alice2, "POST", "/write")
		assert.Equal(t, 2, n, "another key is no other count")
		assert.Contains(t, r.body, "quota-day")
		assert.Equal(t, "rate 2/3@1, quota-day 5/5@86400, quota-week 5/7@604800, quota-month 5/8@2592000", m.usage("alice"))
		time.Sleep(24 * time.Hour)
		assert.Equal(t, 2, m.passed(9, alice, "GET", "/read"), "the week's")
		time.Sleep(7 * 24 * time.Hour)
		assert.Equal(t, 1, m.passed(9, alice, "GET", "/read"), "the month's")
		require.Equal(t, 204, m.api("DELETE", "/consumers/alice/usage", "").status)
		assert.Equal(t, 3, m.passed(9, alice, "GET", "/read"))
		assert.Empty(t, m.usage("carol"))
		assert.Equal(t, 204, m.api("DELETE", "/consumers/carol/usage", "").status)
		assert.Equal(t, 404, m.api("GET", "/consumers/nobody/usage", "").status)
		assert.Equal(t, 404, m.api("DELETE", "/consumers/nobody/usage", "").status)
	})
}

func TestACalendarQuotaTurnsWithItsPeriod(t *testing.T) {
	for _, c := range []struct {
		quota string
		turn  time.Time
	}{
		{"quota_day", time.Date(2000, 1, 5, 0, 0, 0, 0, time.UTC)},
		{"quota_week", time.Date(2000, 1, 10, 0, 0, 0, 0, time.UTC)}, // a Monday
		{"quota_month", time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC)},
	} {
		for _, where := range []string{"memory", "sqlite"} {
			t.Run(c.quota+" in "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := meter(t, "{name: gold, window: calendar, "+c.quota+": 2}", func(cfg *gateway.Config) {
						if where == "sqlite" {
							cfg.DB, cfg.Dialect = openSQLite(t, filepath.Join(t.TempDir(), "g.db")), rampart.SQLite
						}
					})
					time.Sleep(time.Until(time.Date(2000, 1, 4, 22, 0, 0, 0, time.UTC)))
					n, r := m.ask(9, alice, "GET", "/read")
					assert.Equal(t, 2, n)
					left := int(time.Until(c.turn).Seconds())
					assert.Equal(t, strconv.Itoa(left), r.header.Get("Retry-After"))
					assert.Contains(t, m.usage("alice"), fmt.Sprintf("2/2@%d", left))
					time.Sleep(time.Until(c.turn) - time.Second)
					assert.Equal(t, 0, m.passed(9, alice, "GET", "/read"))
					time.Sleep(time.Second)
					assert.Equal(t, 2, m.passed(9, alice, "GET", "/read"), "all of it at once")
					require.Equal(t, 204, m.api("DELETE", "/consumers/alice/usage", "").status)
					assert.Equal(t, 2, m.passed(9, alice, "GET", "/read"))
				})
			})
		}
	}
}

func TestAPlanLimitsRoutesAndMethodsAndZeroBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meter(t, `{name: gold, quota_day: 9, limits: [{routes: [write], quota_day: 2}, {methods: [DELETE], rate: 0}, {routes: [read], methods: [POST, PUT], quota_month: 1}]}`)
		n, r := m.ask(9, alice, "GET", "/write")
		assert.Equal(t, 2, n)
		assert.Contains(t, r.body, "limit-1-quota-day")
		_, r = m.ask(9, alice, "DELETE", "/read")
		assert.Equal(t, 403, r.status)
		assert.Contains(t, r.body, "not_in_plan")
		assert.Equal(t, 1, m.passed(9, alice, "PUT", "/read"))
		assert.Equal(t, 0, m.passed(9, alice, "POST", "/read"), "with PUT")
		assert.Equal(t, 6, m.passed(9, alice, "GET", "/read"), "what is left of the plan's own")
		assert.Equal(t, "quota-day 9/9@86400, limit-1-quota-day 2/2@86400, limit-3-quota-month 1/1@2592000, limit-2-rate 0/0@0", m.usage("alice"))

		for _, blocked := range []string{"rate: 0", "quota_day: 0, rate: 5", "quota_week: 0", "quota_month: 0"} {
			m.use("{name: gold, " + blocked + "}")
			_, r := m.ask(1, alice, "GET", "/read")
			assert.Equal(t, 403, r.status, blocked)
			assert.Equal(t, 1, m.passed(1, carol, "GET", "/read"), blocked)
		}
	})
}

func TestWhatIsUsedOutlivesReloadsAndChangesOfOtherThings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meter(t, "{name: gold, quota_day: 3, rate: 100}")
		assert.Equal(t, 2, m.passed(2, alice, "GET", "/read"))
		m.use("{name: gold, quota_day: 3, rate: 100}")
		assert.Equal(t, 200, m.api("PATCH", "/plans/gold", `{"rate": 50, "tags": ["a"]}`).status)
		assert.Equal(t, 201, m.api("POST", "/consumers", `{"username": "dora", "plan": "gold"}`).status)
		assert.Equal(t, 1, m.passed(9, alice, "GET", "/read"))
		assert.Equal(t, 200, m.api("PATCH", "/plans/gold", `{"quota_day": null}`).status)
		assert.Equal(t, 9, m.passed(9, alice, "GET", "/read"), "null is no limit")
	})
}

func openSQLite(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_txlock=immediate")
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestQuotasOutliveARestartInADatabase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.db")
	plans := "{name: gold, quota_month: 5, rate: 1000, limits: [{routes: [write], quota_day: 1}]}"
	for i, want := range []int{2, 2, 1, 0} {
		db := openSQLite(t, file)
		m := meter(t, plans, func(c *gateway.Config) { c.DB, c.Dialect = db, rampart.SQLite })
		assert.Equal(t, want, m.passed(2, alice, "GET", "/read"), i)
		assert.Contains(t, m.usage("alice"), fmt.Sprintf("quota-month %d/5@", min(2*(i+1), 5)))
		require.NoError(t, m.g.Close())
		require.NoError(t, db.Close())
	}
	e := start(t, `{_format_version: "3.0", plans: [{name: gold, quota_day: 1}, {name: silver, quota_day: 1}]}`)
	assert.Equal(t, 1, strings.Count(e.log.String(), "without a database (-db, Config.DB) a restart forgets"), e.log.String())
	e = start(t, `{_format_version: "3.0", plans: [{name: gold, rate: 1}]}`)
	assert.NotContains(t, e.log.String(), "a restart forgets")
}

func TestADatabaseThatIsAwayIsMetAsThePlanSays(t *testing.T) {
	for tolerant, status := range map[string]int{"true": 200, "false": 503} {
		db := openSQLite(t, filepath.Join(t.TempDir(), "gateway.db"))
		m := meter(t, "{name: gold, quota_day: 5, fault_tolerant: "+tolerant+"}", func(c *gateway.Config) { c.DB, c.Dialect = db, rampart.SQLite })
		require.NoError(t, db.Close())
		_, r := m.ask(1, alice, "GET", "/read")
		assert.Equal(t, status, r.status)
		for _, method := range []string{"GET", "DELETE"} {
			r := m.api(method, "/consumers/alice/usage", "")
			assert.Equal(t, 503, r.status, "nobody is told that nothing was used")
			assert.Contains(t, r.body, "limits_unavailable")
		}
	}
}

func TestAFileThatIsBusyLetsNoFloodPass(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.db")
	m := meter(t, "{name: gold, quota_day: 5, fault_tolerant: true}", func(c *gateway.Config) { c.DB, c.Dialect = openSQLite(t, file), rampart.SQLite })
	tx, err := openSQLite(t, file).BeginTx(t.Context(), nil) // it holds the file, as a queue of others would
	require.NoError(t, err)
	_, r := m.ask(1, alice, "GET", "/read")
	assert.Equal(t, 503, r.status, r.body)
	require.NoError(t, tx.Rollback())
	assert.Equal(t, 5, m.passed(9, alice, "GET", "/read"))
}

func TestGatewaysShareAPlanOnRedis(t *testing.T) {
	r := newRedis(t)
	redis := func(c *gateway.Config) { c.Redis = dial(t, "127.0.0.1:"+r.port) }
	for _, window := range []string{"sliding", "calendar"} {
		plans := "{name: gold, rate: 10000, quota_day: 10, quota_month: 1000, policy: redis, window: " + window + "}"
		one, two := meter(t, plans, redis), meter(t, plans, redis)
		require.Equal(t, 204, one.api("DELETE", "/consumers/alice/usage", "").status)
		assert.Equal(t, 4, one.passed(4, alice, "GET", "/read"), window)
		assert.Equal(t, 6, two.passed(20, alice2, "GET", "/read"), window)
		assert.Equal(t, 0, one.passed(20, alice, "GET", "/read"), window)
		assert.Contains(t, one.usage("alice"), "quota-day 10/10@", window)
		assert.Equal(t, 10, one.passed(20, bob, "GET", "/read"), window)
		require.Equal(t, 204, two.api("DELETE", "/consumers/alice/usage", "").status)
		assert.Eventually(t, func() bool { return one.passed(1, alice, "GET", "/read") == 1 }, 5*time.Second, 10*time.Millisecond, "another's reset")
		assert.Equal(t, 9, one.passed(20, alice, "GET", "/read"), window)
		require.Equal(t, 204, two.api("DELETE", "/consumers/bob/usage", "").status)
	}
}

func TestPlansInTheAdminAPI(t *testing.T) {
	m := meter(t, "{name: gold, quota_day: 1}")
	body := `{"rate": 5, "limits": [{"routes": ["write"], "methods": ["POST"], "quota_week": 0}]}`
	first := m.api("PUT", "/plans/silver", body)
	require.Equal(t, 200, first.status, first.body)
	again := m.api("PUT", "/plans/silver", body)
	assert.Equal(t, first.json(t)["id"], again.json(t)["id"])
	one, _ := first.json(t)["limits"].([]any)
	assert.Equal(t, first.json(t)["limits"], again.json(t)["limits"])
	assert.Contains(t, fmt.Sprint(one), "quota_week:0", "0 is not nothing")
	assert.Contains(t, fmt.Sprint(one), "quota_day:<nil>")
	assert.Equal(t, 409, m.api("POST", "/plans", `{"name": "silver", "rate": 1}`).status)
	require.Equal(t, 201, m.api("POST", "/plans/silver/consumers", `{"username": "dora"}`).status)
	assert.Contains(t, m.api("GET", "/plans/silver/consumers", "").body, "dora")
	assert.Equal(t, "silver", m.api("GET", "/consumers/dora/plan", "").json(t)["name"])
	assert.Equal(t, "silver", m.api("GET", "/consumers/dora/usage", "").json(t)["plan"])
	assert.Contains(t, m.api("GET", "/schemas/plans", "").body, "quota_month")
	assert.Contains(t, m.api("GET", "/endpoints", "").body, "/consumers/{consumers}/usage")

	r := m.api("DELETE", "/plans/silver", "")
	assert.Equal(t, 400, r.status, "dora would have no limit any more")
	assert.Equal(t, 400, m.api("DELETE", "/routes/write", "").status, "the limit would be for all routes")
	assert.NotContains(t, m.api("GET", "/consumers/carol", "").body, `"plan"`, "Kong's clients do not know it")
	require.Equal(t, 200, m.api("PUT", "/consumers/dora", `{"custom_id": "7"}`).status)
	assert.Contains(t, m.api("GET", "/consumers/dora", "").body, `"plan"`, "nor do they take it away")
	require.Equal(t, 200, m.api("PUT", "/consumers/dora", `{"plan": null}`).status)
	assert.NotContains(t, m.api("GET", "/consumers/dora", "").body, `"plan"`)
	require.Equal(t, 200, m.api("PATCH", "/consumers/dora", `{"plan": {"name": "gold"}}`).status)

	text := m.api("GET", "/config", "").body
	assert.Contains(t, text, "plan: gold")
	assert.Contains(t, text, "quota_week: 0")
	before := m.api("GET", "/plans", "").body
	require.NoError(t, m.g.Use(t.Context(), []byte(text)))
	assert.JSONEq(t, before, m.api("GET", "/plans", "").body)
	assert.Equal(t, "gold", m.api("GET", "/consumers/dora/plan", "").json(t)["name"])
	require.Equal(t, 204, m.api("DELETE", "/plans/silver", "").status)
}

func TestPlansWithMistakesAreRefused(t *testing.T) {
	m := meter(t, "{name: gold, rate: 1}")
	for plan, want := range map[string]string{
		"{name: gold}":                                      "at least one of rate",
		"{name: a b, rate: 1}":                              "plans[0].name: letters",
		"{name: gold, rate: -1}":                            "plans[0].rate: must be from 0",
		"{name: gold, quota_day: 1, burst: 5}":              "plans[0].burst: goes with rate",
		"{name: gold, rate: 1, window: moon}":               "plans[0].window: must be one of sliding, calendar",
		"{name: gold, rate: 1, policy: cluster}":            "plans[0].policy: must be one of",
		"{name: gold, rate: 1, policy: redis}":              "plans[0].policy: redis needs -redis",
		"{name: gold, rate: 1, burst: 2147483647}":          "plans[0]: ",
		"{name: gold, rate: 1, quota_dya: 1}":               "unknown field (quota_day?)",
		"{name: gold, limits: [{routes: [x], rate: 1}]}":    "limits[0].routes[0]: there is none",
		"{name: gold, limits: [{rate: 1}]}":                 "limits[0]: routes or methods are wanted",
		"{name: gold, limits: [{methods: [GET]}]}":          "limits[0]: at least one of",
		"{name: gold, limits: [{methods: [get], rate: 1}]}": "limits[0].methods[0]: a method in upper case",
		"{name: gold, rate: 1}, {name: gold, rate: 1}":      "another one of plans has the same",
		"{name: silver, rate: 1}":                           "consumers[0].plan: there is none",
	} {
		err := m.g.Use(t.Context(), []byte(strings.Replace(planned, "PLANS", plan, 1)))
		require.ErrorContains(t, err, want, plan)
	}
	_, err := gateway.New(gateway.Config{Dialect: rampart.SQLite})
	require.ErrorContains(t, err, "Dialect")
	db := openSQLite(t, filepath.Join(t.TempDir(), "x.db"))
	_, err = gateway.New(gateway.Config{DB: db})
	require.ErrorContains(t, err, "Dialect")
	require.NoError(t, db.Close())
	_, err = gateway.New(gateway.Config{DB: db, Dialect: rampart.SQLite})
	require.ErrorContains(t, err, "closed", "a database that is away is told at the start")
}

func TestTheShortFormHasWindowsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meter(t, "{name: gold, rate: 100}")
		time.Sleep(23 * time.Hour)
		require.Equal(t, 201, m.api("POST", "/plugins", `{"name": "usage-plan", "config": {"quota_day": 1, "window": "calendar"}}`).status)
		assert.Equal(t, 1, m.passed(9, carol, "GET", "/read"))
		time.Sleep(time.Hour)
		assert.Equal(t, 1, m.passed(9, carol, "GET", "/read"))
	})
}

func TestKeysEndAreSwitchedOffAndRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meter(t, "{name: gold, quota_day: 1000}")
		works := func(key string) bool { return m.passed(1, key, "GET", "/read") == 1 }
		r := m.api("POST", "/consumers/bob/key-auth", `{"key": "bobs-key-for-a-minute", "ttl": 60}`)
		require.Equal(t, 201, r.status, r.body)
		assert.NotContains(t, r.body, "enabled", "Kong's clients do not know it")
		time.Sleep(59 * time.Second)
		assert.True(t, works("bobs-key-for-a-minute"))
		time.Sleep(time.Second)
		assert.False(t, works("bobs-key-for-a-minute"))
		assert.Contains(t, m.api("POST", "/consumers/bob/key-auth/bobs-key-for-a-minute/rotate", `{"overlap": 9}`).body, "it has ended")

		require.Equal(t, 200, m.api("PATCH", "/consumers/alice/key-auth/"+alice2, `{"enabled": false}`).status)
		assert.False(t, works(alice2))
		require.Equal(t, 200, m.api("PUT", "/consumers/alice/key-auth/"+alice2, `{"tags": ["a"]}`).status)
		assert.False(t, works(alice2), "a PUT of Kong's clients does not switch it on")
		require.Equal(t, 200, m.api("PATCH", "/consumers/alice/key-auth/"+alice2, `{"enabled": true}`).status)
		assert.True(t, works(alice2))

		before := m.usage("alice")
		rotated := m.api("POST", "/consumers/alice/key-auth/"+alice2+"/rotate", `{"overlap": 3600}`)
		require.Equal(t, 201, rotated.status, rotated.body)
		fresh, _ := rotated.json(t)["key"].(string)
		assert.Equal(t, before, m.usage("alice"), "the same consumer")
		text := m.api("GET", "/config", "").body
		require.NoError(t, m.g.Use(t.Context(), []byte(text)), "it is written as it can be read")
		time.Sleep(time.Hour - time.Second)
		assert.True(t, works(alice2))
		assert.True(t, works(fresh))
		time.Sleep(time.Second)
		assert.False(t, works(alice2))
		assert.True(t, works(fresh))

		require.Equal(t, 200, m.api("PATCH", "/consumers/alice/key-auth/"+fresh, `{"ttl": 7200}`).status)
		next, _ := m.api("POST", "/consumers/alice/key-auth/"+fresh+"/rotate", "").json(t)["key"].(string)
		assert.False(t, works(fresh), "no overlap: at once")
		assert.True(t, works(next))
		last, _ := m.api("POST", "/consumers/alice/key-auth/"+next+"/rotate", "").json(t)["key"].(string)
		assert.False(t, works(next), "though it is of this very second")
		assert.True(t, works(last))
		time.Sleep(time.Hour)
		assert.False(t, works(last), "a rotation prolongs nothing")

		for body, want := range map[string]string{`{"overlap": -1}`: "must be from 0", `{"overlpa": 1}`: "overlap?", `{"overlap": "long"}`: "whole number"} {
			r := m.api("POST", "/consumers/alice/key-auth/"+alice+"/rotate", body)
			assert.Equal(t, 400, r.status, body)
			assert.Contains(t, r.body, want)
		}
		assert.Equal(t, 404, m.api("POST", "/consumers/bob/key-auth/"+alice+"/rotate", "").status, "it is another's")
		err := m.g.Use(t.Context(), []byte(strings.Replace(strings.Replace(planned, "PLANS", "{name: gold, rate: 1}", 1), "key: "+alice, "ttl: 5, key: "+alice, 1)))
		require.ErrorContains(t, err, "write created_at")
	})
}
