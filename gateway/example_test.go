package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/ecolaura/rampart/gateway"
)

// A gateway with one route, in front of an API in this process.
func Example() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello,", r.Header.Get("X-Consumer-Username"))
	}))
	defer api.Close()

	g, err := gateway.New(gateway.Config{
		Resolve: map[string]string{"django.internal": api.Listener.Addr().String()},
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = g.Close() }()
	err = g.Use(context.Background(), []byte(`
_format_version: "3.0"
services:
  - name: django
    url: http://django.internal
    routes: [{name: api, paths: [/api]}]
    plugins:
      - {name: key-auth}
      - {name: rate-limiting, config: {hour: 1}}
consumers:
  - {username: alice, keyauth_credentials: [{key: alice-key-0123456789}]}
`))
	if err != nil {
		fmt.Println(err)
		return
	}

	// A program of your own gives Serve its listeners in place of this.
	for _, key := range []string{"", "alice-key-0123456789", "alice-key-0123456789"} {
		r := httptest.NewRequest(http.MethodGet, "/api/", nil)
		if key != "" {
			r.Header.Set("Apikey", key)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		fmt.Println(w.Code, http.StatusText(w.Code))
	}
	// Output:
	// 401 Unauthorized
	// 200 OK
	// 429 Too Many Requests
}

// Every mistake comes at once, with its line.
func ExampleGateway_Use() {
	g, err := gateway.New(gateway.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = g.Close() }()
	err = g.Use(context.Background(), []byte(`_format_version: "3.0"
services:
  - name: django
    url: http://django.internal
    plugins:
      - name: rate-limiting
        config: {secnd: 5}
`))
	if mistakes, ok := errors.AsType[gateway.Mistakes](err); ok {
		fmt.Println(mistakes.In("kong.yml"))
	}
	// Output:
	// kong.yml:7: services[0].plugins[0].config.secnd: unknown field (second?)
	// kong.yml:7: services[0].plugins[0].config: at least one of second, minute, hour, day, month and year is wanted
}
