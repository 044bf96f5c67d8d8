package ipfilter_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/ecolaura/rampart/throttle/ipfilter"
)

func ExampleFilter_Handler() {
	office, err := ipfilter.New(ipfilter.Config{
		Allow:  []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /admin", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	h := office.Handler(mux)

	r := httptest.NewRequest(http.MethodGet, "/admin", nil)
	r.RemoteAddr = "198.51.100.9:4711"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Print(w.Code, " ", w.Body)
	// Output: 403 {"title":"Forbidden","status":403,"code":"address_denied"}
}
