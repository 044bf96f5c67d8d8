package kong_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kong/go-kong/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/gateway"
)

// server is the Admin API of a gateway, and Kong's client for it.
type server struct {
	*kong.Client
	url   string
	calls atomic.Int64
}

// RoundTrip counts the calls.
func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.calls.Add(1)
	return http.DefaultTransport.RoundTrip(r)
}

func start(t *testing.T) *server {
	t.Helper()
	g, err := gateway.New(gateway.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	admin := httptest.NewServer(g.Admin())
	t.Cleanup(func() {
		admin.Close()
		assert.NoError(t, g.Close())
	})
	s := &server{url: admin.URL}
	s.Client, err = kong.NewClient(&s.url, &http.Client{Transport: s})
	require.NoError(t, err)
	return s
}

// rows returns what a collection holds, by id.
func (s *server) rows(t *testing.T, path string) map[string]map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path+"?size=1000", nil)
	require.NoError(t, err)
	resp, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var list struct{ Data []map[string]any }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&list))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	out := map[string]map[string]any{}
	for _, row := range list.Data {
		id, _ := row["id"].(string)
		out[id] = row
	}
	return out
}

// certificate makes a certificate that signs itself, and its key, in PEM.
func certificate(t *testing.T, ca bool, names ...string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	form := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "test"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: ca, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, private.Public(), private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	var a, b bytes.Buffer
	require.NoError(t, pem.Encode(&a, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	require.NoError(t, pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return a.String(), b.String()
}
