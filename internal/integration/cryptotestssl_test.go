package integration_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/tlsconf"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/server"
)

// publicOnly are rows of testssl.sh about what only a public authority gives:
// none of them is about the server's configuration. The certificate of a test's
// authority can have no chain to a root that the world knows, no revocation list
// or responder, and neither an entry in a transparency log nor, for localhost, a
// CAA record in the DNS.
var publicOnly = []string{
	"cert_chain_of_trust", "cert_revocation", "cert_crlDistributionPoints", "cert_ocspURL", "OCSP_stapling",
	"certificate_transparency", "DNS_CAArecord",
}

// TestTestsslFindsNothingAboveLow runs testssl.sh against examples/api as an
// operator runs it, which has the profile Intermediate, and against a server with
// the profile Modern. It takes minutes.
func TestTestsslFindsNothingAboveLow(t *testing.T) {
	if os.Getenv("RAMPART_BARS") != "1" && !slices.Contains(strings.Split(os.Getenv("RAMPART_REQUIRE"), ","), "testssl") {
		t.Skip("SKIPPED: testssl.sh takes three minutes: set RAMPART_BARS=1")
	}
	name, err := exec.LookPath("testssl")
	if err != nil {
		if name, err = exec.LookPath("testssl.sh"); err != nil {
			missing(t, "testssl", "apt-get install testssl.sh")
		}
	}
	dir := t.TempDir()
	testAuthority(t, dir)
	cert, key := filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	t.Run("examples/api", func(t *testing.T) {
		testssl(t, name, filepath.Join(dir, "ca.crt"), serveExample(t, "-tls-cert", cert, "-tls-key", key)+"/api/public/")
	})
	t.Run("modern", func(t *testing.T) {
		addr := serveTLS(t, tlsconf.Config{CertFile: cert, KeyFile: key, Profile: tlsconf.Modern})
		testssl(t, name, filepath.Join(dir, "ca.crt"), "https://"+addr+"/")
	})
}

// testssl lets the command look at a URL of 127.0.0.1, under the name of localhost.
func testssl(t *testing.T, name, ca, url string) {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report.json")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, "--warnings", "batch", "--color", "0", "--ip", "127.0.0.1",
		"--add-ca", ca, "--jsonfile", report, strings.Replace(url, "127.0.0.1", "localhost", 1)).CombinedOutput()
	text, readErr := os.ReadFile(report)
	require.NoError(t, readErr, "%v: %s", err, out)
	var findings []struct{ ID, Severity, Finding string }
	require.NoError(t, json.Unmarshal(text, &findings))
	require.Greater(t, len(findings), 80, "testssl.sh has not looked at everything: %s", out)
	var bad []string
	for _, f := range findings {
		switch {
		case slices.ContainsFunc(publicOnly, func(p string) bool { return strings.HasPrefix(f.ID, p) }):
		case f.Severity == "OK", f.Severity == "INFO", f.Severity == "LOW", f.Severity == "DEBUG":
		default:
			bad = append(bad, f.Severity+" "+f.ID+": "+f.Finding)
		}
	}
	assert.Empty(t, bad)
	t.Logf("%d findings, %d above LOW", len(findings), len(bad))
}

// serveExample builds and starts examples/api, and returns where it listens.
func serveExample(t *testing.T, args ...string) (url string) {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "api")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", name, "./api")
	build.Dir, build.Env = filepath.Join("..", "..", "examples"), append(os.Environ(), "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, append([]string{"-addr", "127.0.0.1:0", "-db", filepath.Join(dir, "ecolaura.db")}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if where, ok := strings.CutPrefix(lines.Text(), "Listening on "); ok {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			url, _, _ = strings.Cut(where, " ")
			return url
		}
	}
	t.Fatal("examples/api did not start")
	return ""
}

// testAuthority writes a CA and a certificate of it for localhost.
func testAuthority(t testing.TB, dir string) {
	t.Helper()
	issue := func(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, file string) *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		if parentKey == nil {
			parentKey = key
		}
		template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
		require.NoError(t, err)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
		require.NoError(t, err)
		raw, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, file+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
		return key
	}
	ca := &x509.Certificate{
		Subject: pkix.Name{CommonName: "rampart test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(3650 * 24 * time.Hour),
	}
	key := issue(ca, ca, nil, "ca")
	issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, key, "server")
}

// serveTLS serves behind the headers layer, as the examples do.
func serveTLS(t *testing.T, cfg tlsconf.Config) (addr string) {
	t.Helper()
	r, err := tlsconf.New(cfg)
	require.NoError(t, err)
	layer, err := headers.New(headers.API("localhost:*"))
	require.NoError(t, err)
	srv, err := server.New(server.Config{TLSConfig: r.TLSConfig(), Handler: layer.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}))})
	require.NoError(t, err)
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-done)
		assert.NoError(t, r.Close())
	})
	return ln.Addr().String()
}
