// Command gin puts rampart around a gin engine. The layers stand outside, around the
// engine as an http.Handler: there they see every request, those too that gin
// answers itself (404, 405, a redirect of a trailing slash), and gin's own
// ResponseWriter stands inside of ours.
package main

import (
	"errors"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

func main() {
	h, err := service(rampart.Proxies{}) // none: clients connect to us
	if err != nil {
		log.Fatal(err)
	}
	srv := http.Server{Addr: "127.0.0.1:8083", Handler: h, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(srv.ListenAndServe())
}

func service(proxies rampart.Proxies) (http.Handler, error) {
	browserConfig := headers.API("localhost:*", "127.0.0.1:*")
	browserConfig.Proxies = proxies
	clients, err1 := server.NewClientIP(proxies)
	browser, err2 := headers.New(browserConfig)
	share, err3 := cors.Allow("https://www.example.com")
	limit, err4 := throttle.PerIP("100/hour")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	e := gin.New() // without gin.Recovery: server.Recover below answers a panic, with the layers' headers
	// gin believes every proxy by default. Read the client's address with
	// rampart.ClientAddrFrom: c.ClientIP is now the TCP peer.
	if err := e.SetTrustedProxies(nil); err != nil {
		return nil, err
	}
	e.HandleMethodNotAllowed = true
	e.GET("/hello", func(c *gin.Context) { c.String(http.StatusOK, "hello\n") })
	e.GET("/from", func(c *gin.Context) {
		addr, _ := rampart.ClientAddrFrom(c.Request.Context())
		c.String(http.StatusOK, "%s\n", addr)
	})
	e.GET("/panic", func(*gin.Context) { panic("a defect") })
	// gin has no http.Request.Pattern, so throttle.ByRoute would refuse every request:
	// to limit one route by itself, give a Policy a Match that looks at the path.
	outside := rampart.Stack{ClientIP: clients.Handler, Headers: browser.Handler, CORS: share.Handler, Edge: limit.Handler}
	return rampart.Chain(server.Recover(slog.Default()), outside.Handler)(e), nil
}
