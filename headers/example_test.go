package headers_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ecolaura/rampart/headers"
)

func ExampleHeaders_Handler() {
	layer, err := headers.New(headers.API("api.example.com"))
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	h := layer.Handler(mux)

	r := httptest.NewRequest(http.MethodGet, "http://api.example.com/hello?to=you", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"))

	r.TLS = &tls.ConnectionState{} // as net/http sets it
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	fmt.Println(w.Header().Get("Strict-Transport-Security"))
	fmt.Println(w.Header().Get("Content-Security-Policy"))
	// Output:
	// 308 https://api.example.com/hello?to=you
	// 200 hello
	// max-age=31536000
	// default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'
}

func ExampleNonce() {
	cfg := headers.Web("www.example.com")
	cfg.CSP.Script = []headers.Source{headers.WithNonce, headers.StrictDynamic}
	layer, err := headers.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	h := layer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nonce, _ := headers.Nonce(r.Context()) // before the first byte
		fmt.Fprintf(w, `<script nonce="%s">start()</script>`, nonce)
	}))
	r := httptest.NewRequest(http.MethodGet, "https://www.example.com/", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(len(w.Body.String()), w.Header().Get("Cache-Control"))
	// Output: 55 no-store
}

func ExampleHeaders_Audit() {
	layer, err := headers.New(headers.API("api.example.com"))
	if err != nil {
		fmt.Println(err)
		return
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	for _, finding := range layer.Audit(h, "/hello") {
		if finding.Severity != headers.SeverityInfo && finding.Path == "/hello" {
			fmt.Println(finding)
		}
	}
	// Output:
	// warn: hsts-subdomains /hello: the answer: Strict-Transport-Security leaves out subdomains (security.W005)
	// warn: content-type /hello: the answer has a body without Content-Type, so the server guesses one
}

func ExampleHeaders_Route() {
	layer, err := headers.New(headers.API("api.example.com"))
	if err != nil {
		fmt.Println(err)
		return
	}
	cached, err := layer.Route(func(c *headers.Config) { c.CacheControl = "public, max-age=3600" })
	if err != nil {
		fmt.Println(err)
		return
	}
	list := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") })
	mux := http.NewServeMux()
	mux.Handle("GET /public/", cached(list))
	mux.Handle("GET /", list)
	h := layer.Handler(mux)
	for _, path := range []string{"/public/x", "/x"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://api.example.com"+path, nil))
		fmt.Println(path, w.Header().Get("Cache-Control"))
	}
	// Output:
	// /public/x public, max-age=3600
	// /x no-store
}

func ExampleCSRF_Handler() {
	csrf, err := headers.NewCSRF(headers.CSRFConfig{TrustedOrigins: []string{"https://admin.example.com"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := csrf.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") }))
	r := httptest.NewRequest(http.MethodPost, "https://www.example.com/transfer", nil)
	r.Header.Set("Sec-Fetch-Site", "same-site")
	r.Header.Set("Origin", "https://admin.example.com")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 done
}
