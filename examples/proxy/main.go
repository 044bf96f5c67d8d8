// Command proxy puts rampart in front of one upstream, with httputil.ReverseProxy.
package main

import (
	"cmp"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

func main() {
	upstream, err := url.Parse(cmp.Or(os.Getenv("UPSTREAM"), "http://127.0.0.1:8000"))
	if err != nil {
		log.Fatal(err)
	}
	h, err := service(upstream)
	if err != nil {
		log.Fatal(err)
	}
	srv := http.Server{Addr: "127.0.0.1:8086", Handler: h, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(srv.ListenAndServe())
}

func service(upstream *url.URL) (http.Handler, error) {
	id, err1 := server.NewRequestID(server.RequestIDConfig{})
	clients, err2 := server.NewClientIP(rampart.Proxies{}) // none: clients connect to us
	// Where the upstream sets these headers too, ours stay; but see ModifyResponse.
	browser, err3 := headers.New(headers.Web("localhost:*", "127.0.0.1:*"))
	limit, err4 := throttle.PerIP("100/hour")
	// Paths that the upstream may read in another way than we, and large bodies.
	guard, err5 := sanitize.NewGuard(sanitize.GuardConfig{})
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	// The timeout is the Transport's. http.TimeoutHandler would hold back streams, and
	// refuse WebSockets.
	transport := &http.Transport{ResponseHeaderTimeout: 30 * time.Second, IdleConnTimeout: time.Minute}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		// Rewrite, not Director: it gets a request without the client's Forwarded and
		// X-Forwarded-*, and a hop-by-hop field cannot take ours away.
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(upstream)                                     // its Host, too
			p.SetXForwarded()                                      // the peer, our Host and scheme, in place of what the client claimed
			for _, name := range []string{"X-Real-Ip", "X-User"} { // names that the upstream believes
				p.Out.Header.Del(name)
			}
			p.Out.Header.Del("Authorization") // checked here, if at all: the upstream needs no copy
			p.Out.Header.Del("Cookie")
			p.Out.Header.Del("X-Request-ID")
			if id, ok := rampart.RequestIDFrom(p.In.Context()); ok {
				p.Out.Header.Set("X-Request-ID", id) // its log and ours then name a request alike
			}
		},
		// Browsers enforce every policy that they get, so that a page of the upstream would
		// have to fit both: leave this out where its own is to hold as well.
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("Content-Security-Policy")
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			slog.WarnContext(r.Context(), "the upstream fails", slog.Any("error", err))
			(&rampart.Problem{Status: http.StatusBadGateway, Code: "upstream_unavailable"}).Write(w)
		},
	}
	outside := rampart.Stack{RequestID: id.Handler, ClientIP: clients.Handler, Headers: browser.Handler, Edge: limit.Handler, Guard: guard.Handler}
	return rampart.Chain(server.Recover(slog.Default()), outside.Handler)(proxy), nil
}
