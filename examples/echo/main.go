// Command echo puts rampart around echo. The layers stand outside, around the Echo as
// an http.Handler: there they see every request, those too that echo answers itself
// (404, 405), and echo's own Response stands inside of ours. As echo's middleware,
// by echo.WrapMiddleware, they would miss what stands before them.
package main

import (
	"errors"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

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
	srv := http.Server{Addr: "127.0.0.1:8084", Handler: h, ReadHeaderTimeout: 5 * time.Second}
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
	e := echo.New() // without echo's Recover, CORS and Secure: the layers outside do their work
	// echo believes X-Forwarded-For of anyone by default. Read the client's address
	// with rampart.ClientAddrFrom: c.RealIP is now the TCP peer.
	e.IPExtractor = echo.ExtractIPDirect()
	e.GET("/hello", func(c echo.Context) error { return c.String(http.StatusOK, "hello\n") })
	e.GET("/from", func(c echo.Context) error {
		addr, _ := rampart.ClientAddrFrom(c.Request().Context())
		return c.String(http.StatusOK, addr.String()+"\n")
	})
	e.GET("/panic", func(echo.Context) error { panic("a defect") })
	// echo has no http.Request.Pattern, so throttle.ByRoute would refuse every request:
	// to limit one route by itself, give a Policy a Match that looks at the path.
	outside := rampart.Stack{ClientIP: clients.Handler, Headers: browser.Handler, CORS: share.Handler, Edge: limit.Handler}
	return rampart.Chain(server.Recover(slog.Default()), outside.Handler)(e), nil
}
