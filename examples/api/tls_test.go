package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/freeport"
)

// certificate writes a self-signed certificate for this machine and returns the
// names of its files, and a pool that trusts it.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool = x509.NewCertPool()
	pool.AddCert(cert)
	return certFile, keyFile, pool
}

func TestItServesTLSAndRedirectsPlainHTTP(t *testing.T) {
	certFile, keyFile, pool := certificate(t)
	secure, plain := freeport.Addr(t), freeport.Addr(t)
	p := startProcess(t, filepath.Join(t.TempDir(), "ecolaura.db"), "-addr", secure, "-tls-cert", certFile, "-tls-key", keyFile, "-http-addr", plain)
	assert.Regexp(t, "^https://", p.url)

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}}
	resp, err := client.Get(p.url + "/api/public/")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, 2, resp.ProtoMajor)
	assert.NotEmpty(t, resp.Header.Get("Strict-Transport-Security"))

	p.url = "http://" + plain
	a := p.do("GET", "/api/public/?a=b", "", "Via: 1.1 proxy") // else loopback is served
	assert.Equal(t, 308, a.status)
	assert.Equal(t, "https://"+secure+"/api/public/?a=b", a.header.Get("Location"))
	a = p.do("GET", "/api/secure/", "", "Via: 1.1 proxy", "Authorization: Bearer x")
	assert.Equal(t, 403, a.status, "credentials were on the wire: no redirect that hides it")
	assert.Equal(t, 0, p.stop(t))
}

func TestABadCertificateIsAMistakeOfTheSettings(t *testing.T) {
	certFile, _, _ := certificate(t)
	_, otherKey, _ := certificate(t)
	name, err := binary()
	require.NoError(t, err)
	out, status := runBinary(t, name, "-db", filepath.Join(t.TempDir(), "a.db"), "-tls-cert", certFile, "-tls-key", otherKey)
	assert.Equal(t, 2, status, out)
	assert.Contains(t, out, "not_a_pair")
}
