package tlsconf_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/tlsconf"
)

// logged is a log that a test can read.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) count(text string) int {
	return strings.Count(l.text(), text)
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(l, nil)) }

// served returns the serial number that a client is shown.
func served(t *testing.T, r *tlsconf.Reloader, name string) string {
	t.Helper()
	cert, err := r.TLSConfig().GetCertificate(&tls.ClientHelloInfo{ServerName: name})
	require.NoError(t, err)
	return cert.Leaf.SerialNumber.String()
}

// TestTenThousandRequestsAcrossTwentyReloads has clients on new and on kept
// connections while the certificate is replaced, each time followed on disk.
func TestTenThousandRequestsAcrossTwentyReloads(t *testing.T) {
	const requests, reloads, clients = 10_000, 20, 8
	ca, dir := newAuthority(t), t.TempDir()
	cert, key := ca.pair(t, dir, "server", year(), "localhost")
	r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key, Interval: 5 * time.Millisecond, Logger: new(logged).logger()})
	require.NoError(t, err)
	defer r.Close()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	srv.EnableHTTP2, srv.TLS = true, r.TLSConfig()
	srv.StartTLS()
	defer srv.Close()

	var started, failed atomic.Int64
	var serials sync.Map
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			transport := &http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: ca.pool, ServerName: "localhost"}, ForceAttemptHTTP2: i%2 == 0,
				DisableKeepAlives: i == 0, // the others hold their connections
			}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for started.Add(1) <= requests {
				resp, err := client.Get(srv.URL)
				if err != nil {
					failed.Add(1)
					t.Log(err)
					continue
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || string(body) != "ok" {
					failed.Add(1)
				}
				serials.Store(resp.TLS.PeerCertificates[0].SerialNumber.String(), true)
			}
		})
	}
	for n := range reloads {
		for started.Load() < int64(n*requests/(reloads+1)) {
			time.Sleep(time.Millisecond)
		}
		ca.pair(t, dir, "server", year(), "localhost")
		want := certificateIn(t, cert)
		require.Eventually(t, func() bool { return served(t, r, "localhost") == want }, 30*time.Second, time.Millisecond)
	}
	wg.Wait()
	assert.Zero(t, failed.Load())
	seen := 0
	serials.Range(func(any, any) bool { seen++; return true })
	assert.Greater(t, seen, reloads/2, "new connections get the new certificates")
}

// certificateIn returns the serial number of the certificate in a file.
func certificateIn(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	return parse(t, block.Bytes).SerialNumber.String()
}

func TestABadReplacementIsRefusedAndTheOldOneKept(t *testing.T) {
	bad := map[string]struct {
		change func(t *testing.T, ca *authority, dir string)
		reason rampart.Reason
	}{
		"no PEM":        {func(t *testing.T, _ *authority, dir string) { write(t, filepath.Join(dir, "a.crt"), []byte("junk")) }, tlsconf.ReasonNotAPair},
		"an empty file": {func(t *testing.T, _ *authority, dir string) { write(t, filepath.Join(dir, "a.key"), nil) }, tlsconf.ReasonNotAPair},
		"a missing file": {func(t *testing.T, _ *authority, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "a.key")))
		}, rampart.ReasonUnreadable},
		"a key that everyone can read": {func(t *testing.T, ca *authority, dir string) {
			ca.pair(t, dir, "a", year(), "a.example")
			require.NoError(t, os.Chmod(filepath.Join(dir, "a.key"), 0o644))
		}, rampart.ReasonUnsafe},
		"a key of another certificate": {func(t *testing.T, ca *authority, dir string) {
			_, key := ca.issue(t, year(), "a.example")
			write(t, filepath.Join(dir, "a.key"), key)
		}, tlsconf.ReasonNotAPair},
		"an expired one": {func(t *testing.T, ca *authority, dir string) {
			ca.pair(t, dir, "a", time.Now().Add(-time.Minute), "a.example")
		}, tlsconf.ReasonTime},
		"a further one without a name": {func(t *testing.T, ca *authority, dir string) { ca.pair(t, dir, "b", year()) }, tlsconf.ReasonNoName},
		"client CAs that are none":     {func(t *testing.T, _ *authority, dir string) { write(t, filepath.Join(dir, "ca.crt"), []byte("junk")) }, tlsconf.ReasonNoCA},
	}
	for name, tt := range bad {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca, dir, log := newAuthority(t), t.TempDir(), new(logged)
				cert, key := ca.pair(t, dir, "a", year(), "a.example")
				more := make([]tlsconf.Files, 1)
				more[0].CertFile, more[0].KeyFile = ca.pair(t, dir, "b", year(), "b.example")
				write(t, filepath.Join(dir, "ca.crt"), ca.pem())
				r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key, More: more, ClientCAs: filepath.Join(dir, "ca.crt"), Logger: log.logger()})
				require.NoError(t, err)
				defer r.Close()
				a, b := served(t, r, "a.example"), served(t, r, "b.example")

				tt.change(t, ca, dir)
				require.ErrorContains(t, r.Reload(), string(tt.reason))
				time.Sleep(11 * time.Second)
				assert.Zero(t, log.count("sys_certificate_refused"), "the other half may be on its way")
				time.Sleep(time.Hour)
				assert.Equal(t, 1, log.count(`"sys_certificate_refused","event"`))
				assert.Equal(t, 1, log.count(string(tt.reason)))
				assert.NotContains(t, log.text(), "PRIVATE")
				assert.Equal(t, []string{a, b}, []string{served(t, r, "a.example"), served(t, r, "b.example")})

				ca.pair(t, dir, "a", year(), "a.example")
				ca.pair(t, dir, "b", year(), "b.example")
				write(t, filepath.Join(dir, "ca.crt"), ca.pem())
				time.Sleep(11 * time.Second)
				assert.NotEqual(t, a, served(t, r, "a.example"), "what is put right is taken")
				assert.NotEqual(t, b, served(t, r, "b.example"))
			})
		})
	}
}

func TestAnExpiringCertificateIsReportedEveryDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, dir, log := newAuthority(t), t.TempDir(), new(logged)
		cert, key := ca.pair(t, dir, "a", time.Now().Add(30*24*time.Hour), "a.example")
		r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key, Interval: time.Hour, Logger: log.logger()})
		require.NoError(t, err)
		defer r.Close()
		assert.WithinDuration(t, time.Now().Add(30*24*time.Hour), r.Expires(), time.Second)
		const event = `"sys_certificate_expiring","event"`
		time.Sleep(8 * 24 * time.Hour)
		assert.Zero(t, log.count(event))
		time.Sleep(25 * time.Hour)
		assert.Equal(t, 1, log.count(event))
		assert.Contains(t, log.text(), `"names":["a.example"]`)
		time.Sleep(5 * 24 * time.Hour)
		assert.Equal(t, 6, log.count(event))
		ca.pair(t, dir, "a", year(), "a.example")
		time.Sleep(5 * 24 * time.Hour)
		assert.Equal(t, 6, log.count(event), "it has been renewed")
	})
}

func TestCloseEndsTheFollowingAndServingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		ca, dir := newAuthority(t), t.TempDir()
		cert, key := ca.pair(t, dir, "a", year(), "a.example")
		r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key})
		require.NoError(t, err)
		before := served(t, r, "")
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		ca.pair(t, dir, "a", year(), "a.example")
		time.Sleep(time.Hour)
		assert.Equal(t, before, served(t, r, ""))
		require.NoError(t, r.Reload())
		assert.NotEqual(t, before, served(t, r, ""), "by call it still reloads")
	})
}

func TestAZeroReloaderCompletesNoHandshake(t *testing.T) {
	var r tlsconf.Reloader
	_, _, err := handshake(r.TLSConfig(), &tls.Config{InsecureSkipVerify: true})
	require.Error(t, err)
	require.Error(t, r.Reload())
	require.NoError(t, r.Close())
	assert.True(t, r.Expires().IsZero())
}

func TestASlowRequestSurvivesAReload(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	cert, key := ca.pair(t, dir, "a", year(), "localhost")
	r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key})
	require.NoError(t, err)
	defer r.Close()
	goOn := make(chan struct{})
	srv := &http.Server{TLSConfig: r.TLSConfig(), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "one ")
		_ = http.NewResponseController(w).Flush()
		<-goOn
		_, _ = io.WriteString(w, "two")
	})}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = srv.ServeTLS(ln, "", "") }()
	defer srv.Shutdown(context.WithoutCancel(t.Context()))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool, ServerName: "localhost"}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + ln.Addr().String())
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 2, resp.ProtoMajor)
	ca.pair(t, dir, "a", year(), "localhost")
	require.NoError(t, r.Reload())
	close(goOn)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "one two", string(body))
}
