// Command chi is the composition of the README with the chi router: every
// layer is a func(http.Handler) http.Handler, so chi's Use takes it as it is.
package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/throttle"
)

func main() {
	h, err := router()
	if err != nil {
		log.Fatal(err)
	}
	srv := http.Server{Addr: "127.0.0.1:8082", Handler: h, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(srv.ListenAndServe())
}

func router() (http.Handler, error) {
	protect, err := headers.New(headers.API("localhost:*", "127.0.0.1:*"))
	if err != nil {
		return nil, err
	}
	share, err := cors.New(cors.Config{Origins: []string{"https://www.example.com"}})
	if err != nil {
		return nil, err
	}
	limit, err := throttle.New(throttle.Config{Policies: []throttle.Policy{
		{Name: "anon", Rate: throttle.Rate{Count: 100, Period: time.Hour}, Key: throttle.ByIP(rampart.PeerAddr)},
	}})
	if err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	r.Use(protect.Handler, share.Handler, limit.Handler)
	r.Get("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	return r, nil
}
