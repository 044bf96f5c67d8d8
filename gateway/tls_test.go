package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/gateway"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// pair makes a self-signed certificate for names.
func pair(t testing.TB, names ...string) (cert, key string) {
	t.Helper()
	return pairUntil(t, time.Now().Add(1000*time.Hour), names...)
}

// pairUntil makes one that ends at a time.
func pairUntil(t testing.TB, end time.Time, names ...string) (cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	require.NoError(t, err)
	text, err := x509.MarshalPKCS8PrivateKey(priv)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}

// serveTLS serves the gateway's certificates.
func (e *edge) serveTLS() string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(e.t, err)
	srv := &http.Server{Handler: e.g, TLSConfig: e.g.TLSConfig(), ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.ServeTLS(ln, "", "") }()
	e.t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().String()
}

// certFor returns the name of the certificate that a client is shown.
func certFor(t *testing.T, addr, sni string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: sni, InsecureSkipVerify: true})
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].DNSNames[0]
}

func (e *edge) addCertificate(names ...string) map[string]any {
	cert, key := pair(e.t, names...)
	body, _ := json.Marshal(map[string]any{"cert": cert, "key": key})
	r := do(e.t, "POST", e.admin+"/certificates", string(body), "Content-Type: application/json")
	require.Equal(e.t, 201, r.status, r.body)
	return r.json(e.t)
}

func TestCertificatesAreChosenBySNIAndChangedWithoutARestart(t *testing.T) {
	e := start(t, one(""))
	addr := e.serveTLS()
	assert.Contains(t, certFor(t, addr, "a.example"), "tls", "no certificate yet")
	first := e.addCertificate("a.example")
	assert.Equal(t, "a.example", certFor(t, addr, "a.example"))
	e.addCertificate("b.example", "*.c.example")
	assert.Equal(t, "b.example", certFor(t, addr, "x.c.example"))
	assert.Equal(t, "a.example", certFor(t, addr, "other.example"), "the first is the default")
	id, _ := first["id"].(string)
	require.Equal(t, 201, e.form("POST", "/certificates/"+id+"/snis", "name", "a.example").status)
	assert.Equal(t, 400, e.form("POST", "/certificates/"+id+"/snis", "name", "b.example").status, "not in that certificate")
	require.Equal(t, 204, do(t, "DELETE", e.admin+"/certificates/"+id, "").status)
	assert.Equal(t, "b.example", certFor(t, addr, "a.example"))
	assert.Empty(t, e.g.Current().SNIs)

	cert, _ := pair(t, "x.example")
	_, key := pair(t, "x.example")
	body, _ := json.Marshal(map[string]any{"cert": cert, "key": key})
	r := do(t, "POST", e.admin+"/certificates", string(body), "Content-Type: application/json")
	assert.Equal(t, 400, r.status, "they do not belong together")
	assert.NotContains(t, r.body, "PRIVATE")
}

func TestHTTP2AndTheSchemeOverTLS(t *testing.T) {
	e := start(t, one("  - {name: security-headers}"))
	addr := e.serveTLS()
	e.addCertificate("a.example")
	tr := &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: "a.example"},
	}
	defer tr.CloseIdleConnections()
	r, _ := http.NewRequestWithContext(context.Background(), "GET", "https://"+addr+"/api", nil)
	resp, err := tr.RoundTrip(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	assert.Equal(t, 2, resp.ProtoMajor)
	assert.NotEmpty(t, resp.Header.Get("Strict-Transport-Security"))
	var got struct{ Header http.Header }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&got))
	assert.Equal(t, "https", got.Header.Get("X-Forwarded-Proto"))
}

func TestPlainHTTPForARouteOfHTTPSOnly(t *testing.T) {
	e := start(t, `_format_version: "3.0"
services:
  - name: svc
    url: UPSTREAM
    routes:
      - {name: upgrade, paths: [/a], protocols: [https]}
      - {name: redirect, paths: [/b], protocols: [https], https_redirect_status_code: 308}
`)
	r := e.get("/a")
	assert.Equal(t, 426, r.status)
	assert.Contains(t, r.header.Get("Upgrade"), "TLS")
	r = e.get("/b/c?d=1", "Host: shop.example:8000")
	assert.Equal(t, 308, r.status)
	assert.Equal(t, "https://shop.example/b/c?d=1", r.header.Get("Location"))
}

func TestAnUpstreamsCertificateIsChecked(t *testing.T) {
	cert, key := pair(t, "up.internal")
	kp, err := tls.X509KeyPair([]byte(cert), []byte(key))
	require.NoError(t, err)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{kp}, MinVersion: tls.VersionTLS12})
	require.NoError(t, err)
	srv := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	e := start(t, empty, func(c *gateway.Config) { c.Resolve["up.internal"] = ln.Addr().String() })
	require.Equal(t, 201, e.form("POST", "/services", "name", "s", "url", "https://up.internal").status)
	require.Equal(t, 201, e.form("POST", "/services/s/routes", "paths", "/").status)
	assert.Equal(t, 502, e.get("/").status, "signed by nobody")
	require.Equal(t, 200, e.form("PATCH", "/services/s", "tls_verify", "false").status)
	assert.Equal(t, 404, e.get("/").status)
	body, _ := json.Marshal(map[string]any{"cert": cert})
	r := do(t, "POST", e.admin+"/ca_certificates", string(body), "Content-Type: application/json")
	require.Equal(t, 201, r.status, r.body)
	id, _ := r.json(t)["id"].(string)
	require.Equal(t, 200, e.form("PATCH", "/services/s", "tls_verify", "true", "ca_certificates", id).status)
	assert.Equal(t, 404, e.get("/").status)
}

func TestCertificatesThatCannotBeUsedLeaveNoFiles(t *testing.T) {
	certs, err := gateway.NewCertificates(slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { _ = certs.Close() }()
	cert, key := pair(t, "a.example")
	bad := &conf.File{Certificates: []*conf.Certificate{{Cert: cert, Key: "none"}}}
	good := &conf.File{Certificates: []*conf.Certificate{{Cert: cert, Key: key}}}
	left := func() int {
		all, err := os.ReadDir(certs.Dir())
		require.NoError(t, err)
		return len(all)
	}
	require.Error(t, certs.Use(bad))
	assert.Zero(t, left())
	assert.NotEmpty(t, certs.Mistakes(bad))
	assert.Empty(t, certs.Mistakes(good))
	assert.Zero(t, left(), "a look leaves nothing either")
	require.NoError(t, certs.Use(good))
	assert.Equal(t, 1, left())
	require.Error(t, certs.Use(bad))
	assert.Equal(t, 1, left(), "those in use stay")
}
