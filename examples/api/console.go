package main

import (
	"context"
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident/console"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// newConsole makes the operator's console of the counter-measures that /api/ops/ has.
func newConsole(srv *instance) (*console.Console, error) {
	return console.New(console.Config{
		API: srv.operator.Handler(), Recorder: srv.recorder, Path: "/console/", Service: "ecolaura",
		// The live page looks at the server each second: that counts against no user's rate.
		Protect: rampart.Chain(ending, server.Streaming(0), mounted("/console"), srv.browser.required, unmounted("/console")),
		LogIn:   "/login", LogOut: "/logout",
		Backends: srv.backends, Keys: srv.keys, Names: srv.app.users.name, Logger: srv.log,
	})
}

// mounted puts what the mux has cut off before the path again, so that a log-in leads back
// to the whole path; unmounted cuts it off for the pages.
func mounted(prefix string) layer {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			below, u := r.WithContext(r.Context()), *r.URL
			u.Path, u.RawPath = prefix+u.Path, ""
			below.URL = &u
			next.ServeHTTP(w, below)
		})
	}
}

func unmounted(prefix string) layer {
	return func(next http.Handler) http.Handler { return http.StripPrefix(prefix, next) }
}

// backends says what this instance depends on, and what holds while that is away.
func (srv *instance) backends(ctx context.Context) []console.Backend {
	state := func(err error) string {
		if err != nil {
			return "unreachable"
		}
		return "ok"
	}
	list := []console.Backend{{Name: "database", State: state(srv.db.PingContext(ctx)), Policy: "log-ins and writes are refused with 503; tokens, blocks and revocations that are known stay in force"}}
	if srv.shared.redis != nil {
		redis := console.Backend{Name: "redis", State: state(srv.shared.redis.Ping(ctx).Err()), Policy: "each instance limits by its share of the rate"}
		if store, ok := srv.shared.limits.(*throttleredis.Store); ok && redis.State == "ok" && store.CircuitOpen() {
			redis.State = "avoided: it failed just now"
		}
		list = append(list, redis)
	}
	return list
}

// keys says which keys the service has, as far as this instance knows.
func (srv *instance) keys(context.Context) []console.Key {
	signing := console.Key{Use: "signing", ID: "from outside", State: "signs", Next: "roll it where it is set, on every instance"}
	if srv.managed.signing != nil {
		signing.ID, signing.Next = "managed here", "rotate it with an overlap of 1 h, each 90 days or when it has leaked"
	}
	field := console.Key{Use: "field", ID: "from outside", State: "encrypts", Next: "roll it where it is set, on every instance"}
	if srv.managed.fields != nil {
		field.ID, field.Next = "managed here", "rotate it when it may have leaked; values are encrypted anew"
	}
	switch s := srv.managed.reencryption.State(); {
	case s.Failed:
		field.Progress = "re-encryption has failed: see the log"
	case s.Running:
		field.Progress = "re-encryption is running on this instance"
	default:
		field.Progress = "no re-encryption is running on this instance"
	}
	list := []console.Key{signing, field}
	list = append(list, console.Key{Use: "API keys", ID: "hashed in the database", State: "verify", Next: "each owner rotates theirs, with an overlap"})
	return list
}
