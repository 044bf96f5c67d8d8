// Command chi is the composition of the README with the chi router: a Stack's
// Handler is a func(http.Handler) http.Handler, so chi's Use takes it as it is.
package main

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

func main() {
	h, err := router(rampart.Proxies{}) // none: clients connect to us
	if err != nil {
		log.Fatal(err)
	}
	srv := http.Server{Addr: "127.0.0.1:8082", Handler: h, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(srv.ListenAndServe())
}

func router(proxies rampart.Proxies) (http.Handler, error) {
	browserConfig := headers.API("localhost:*", "127.0.0.1:*")
	browserConfig.Proxies = proxies
	clients, err1 := server.NewClientIP(proxies)
	browser, err2 := headers.New(browserConfig)
	share, err3 := cors.Allow("https://www.example.com")
	limit, err4 := throttle.PerIP("100/hour")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Use(rampart.Stack{ClientIP: clients.Handler, Headers: browser.Handler, CORS: share.Handler, Edge: limit.Handler}.Handler)
	r.Get("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	return r, nil
}
