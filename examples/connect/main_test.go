package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestTheLayersWorkAroundConnectAndGRPC(t *testing.T) {
	h, err := service()
	require.NoError(t, err)
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	for name, options := range map[string][]connect.ClientOption{
		"Connect":  nil,
		"gRPC":     {connect.WithGRPC()},
		"gRPC-Web": {connect.WithGRPCWeb()},
		"JSON":     {connect.WithProtoJSON()},
	} {
		t.Run(name, func(t *testing.T) {
			greeter := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](srv.Client(), srv.URL+"/shop.Greeter/Greet", options...)
			got, err := greeter.CallUnary(t.Context(), connect.NewRequest(wrapperspb.String("Ada")))
			require.NoError(t, err)
			assert.Equal(t, "hello Ada", got.Msg.GetValue())
			for _, field := range []string{"Content-Security-Policy", "Ratelimit"} {
				assert.Len(t, got.Header()[field], 1, field)
			}
			_, err = greeter.CallUnary(t.Context(), connect.NewRequest(wrapperspb.String(strings.Repeat("a", maxMessage+1))))
			assert.Error(t, err, "a message that is too large")

			counter := connect.NewClient[wrapperspb.UInt32Value, wrapperspb.UInt32Value](srv.Client(), srv.URL+"/shop.Greeter/Count", options...)
			stream, err := counter.CallServerStream(t.Context(), connect.NewRequest(wrapperspb.UInt32(3)))
			require.NoError(t, err)
			var numbers []uint32
			for stream.Receive() {
				numbers = append(numbers, stream.Msg().GetValue())
			}
			require.NoError(t, stream.Err())
			require.NoError(t, stream.Close())
			assert.Equal(t, []uint32{1, 2, 3}, numbers)
		})
	}
}

func TestAPageMayAskBeforeItCalls(t *testing.T) {
	h, err := service()
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodOptions, "http://localhost/shop.Greeter/Greet", nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Origin", "https://www.example.com")
	r.Header.Set("Access-Control-Request-Method", http.MethodPost)
	r.Header.Set("Access-Control-Request-Headers", "connect-protocol-version,content-type")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	assert.Equal(t, http.StatusNoContent, w.Code)
	assert.Equal(t, "https://www.example.com", w.Header().Get("Access-Control-Allow-Origin"))
}
