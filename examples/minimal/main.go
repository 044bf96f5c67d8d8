// Command minimal wraps one rampart layer around one handler: 5 requests a
// minute for each client address, the sixth is a 429.
package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/ecolaura/rampart/throttle"
)

func main() {
	limit, err := throttle.PerIP("5/minute")
	if err != nil {
		log.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	srv := http.Server{Addr: "127.0.0.1:8081", Handler: limit.Handler(hello), ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(srv.ListenAndServe())
}
