package console_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident/console"
)

func TestAnOrderShowsWhomItHitsBeforeItIsGiven(t *testing.T) {
	s := started(t, nil)
	s.refused(rampart.AuthzFail, "client_ip", "203.0.113.7")
	for _, tt := range []struct {
		form  []string
		hits  string
		given string
	}{
		{[]string{"do", "block", "prefix", "203.0.113.0/24", "for", "1h"}, "256 addresses. Of those who were refused here lately it holds 1 addresses with 1 refusals", "block 203.0.113.0/24"},
		{[]string{"do", "block", "prefix", "203.0.113.7", "for", "1h"}, "One address.", "block 203.0.113.7/32"},
		{[]string{"do", "block", "prefix", "2001:db8::/32", "for", "1h"}, "2^96 addresses", "block 2001:db8::/32"},
		{[]string{"do", "end_subject", "subject", "7"}, "1 live sessions end.", "end_subject 7"},
		{[]string{"do", "end_session", "session", "s1"}, "One device", "end_session s1"},
		{[]string{"do", "end_all"}, "you too", "end_all"},
		{[]string{"do", "revoke_key", "key", "k1"}, "A program is refused", "revoke_key k1"},
		{[]string{"do", "revoke_owner", "owner", "7"}, "1 keys", "revoke_owner 7"},
		{[]string{"do", "tighten", "policy", "anon", "rate", "10/minute", "for", "1h"}, "anon counts by 100/hour now", "tighten anon"},
		{[]string{"do", "lockdown", "mode", "read_only", "for", "1h"}, "Reading goes on", "lockdown"},
		{[]string{"do", "lockdown", "mode", "deny", "allow", "198.51.100.1 198.51.100.2", "for", "1h"}, "198.51.100.1 198.51.100.2", "lockdown"},
		{[]string{"do", "rotate_signing_key", "overlap", "1h"}, "0s every access token", "rotate_signing_key"},
		{[]string{"do", "rotate_field_key"}, "encrypted anew", "rotate_field_key"},
	} {
		preview := s.send("/orders/preview", tt.form...)
		assert.Equal(t, http.StatusOK, preview.Code)
		assert.Contains(t, preview.Body.String(), tt.hits)
		once := regexp.MustCompile(`name="once" value="([^"]+)"`).FindStringSubmatch(preview.Body.String())
		require.Len(t, once, 2)
		form := append(tt.form, "once", once[1])
		assert.Equal(t, http.StatusUnprocessableEntity, s.send("/orders/give", form...).Code, "without a reason")
		before := len(s.trail())
		form = append(form, "note", "case 7")
		for range 2 { // a form that is sent twice is one order
			given := s.send("/orders/give", form...)
			assert.Equal(t, http.StatusOK, given.Code, given.Body.String())
			assert.Contains(t, given.Body.String(), tt.given)
			assert.Contains(t, given.Body.String(), "2 of 2")
		}
		assert.Len(t, s.trail(), before+1)
	}
}

// trail is the audit trail.
func (s *service) trail() []string {
	return strings.Fields(strings.ReplaceAll(s.get("/orders/export"), " ", ""))
}

func TestWhatIsInForceCanBeLifted(t *testing.T) {
	s := started(t, nil)
	s.send("/orders/give", "do", "block", "prefix", "203.0.113.7", "for", "1h", "note", "case 8")
	s.send("/orders/give", "do", "tighten", "policy", "anon", "rate", "1/minute", "for", "1h", "note", "case 9")
	s.send("/orders/give", "do", "lockdown", "mode", "read_only", "for", "1h", "note", "case 10")
	page := s.get("/orders")
	for _, says := range []string{"203.0.113.7/32 is refused", "anon counts by 1/minute instead of 100/hour", "locked down: read_only", "2 of 2", "case 8"} {
		assert.Contains(t, page, says)
	}
	s.refused(rampart.AuthzFail, "client_ip", "203.0.113.7")
	s.refused(rampart.ExcessRateLimit, "client_ip", "203.0.113.8")
	who := s.get("/who")
	assert.Contains(t, who, "blocked until")
	assert.Contains(t, who, "limited by anon")
	assert.Contains(t, s.get("/who/one?name=203.0.113.7"), "case 8")
	id := regexp.MustCompile(`/console(/orders/[0-9a-f]{14}-[^"]+)`).FindStringSubmatch(page)
	require.Len(t, id, 2)
	assert.Contains(t, s.get(id[1]), "2 of 2")
	for _, form := range [][]string{{"do", "unblock", "prefix", "203.0.113.7/32"}, {"do", "loosen", "policy", "anon"}, {"do", "lift_lockdown"}} {
		assert.Equal(t, http.StatusOK, s.send("/orders/give", form...).Code, form)
	}
	assert.Contains(t, s.get("/orders"), "Nothing is held")
}

func TestAnOrderThatIsNotDoneSaysWhy(t *testing.T) {
	s := started(t, nil)
	for _, tt := range []struct {
		form   []string
		status int
		says   string
	}{
		{[]string{"do", "launch"}, 422, "This is no order"},
		{[]string{"do", "block", "prefix", "everybody", "for", "1h", "note", "x"}, 422, "not done"},
		{[]string{"do", "block", "prefix", "0.0.0.0/0", "for", "1h", "note", "x"}, 422, "not done"},
		{[]string{"do", "end_session", "session", "other", "note", "x"}, 404, "Nobody knows it here"},
	} {
		w := s.send("/orders/give", tt.form...)
		assert.Equal(t, tt.status, w.Code)
		assert.Contains(t, w.Body.String(), tt.says)
	}
	assert.Contains(t, s.send("/orders/preview", "do", "block", "prefix", "x").Body.String(), "no address or prefix")
	assert.Contains(t, s.send("/orders/preview", "do", "tighten", "policy", "x").Body.String(), "no such policy")
	assert.Equal(t, http.StatusUnprocessableEntity, s.send("/orders/give", "do", "block", "note", strings.Repeat("x", 20<<10)).Code)
	assert.Equal(t, http.StatusNotFound, s.do(httptest.NewRequest(http.MethodGet, "/orders/none", nil)).Code)
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	s := started(t, nil)
	s.failing = errAway
	assert.Contains(t, s.get("/orders"), "The audit cannot be read right now")
	page := s.get("/who/one?by=subject&name=7")
	for _, what := range []string{"sessions", "keys", "orders"} {
		assert.Contains(t, page, "The "+what+" cannot be read right now")
	}
	assert.Contains(t, s.send("/orders/preview", "do", "end_subject", "subject", "7").Body.String(), "cannot be told")
	assert.Contains(t, s.send("/orders/preview", "do", "revoke_owner", "owner", "7").Body.String(), "cannot be told")
	assert.Equal(t, http.StatusServiceUnavailable, s.send("/orders/give", "do", "end_subject", "subject", "7", "note", "x").Code)
	assert.Equal(t, http.StatusServiceUnavailable, s.do(httptest.NewRequest(http.MethodGet, "/orders/export", nil)).Code)

	bare := started(t, func(c *console.Config) {
		c.API = http.NotFoundHandler()
		c.Keys, c.Backends, c.Names, c.Logger = nil, nil, nil, nil
	})
	assert.Contains(t, bare.get("/"), "No instance is known")
	assert.Contains(t, bare.get("/orders"), "calls do not answer")
	assert.Contains(t, bare.get("/keys"), "tells nothing of its keys")
	odd := started(t, func(c *console.Config) {
		c.API = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("odd")) })
	})
	assert.Equal(t, http.StatusInternalServerError, odd.send("/orders/give", "do", "end_all", "note", "x").Code)
}

func TestAnInstanceThatDoesNotFollowIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := started(t, nil)
		s.instances = func() ([]rampart.Instance, error) {
			return []rampart.Instance{{ID: "api-1", Seen: time.Now(), Seq: 9, Self: true}, {ID: "api-2", Version: "1.0", Seen: time.Now(), Seq: 5}}, nil
		}
		given := s.send("/orders/give", "do", "end_all", "note", "x").Body.String()
		assert.Contains(t, given, "1 of 2")
		assert.Contains(t, given, "▲ api-2")
		s.instances = func() ([]rampart.Instance, error) { return nil, errAway }
		assert.Contains(t, s.send("/orders/give", "do", "end_all", "note", "x").Body.String(), "the others cannot be asked")
	})
}

func TestTheAPIHasWhatThePagesShow(t *testing.T) {
	s := started(t, nil)
	s.recorder.Count(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	for _, e := range []rampart.Event{rampart.MaliciousHost, rampart.MaliciousCORS, rampart.ExcessRateLimit, rampart.InputValidationFail, rampart.AuthnLoginFail, rampart.AuthnTokenReuse, rampart.SysBackendUnavailable} {
		s.refused(e, "client_ip", "203.0.113.7", "origin", "https://evil.example")
	}
	s.refused(rampart.AuthzFail, "reason", "lockdown")
	for range 2 {
		s.log.Error("sys_alert", "event", "sys_alert", "rule", "guessing", "total", int64(50))
	}
	var now struct {
		Minutes []console.Minute
		Alerts  []console.Alert
	}
	require.NoError(t, json.Unmarshal([]byte(s.get("/api/now")), &now))
	require.Len(t, now.Minutes, 60)
	sum := map[string]int64{}
	var requests, alerts int64
	for _, m := range now.Minutes {
		for layer, n := range m.Refused {
			sum[layer] += n
		}
		requests, alerts = requests+m.Requests, alerts+m.Alerts
	}
	assert.Equal(t, map[string]int64{"headers": 1, "cors": 1, "limit": 1, "input": 1, "credential": 2, "block": 1}, sum)
	assert.Equal(t, int64(1), requests)
	assert.Equal(t, int64(2), alerts)
	require.Len(t, now.Alerts, 1)
	assert.Equal(t, 2, now.Alerts[0].Fired)
	assert.Equal(t, int64(50), now.Alerts[0].Count)
	for path, has := range map[string]string{
		"/api/events?layer=cors": "https://evil.example", "/api/who?by=origin": "https://evil.example", "/api/who/one?name=https://evil.example": `"by":"origin"`,
		"/api/keys": "signing", "/api/ops/state/": "api-2", "/api/fleet": "alert guessing: 50 events",
	} {
		assert.Contains(t, s.get(path), has, path)
	}
	assert.Contains(t, s.get("/now"), "2 alerts at")
}
