// Command connect puts rampart around a connect service, which speaks gRPC, gRPC-Web
// and Connect. It has no generated code: its messages are the well-known ones.
package main

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

const maxMessage = 64 << 10

func main() {
	h, err := service()
	if err != nil {
		log.Fatal(err)
	}
	// gRPC needs HTTP/2: without TLS that is h2c, which a client must know beforehand.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := http.Server{Addr: "127.0.0.1:8085", Handler: h, Protocols: protocols, ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(srv.ListenAndServe())
}

func service() (http.Handler, error) {
	clients, err1 := server.NewClientIP(rampart.Proxies{})
	browser, err2 := headers.New(headers.API("localhost:*", "127.0.0.1:*"))
	share, err3 := cors.New(cors.Config{ // what a page needs to call it by gRPC-Web or Connect
		Origins:         []string{"https://www.example.com"},
		RequestHeaders:  []string{"Content-Type", "Connect-Protocol-Version", "Connect-Timeout-Ms", "Grpc-Timeout", "X-Grpc-Web", "X-User-Agent"},
		ResponseHeaders: []string{"Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"},
	})
	limit, err4 := throttle.PerIP("100/hour")
	// The guard's limit is that of a whole request. A stream is one request however many
	// messages it has, so the guard stands around the unary procedures alone.
	guard, err5 := sanitize.NewGuard(sanitize.GuardConfig{Limits: sanitize.Limits{
		MaxBody:      maxMessage,
		ContentTypes: []string{"application/json", "application/proto", "application/grpc", "application/grpc+proto", "application/grpc-web+proto"},
	}})
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	each := connect.WithReadMaxBytes(maxMessage) // of one message, also of each in a stream
	mux := server.NewMux()
	mux.Handle("/shop.Greeter/Greet", guard.Handler(connect.NewUnaryHandler("/shop.Greeter/Greet", greet, each)))
	mux.Handle("/shop.Greeter/Count", connect.NewServerStreamHandler("/shop.Greeter/Count", count, each))
	outside := rampart.Stack{ClientIP: clients.Handler, Headers: browser.Handler, CORS: share.Handler, Edge: limit.Handler}
	return rampart.Chain(server.Recover(slog.Default()), outside.Handler)(mux), nil
}

func greet(_ context.Context, r *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.StringValue], error) {
	return connect.NewResponse(wrapperspb.String("hello " + r.Msg.GetValue())), nil
}

// count streams the numbers up to what the client asks for, each as it is ready: the
// layers pass a flush on.
func count(_ context.Context, r *connect.Request[wrapperspb.UInt32Value], out *connect.ServerStream[wrapperspb.UInt32Value]) error {
	if r.Msg.GetValue() > 100 {
		return connect.NewError(connect.CodeInvalidArgument, errors.New("100 at most"))
	}
	for n := range r.Msg.GetValue() {
		if err := out.Send(wrapperspb.UInt32(n + 1)); err != nil {
			return err
		}
	}
	return nil
}
