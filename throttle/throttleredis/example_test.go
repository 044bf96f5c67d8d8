package throttleredis_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// client stands for one of go-redis, whose Do it imitates; here nobody listens.
type client struct{}

type cmd struct{ err error }

func (client) Do(context.Context, ...any) cmd { return cmd{fmt.Errorf("dial tcp: connection refused")} }

func (c cmd) Result() (any, error) { return nil, c.err }

func ExampleNew() {
	var rdb client
	store, err := throttleredis.New(func(ctx context.Context, args ...any) (any, error) { return rdb.Do(ctx, args...).Result() },
		throttleredis.Config{Prefix: "shop", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	limiter, err := throttle.New(throttle.Config{
		Policies: []throttle.Policy{{Name: "anon", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Key: throttle.ByIP(nil)}},
		Store:    store,
		Outage:   rampart.FailClosed, // or FailOpen, or FallBack
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	limiter.Handler(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println(w.Code, w.Header().Get("Retry-After"))
	// Output: 503 1
}
