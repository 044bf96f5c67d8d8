package cors_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/cors"
)

func TestDebugExplainsARefusedPreflightOfAnAllowedOrigin(t *testing.T) {
	const app = "https://app.example.com"
	debug := full()
	debug.Debug = true
	bearer := debug
	bearer.Credentials, bearer.PreflightStatus = false, 200
	anybody := everybody()
	anybody.Debug = true
	anywhere := debug
	anywhere.DangerouslyDebugAnywhere = true
	type h = http.Header
	said := func(more ...string) h {
		header := h{"Access-Control-Allow-Origin": {app}, "Access-Control-Allow-Credentials": {"true"}, "Vary": {varyAll}}
		for i := 0; i < len(more); i += 2 {
			header[more[i]] = []string{more[i+1]}
		}
		return header
	}
	tests := []struct {
		desc       string
		cfg        cors.Config
		peer, host string
		lines      lines
		status     int
		want       h // nil: refused as without Debug
	}{
		{"a method", debug, "127.0.0.1:5", "localhost:8080", asks(app, "PURGE", ""), 204, said()},
		{"a method in other letters", debug, "127.0.0.1:5", "localhost:8080", asks(app, "put", ""), 204, said()},
		{"a header", debug, "[::1]:5", "[::1]:8080", asks(app, "PUT", "authorization,x-other"), 204, said("Access-Control-Allow-Methods", "PUT", "Access-Control-Allow-Headers", "authorization")},
		{"a header on both sides of allowed ones", debug, "127.0.0.1:5", "127.0.0.9", asks(app, "GET", "accept,authorization,content-type,x-other"), 204, said("Access-Control-Allow-Methods", "GET", "Access-Control-Allow-Headers", "authorization,content-type")},
		{"a method and a header", debug, "127.0.0.1:5", "api.localhost:80", asks(app, "PURGE", "authorization,x-other"), 204, said()},
		{"without credentials", bearer, "127.0.0.1:5", "localhost", asks(app, "PURGE", ""), 200, h{"Access-Control-Allow-Origin": {app}, "Vary": {varyAll}}},
		{"Authorization under any header", anybody, "127.0.0.1:5", "localhost", asks(app, "PUT", "authorization,x-a"), 204, h{
			"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Methods": {"PUT"}, "Access-Control-Allow-Headers": {"x-a"}, "Vary": {varyAnybody},
		}},
		{"what no browser lists is not said", anybody, "127.0.0.1:5", "localhost", asks(app, "PUT", "authorization,x a,x-b"), 204, h{
			"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Methods": {"PUT"}, "Access-Control-Allow-Headers": {"x-b"}, "Vary": {varyAnybody},
		}},
		{"from anywhere, if that is said", anywhere, "192.0.2.1:5", "api.example.com", asks(app, "PURGE", ""), 204, said()},

		{"from another machine", debug, "192.0.2.1:5", "localhost:8080", asks(app, "PURGE", ""), 403, nil},
		{"by another name", debug, "127.0.0.1:5", "api.example.com", asks(app, "PURGE", ""), 403, nil},
		{"by no name", debug, "127.0.0.1:5", "", asks(app, "PURGE", ""), 403, nil},
		{"from nowhere", debug, "@", "localhost", asks(app, "PURGE", ""), 403, nil},
		{"without Debug", full(), "127.0.0.1:5", "localhost", asks(app, "PURGE", ""), 403, nil},
		{"another origin", debug, "127.0.0.1:5", "localhost", asks("https://evil.example", "PURGE", ""), 403, nil},
		{"a list that no browser sends", debug, "127.0.0.1:5", "localhost", asks(app, "PUT", "X-Other"), 403, nil},
		{"two methods", debug, "127.0.0.1:5", "localhost", append(asks(app, "PUT", ""), "Access-Control-Request-Method", "GET"), 403, nil},
		{"a private network", debug, "127.0.0.1:5", "localhost", append(asks(app, "PUT", ""), "Access-Control-Request-Private-Network", "true"), 403, nil},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			c := mustNew(t, tt.cfg)
			r := tt.lines.request(t, http.MethodOptions)
			r.RemoteAddr, r.Host = tt.peer, tt.host
			w, ran := serve(c, r)
			assert.False(t, ran)
			assert.Equal(t, tt.status, w.Code)
			if tt.want == nil {
				assertNoCORS(t, w.Header())
			} else {
				assert.Equal(t, tt.want, w.Header())
			}
			verdict, err := c.Check(r)
			assert.False(t, verdict.Allowed, "the browser refuses all the same")
			assert.Error(t, err)
		})
	}
}

func TestDebugStillReportsAndLeavesOutTheErrorHandler(t *testing.T) {
	log := new(eventLog)
	cfg := full()
	cfg.Debug, cfg.Logger = true, log.logger()
	cfg.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { t.Error("ErrorHandler runs") }
	r := asks("https://app.example.com", "PURGE", "").request(t, http.MethodOptions)
	r.RemoteAddr, r.Host = "127.0.0.1:5", "localhost"
	w, _ := serve(mustNew(t, cfg), r)
	assert.Equal(t, 204, w.Code)
	assert.Len(t, log.all(t), 1)
}

func TestDebugAnywhereNeedsDebug(t *testing.T) {
	cfg := full()
	cfg.DangerouslyDebugAnywhere = true
	assert.Equal(t, []string{"DangerouslyDebugAnywhere: pointless: "}, mistakes(t, cfg))
	cfg.Debug = true
	assert.Empty(t, mistakes(t, cfg))
}
