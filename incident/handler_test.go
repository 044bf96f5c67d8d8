package incident_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident"
)

func TestEachCallAsksForItsMeasure(t *testing.T) {
	s := newService(t)
	s.blocked[netip.MustParsePrefix("2001:db8::/32")] = soon()
	for _, tt := range []struct{ path, body, asks, action string }{
		{"/sessions/end/", `{"session":"s1"}`, "end session s1", "end_session"},
		{"/sessions/end/", `{"subject":"alice","note":"a\nb"}`, "end subject alice", "end_subject"},
		{"/sessions/end/", `{"before":""}`, "end all 0001-01-01T00:00:00Z", "end_all"},
		{"/sessions/end/", `{"before":"2020-01-01T00:00:00Z"}`, "end all 2020-01-01T00:00:00Z", "end_all"},
		{"/keys/revoke/", `{"key":"k1"}`, "revoke key k1", "revoke_key"},
		{"/keys/revoke", `{"owner":"alice"}`, "revoke owner alice", "revoke_owner"},
		{"/blocks/", `{"prefix":"203.0.113.7","for":"90s"}`, "block 203.0.113.7/32", "block"},
		{"/blocks/", `{"prefix":"::ffff:203.0.113.8","until":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `"}`, "block 203.0.113.8/32", "block"},
		{"/blocks/lift/", `{"prefix":"2001:db8::/32"}`, "unblock 2001:db8::/32", "unblock"},
		{"/rates/", `{"policy":"user","rate":"1/h","for":"1h"}`, "tighten user 1/h", "tighten"},
		{"/rates/lift/", `{"policy":"user"}`, "loosen user", "loosen"},
		{"/lockdown/", `{"mode":"deny","allow":["198.51.100.0/24","2001:db8::7"],"for":"1h"}`, "", "lockdown"},
		{"/lockdown/lift/", `{}`, "", "lift_lockdown"},
		{"/signing-key/rotate/", `{"overlap":"0s"}`, "rotate signing 0s", "rotate_signing_key"},
		{"/field-key/rotate/", `{}`, "rotate field", "rotate_field_key"},
	} {
		t.Run(tt.path+tt.body, func(t *testing.T) {
			status, members, header := s.call("POST", tt.path, tt.body)
			assert.Equal(t, 200, status, members)
			assert.Equal(t, tt.action, members["action"])
			assert.NotEmpty(t, members["id"])
			assert.Equal(t, tt.asks, strings.Join(s.got(), ";"))
			assert.Equal(t, "no-store", header.Get("Cache-Control"))
		})
	}
}

func TestABlockEndsNeverSoonerThanOrdered(t *testing.T) {
	s := newService(t)
	before := time.Now()
	s.call("POST", "/blocks/", `{"prefix":"203.0.113.7","for":"90s"}`)
	until := s.blocked[seven]
	assert.Zero(t, until.Nanosecond())
	assert.GreaterOrEqual(t, until.Sub(before), 90*time.Second)
	assert.Less(t, until.Sub(before), 92*time.Second)
}

func TestACallThatCannotBeUnderstoodDoesNothing(t *testing.T) {
	s := newService(t)
	for _, tt := range []struct {
		desc, method, path, body string
		status                   int
		code                     string
	}{
		{"no session", "POST", "/sessions/end/", `{}`, 422, "required"},
		{"two targets", "POST", "/sessions/end/", `{"session":"a","subject":"b"}`, 422, "required"},
		{"no time", "POST", "/sessions/end/", `{"before":"yesterday"}`, 422, "invalid"},
		{"no key", "POST", "/keys/revoke/", `{"note":"x"}`, 422, "required"},
		{"a key and an owner", "POST", "/keys/revoke/", `{"key":"x","owner":"y"}`, 422, "required"},
		{"no prefix", "POST", "/blocks/", `{"for":"1h"}`, 422, "required"},
		{"bits behind the length", "POST", "/blocks/", `{"prefix":"203.0.113.7/24","for":"1h"}`, 422, "invalid"},
		{"IPv4 in IPv6", "POST", "/blocks/", `{"prefix":"::ffff:203.0.113.0/120","for":"1h"}`, 422, "invalid"},
		{"a zone", "POST", "/blocks/", `{"prefix":"fe80::1%eth0","for":"1h"}`, 422, "invalid"},
		{"the caller's own address", "POST", "/blocks/", `{"prefix":"198.51.100.0/24","for":"1h"}`, 422, "own_address"},
		{"no end", "POST", "/blocks/", `{"prefix":"203.0.113.7"}`, 422, "required"},
		{"two ends", "POST", "/blocks/", `{"prefix":"203.0.113.7","for":"1h","until":"2099-01-01T00:00:00Z"}`, 422, "required"},
		{"a past end", "POST", "/blocks/", `{"prefix":"203.0.113.7","until":"2020-01-01T00:00:00Z"}`, 422, "invalid"},
		{"for years", "POST", "/blocks/", `{"prefix":"203.0.113.7","for":"9000h"}`, 422, "invalid"},
		{"for a negative time", "POST", "/blocks/", `{"prefix":"203.0.113.7","for":"-1h"}`, 422, "invalid"},
		{"nothing is lifted", "POST", "/blocks/lift/", `{"prefix":"nowhere"}`, 422, "invalid"},
		{"an address that is not one", "POST", "/lockdown/", `{"mode":"deny","allow":["203.0.113.300"],"for":"1h"}`, 422, "invalid"},
		{"a long list", "POST", "/lockdown/", `{"mode":"deny","allow":[` + strings.Repeat(`"203.0.113.1",`, 64) + `"203.0.113.1"],"for":"1h"}`, 422, "max"},
		{"an overlap that is no duration", "POST", "/signing-key/rotate/", `{"overlap":"soon"}`, 422, "invalid"},
		{"an unknown member", "POST", "/lockdown/lift/", `{"x":1}`, 422, "unknown_field"},
		{"a member of another type", "POST", "/lockdown/lift/", `{"note":1}`, 400, "invalid"},
		{"a long note", "POST", "/lockdown/lift/", `{"note":"` + strings.Repeat("n", 201) + `"}`, 422, "max"},
		{"no JSON", "POST", "/lockdown/lift/", `x`, 400, "syntax"},
		{"a large body", "POST", "/lockdown/lift/", `{"note":"` + strings.Repeat("n", 17<<10) + `"}`, 413, "request_too_large"},
		{"another method", "DELETE", "/blocks/", ``, 405, "method_not_allowed"},
		{"reading an order", "GET", "/blocks/lift/", ``, 405, "method_not_allowed"},
		{"writing keys", "POST", "/keys/", `{}`, 405, "method_not_allowed"},
		{"an unknown call", "POST", "/blow-up/", `{}`, 404, "not_found"},
		{"an unknown order", "GET", "/orders/nope/", ``, 404, "not_found"},
		{"an order of no name", "GET", "/orders/%00%ff/", ``, 404, "not_found"},
		{"a page before no name", "GET", "/orders/?before=%FF", ``, 422, "invalid"},
		{"a page of nothing", "GET", "/orders/?limit=0", ``, 422, "invalid"},
		{"a page of all", "GET", "/orders/?limit=101", ``, 422, "invalid"},
		{"sessions of no text", "GET", "/sessions/?subject=a%00", ``, 422, "invalid"},
		{"sessions of nobody", "GET", "/sessions/", ``, 422, "invalid"},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			status, members, header := s.call(tt.method, tt.path, tt.body)
			assert.Equal(t, tt.status, status, members)
			code := members["code"]
			if errs, _ := members["errors"].([]any); len(errs) > 0 {
				code = errs[0].(map[string]any)["code"]
			}
			assert.Equal(t, tt.code, code)
			assert.Equal(t, "application/problem+json", header.Get("Content-Type"))
			if status == 405 {
				assert.NotEmpty(t, header.Get("Allow"))
			}
		})
	}
	assert.Empty(t, s.got())
	_, members, _ := s.call("GET", "/orders/", "")
	assert.Empty(t, members["orders"])
}

func TestWhatIsNotWiredIsNotServed(t *testing.T) {
	s := newService(t)
	_, members, _ := s.call("GET", "/", "")
	all := fmt.Sprint(members["calls"])
	assert.Len(t, members["calls"], 21, all)

	s = newService(t, func(c *incident.Config) {
		*c = incident.Config{EndSession: c.EndSession, Blocks: c.Blocks, Logger: c.Logger}
	})
	_, members, _ = s.call("GET", "/", "")
	assert.Equal(t, "[GET  GET blocks/ GET orders/ GET orders/{id}/ POST sessions/end/ GET state/]", fmt.Sprint(members["calls"]))
	for _, call := range []string{"POST /rates/", "GET /rates/", "GET /sessions/", "GET /keys/", "POST /keys/revoke/", "POST /lockdown/", "GET /metrics/"} {
		method, path, _ := strings.Cut(call, " ")
		status, _, _ := s.call(method, path, `{}`)
		assert.Equal(t, 404, status, call)
	}
	status, _, header := s.call("POST", "/blocks/", `{}`)
	assert.Equal(t, 405, status)
	assert.Equal(t, "GET, HEAD", header.Get("Allow"))
	status, _, _ = s.call("POST", "/sessions/end/", `{"subject":"alice"}`)
	assert.Equal(t, 404, status, "the path is there for sessions only")
}

func TestOnlyCallersWithTheScopeAreServed(t *testing.T) {
	s := newService(t, func(c *incident.Config) { c.Scope = "incident:act" })
	for _, tt := range []struct {
		desc   string
		caller rampart.Caller
		status int
	}{
		{"nobody", rampart.Caller{}, 401},
		{"a user", rampart.Caller{Kind: rampart.KindToken, Subject: "alice", Scope: "products:write"}, 403},
		{"an operator of another service", rampart.Caller{Kind: rampart.KindToken, Subject: "oscar", Scope: "ops"}, 403},
		{"an operator", rampart.Caller{Kind: rampart.KindToken, Subject: "olga", Scope: "incident:act"}, 200},
		{"an operator's key", rampart.Caller{Kind: rampart.KindKey, ID: "k7", Scope: "incident:act"}, 200},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/field-key/rotate/", strings.NewReader(`{}`))
			r.Header.Set("Content-Type", "application/json")
			if tt.status != 401 {
				r = r.WithContext(rampart.WithCaller(r.Context(), tt.caller))
			}
			w := httptest.NewRecorder()
			s.op.Handler().ServeHTTP(w, r)
			assert.Equal(t, tt.status, w.Code)
			assert.Equal(t, tt.status == 200, len(s.got()) == 1)
		})
	}
	list, err := s.op.Orders(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Equal(t, "id:key:k7", list[0].Actor)
	assert.Equal(t, "olga", list[1].Actor)

	w := httptest.NewRecorder()
	new(incident.Operator).Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	assert.Equal(t, 401, w.Code)
}

func TestAKeyOfTheClientGivesAnOrderOnce(t *testing.T) {
	s := newService(t)
	send := func(path, body string) (int, map[string]any) {
		status, members, _ := s.call("POST", path, body, "Idempotency-Key", `"8e03978e"`)
		return status, members
	}
	_, first := send("/blocks/", `{"prefix":"203.0.113.7","for":"1h","note":"x"}`)
	status, again := send("/blocks/", `{"note":"x","for":"1h","prefix":"203.0.113.7"}`)
	assert.Equal(t, 200, status)
	assert.Equal(t, first, again)
	for _, body := range []string{`{"prefix":"203.0.113.7","for":"2h","note":"x"}`, `{"prefix":"203.0.113.8","for":"1h","note":"x"}`} {
		status, members := send("/blocks/", body)
		assert.Equal(t, 422, status)
		assert.Equal(t, "idempotency_key_reused", members["code"])
	}
	assert.Len(t, s.got(), 1)
	status, _, _ = s.call("POST", "/blocks/", `{}`, "Idempotency-Key", strings.Repeat("x", 257))
	assert.Equal(t, 422, status, "the body is looked at first")
	status, _, _ = s.call("POST", "/lockdown/lift/", `{}`, "Idempotency-Key", strings.Repeat("x", 256))
	assert.Equal(t, 200, status)
	status, members, _ := s.call("POST", "/lockdown/lift/", `{}`, "Idempotency-Key", strings.Repeat("x", 257))
	assert.Equal(t, 400, status)
	assert.Equal(t, "idempotency_key", members["code"])
}

func TestTheAuditTrailIsListed(t *testing.T) {
	s := newService(t)
	for i := range 5 {
		_, err := s.op.EndSession(t.Context(), incident.By{Actor: "oscar", Once: fmt.Sprint(i)}, fmt.Sprintf("s%d", i))
		require.NoError(t, err)
	}
	var seen []string
	for path := "/orders/?limit=2"; path != ""; {
		_, members, _ := s.call("GET", path, "")
		for _, o := range members["orders"].([]any) {
			order := o.(map[string]any)
			seen = append(seen, order["target"].(string))
			assert.Equal(t, "done", order["state"])
			assert.NotContains(t, order, "once", "it is for the store")
			assert.NotContains(t, order, "request")
		}
		path = ""
		if next, ok := members["next"].(string); ok {
			path = "/orders/?limit=2&before=" + next
		}
	}
	assert.Equal(t, []string{"s4", "s3", "s2", "s1", "s0"}, seen)
}

func TestAPageMayHaveOneOrder(t *testing.T) {
	s := newService(t)
	_, err := s.op.Loosen(t.Context(), oscar, "anon")
	require.NoError(t, err)
	status, members, _ := s.call("GET", "/orders/?limit=1", "")
	assert.Equal(t, 200, status)
	assert.Len(t, members["orders"], 1)
	order := members["orders"].([]any)[0].(map[string]any)
	_, one, _ := s.call("GET", "/orders/"+order["id"].(string), "")
	assert.Equal(t, order["id"], one["id"])
	assert.NotContains(t, one, "in_force", "there is one instance")
}

func TestListsTellWhatTheServiceKnows(t *testing.T) {
	s := newService(t)
	s.blocked[seven] = time.Unix(7, 0).UTC()
	for path, want := range map[string]string{
		"/sessions/?subject=alice": `{"sessions":[{"id":"s1","device":"curl/8","began":"1970-01-01T00:00:01Z","used":"0001-01-01T00:00:00Z","ends":"0001-01-01T00:00:00Z"}]}`,
		"/blocks":                  `{"blocks":[{"prefix":"203.0.113.7/32","until":"1970-01-01T00:00:07Z"}]}`,
		"/rates/":                  `{"rates":[{"policy":"anon","rate":"100/h","configured":"100/h"},{"policy":"user","rate":"1/h","configured":"9/h","until":"1970-01-01T00:00:09Z"}]}`,
		"/limited/":                `{"limited":[{"policy":"anon","keys":[{"key":"192.0.2.7","count":10,"last":"1970-01-01T00:00:05Z"}]}]}`,
		"/lockdown/":               `{"mode":"off"}`,
		"/state/":                  `{"queue":7,"blocks":1,"lockdown":"off"}`,
		"/metrics/":                `"up 1\n"`,
		"/keys/?owner=alice":       `"/?owner=alice"`,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
		r = r.WithContext(rampart.WithCaller(r.Context(), rampart.Caller{Kind: rampart.KindToken, Subject: "oscar", Scope: "ops"}))
		w := httptest.NewRecorder()
		s.op.Handler().ServeHTTP(w, r)
		assert.Equal(t, 200, w.Code, path)
		got := w.Body.String()
		if strings.HasPrefix(want, `"`) {
			got = fmt.Sprintf("%q", got)
		}
		assert.JSONEq(t, want, got, path)
	}
}

func TestAListThatCannotBeReadIsUnavailable(t *testing.T) {
	s := newService(t, func(c *incident.Config) { c.Orders = broken{} })
	s.fails = errors.New("refused")
	for _, path := range []string{"/sessions/?subject=alice", "/orders/", "/orders/x/"} {
		status, members, header := s.call("GET", path, "")
		assert.Equal(t, http.StatusServiceUnavailable, status, path)
		assert.Equal(t, "unavailable", members["code"])
		assert.Equal(t, "1", header.Get("Retry-After"))
	}
	assert.Len(t, s.logs.lines(`"sys_backend_unavailable"`), 2, "sessions and orders")
}

type broken struct{ incident.Store }

func (broken) Get(context.Context, string) (incident.Order, error) {
	return incident.Order{}, errors.New("refused")
}

func (broken) List(context.Context, string, int) ([]incident.Order, error) {
	return nil, errors.New("refused")
}
