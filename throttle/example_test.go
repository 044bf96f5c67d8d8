package throttle_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/ecolaura/rampart/throttle"
)

func Example() {
	anon, err := throttle.Parse("2/hour")
	if err != nil {
		fmt.Println(err)
		return
	}
	limiter, err := throttle.New(throttle.Config{
		Policies: []throttle.Policy{{Name: "anon", Rate: anon, Key: throttle.ByIP(nil)}},
		Logger:   slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := limiter.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }))
	for range 3 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		fmt.Println(w.Code, w.Header().Get("RateLimit"))
	}
	// Output:
	// 200 "anon";r=1;t=3600
	// 200 "anon";r=0;t=3600
	// 429 "anon";r=0;t=3600
}

// A subscriber with a whole IPv6 /48 has 65 536 networks of /64 to hide in: a
// second, wider policy bounds them together.
func ExampleByNetwork() {
	client := func(*http.Request) netip.Addr { return netip.MustParseAddr("2001:db8:1:2::3") }
	limiter, err := throttle.New(throttle.Config{Policies: []throttle.Policy{
		{Name: "address", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Key: throttle.ByIP(client)},
		{Name: "network", Rate: throttle.Rate{Count: 1000, Period: time.Hour}, Key: throttle.ByNetwork(client, 24, 48)},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := limiter.Check(httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println(d.Allowed, err, d.Results[0].Remaining, d.Results[1].Remaining)
	// Output: true <nil> 99 999
}
