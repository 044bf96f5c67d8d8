package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway"
)

func TestNewReportsEveryMistakeOfTheConfigAndOfItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kong.yml")
	require.NoError(t, os.WriteFile(file, []byte("_format_version: \"3.0\"\nservices:\n  - {name: a, url: http://a, colour: red}\nroutes:\n  - {name: r}\n"), 0o600))
	g, err := gateway.New(gateway.Config{
		File: file, AdminToken: "short", BodyTimeout: -1,
		Proxies: rampart.Proxies{Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), {}}},
		Resolve: map[string]string{"": "127.0.0.1", "a": "b", "good": "127.0.0.1:80"},
		Logger:  slog.New(slog.DiscardHandler),
	})
	assert.Nil(t, g)
	var fields []string
	for m := range rampart.Mistakes(err) {
		fields = append(fields, m.Field+" "+string(m.Reason))
	}
	assert.Equal(t, []string{"AdminToken invalid", "Prefixes invalid", "Prefixes too_wide", "Resolve invalid", "Resolve invalid", "BodyTimeout invalid"}, fields)
	assert.NotContains(t, err.Error(), "short", "it is a secret")
	ms, ok := errors.AsType[gateway.Mistakes](err)
	require.True(t, ok)
	var lines []int
	for _, m := range ms {
		lines = append(lines, m.Line)
	}
	assert.Equal(t, []int{3, 5}, lines)
	assert.Contains(t, ms.In("kong.yml"), "kong.yml:3: services[0].colour: unknown field")

	_, err = gateway.New(gateway.Config{AdminToken: "short"})
	require.Error(t, err, "without a file, too")
	_, err = gateway.New(gateway.Config{AdminToken: "fifteen letters"})
	require.Error(t, err)
	g, err = gateway.New(gateway.Config{AdminToken: "sixteen letters.", Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, g.Close())
	_, err = gateway.New(gateway.Config{File: filepath.Join(t.TempDir(), "none.yml")})
	assert.ErrorIs(t, err, os.ErrNotExist)
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	_, err = gateway.New(gateway.Config{})
	assert.ErrorIs(t, err, os.ErrNotExist, "the certificates need a place")
}

func TestAConfigPrintsNoToken(t *testing.T) {
	const secret = "a-long-admin-token"
	cfg := gateway.Config{File: "kong.yml", AdminToken: secret}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb+" ", cfg)
	}
	text, err := json.Marshal(map[string]any{"config": cfg})
	require.NoError(t, err)
	out.Write(text)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", slog.Any("config", cfg))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", slog.Any("config", cfg))
	assert.NotContains(t, out.String(), secret)
	assert.Equal(t, 10, strings.Count(out.String(), "REDACTED"), out.String())
}

func TestTheZeroGatewayRefusesEverything(t *testing.T) {
	var g gateway.Gateway
	for name, h := range map[string]http.Handler{"the proxy": &g, "the Admin API": g.Admin()} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/", nil))
		assert.Equal(t, 503, w.Code, name)
	}
	_, err := g.TLSConfig().GetConfigForClient(nil)
	require.Error(t, err)
	require.Error(t, g.Use(t.Context(), nil))
	require.Error(t, g.Reload(t.Context()))
	ln := local(t)
	require.ErrorContains(t, g.Serve(t.Context(), gateway.Listeners{Proxy: ln}), "zero Gateway")
	_, err = ln.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, g.Close())
}

// local is a listener of this test's.
func local(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// outside is a listener that says that other machines reach it.
type outside struct{ net.Listener }

func (outside) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8001} }

func TestServeRefusesWhatWouldBeUnsafeOrNothing(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	g, err := gateway.New(gateway.Config{Logger: quiet})
	require.NoError(t, err)
	reasons := func(err error) (all []string) {
		for m := range rampart.Mistakes(err) {
			all = append(all, m.Field+" "+string(m.Reason))
		}
		return all
	}
	assert.Equal(t, []string{"Proxy missing"}, reasons(g.Serve(t.Context(), gateway.Listeners{})))
	proxy := local(t)
	assert.Equal(t, []string{"AdminToken missing"}, reasons(g.Serve(t.Context(), gateway.Listeners{Proxy: proxy, Admin: outside{local(t)}})))
	_, err = proxy.Accept()
	require.ErrorIs(t, err, net.ErrClosed, "the others are closed")
	require.NoError(t, g.Close())
	require.NoError(t, g.Close(), "twice")

	g, err = gateway.New(gateway.Config{Logger: quiet, AdminToken: "a-long-admin-token"})
	require.NoError(t, err)
	defer func() { _ = g.Close() }()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	assert.NoError(t, g.Serve(ctx, gateway.Listeners{Admin: outside{local(t)}}), "with a token it is served")
	broken := local(t)
	require.NoError(t, broken.Close())
	assert.Error(t, g.Serve(t.Context(), gateway.Listeners{Proxy: broken, Admin: local(t)}), "one that fails ends the other")
}

func TestServeServesAllThreeAndFollowsTheFile(t *testing.T) {
	t.Parallel() // most of it is waiting
	cert, key := pair(t, "localhost")
	file := filepath.Join(t.TempDir(), "kong.yml")
	config := func(path string) {
		require.NoError(t, os.WriteFile(file, []byte(`_format_version: "3.0"
services: [{name: s, url: "`+echo(t).URL+`", routes: [{name: r, paths: [`+path+`]}]}]
certificates: [{cert: `+strconv.Quote(cert)+`, key: `+strconv.Quote(key)+`}]
`), 0o600))
	}
	config("/one")
	g, err := gateway.New(gateway.Config{File: file}) // with the default logger
	require.NoError(t, err)
	on := gateway.Listeners{Proxy: local(t), TLS: local(t), Admin: local(t)}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Serve(ctx, on) }()
	url := "http://" + on.Proxy.Addr().String()
	assert.Equal(t, 200, do(t, "GET", url+"/one", "").status)
	assert.Equal(t, 200, do(t, "GET", "http://"+on.Admin.Addr().String()+"/services/s", "").status)
	secure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer secure.CloseIdleConnections()
	resp, err := secure.Get("https://" + on.TLS.Addr().String() + "/one")
	require.NoError(t, err)
	_ = resp.Body.Close()
	assert.Equal(t, 2, resp.ProtoMajor)
	config("/two")
	require.Eventually(t, func() bool { return do(t, "GET", url+"/two", "").status == 200 }, 20*time.Second, 50*time.Millisecond)
	secure.CloseIdleConnections()
	stop()
	require.NoError(t, <-done)
	require.NoError(t, g.Close())
}

func TestAFileThatIsGoneLeavesTheConfigurationInUse(t *testing.T) {
	e := start(t, one(""))
	require.NoError(t, os.Remove(e.file))
	assert.ErrorIs(t, e.g.Reload(t.Context()), os.ErrNotExist)
	e.g.Look(t.Context())
	assert.Equal(t, 200, e.get("/api").status)
}

func TestAMistakeIsThatOfTheCertificateThatHasIt(t *testing.T) {
	good, goodKey := pair(t, "a.example")
	bad, badKey := pairUntil(t, time.Now().Add(-time.Hour), "b.example")
	e := start(t, empty)
	err := e.g.Use(t.Context(), []byte(`_format_version: "3.0"
certificates:
  - {cert: `+strconv.Quote(good)+`, key: `+strconv.Quote(goodKey)+`}
  - {cert: `+strconv.Quote(bad)+`, key: `+strconv.Quote(badKey)+`}
`))
	ms, ok := errors.AsType[gateway.Mistakes](err)
	require.True(t, ok)
	require.Len(t, ms, 1)
	assert.Equal(t, "certificates[1].cert", ms[0].Path)
	assert.Equal(t, 4, ms[0].Line)
}

func TestUseChangesAllOrNothing(t *testing.T) {
	e := start(t, empty, func(c *gateway.Config) { c.File = "" })
	text := strings.ReplaceAll(one(""), "UPSTREAM", echo(t).URL)
	require.NoError(t, e.g.Use(t.Context(), []byte(text)))
	assert.Equal(t, 200, e.get("/api").status)
	err := e.g.Use(t.Context(), []byte(strings.ReplaceAll(text, "paths", "pats")))
	ms, ok := errors.AsType[gateway.Mistakes](err)
	require.True(t, ok)
	assert.True(t, slices.ContainsFunc(ms, func(m gateway.Mistake) bool { return m.Line == 6 && strings.Contains(m.Reason, "unknown field") }), "%v", ms)
	assert.Equal(t, 200, e.get("/api").status)
	require.Error(t, e.g.Reload(t.Context()), "there is no file")
	assert.Equal(t, 400, do(t, "POST", e.admin+"/reload", "").status)
}

func TestAConfigIsCopied(t *testing.T) {
	upstream := echo(t).Listener.Addr().String()
	cfg := gateway.Config{Resolve: map[string]string{"up": upstream}, Logger: slog.New(slog.DiscardHandler)}
	g, err := gateway.New(cfg)
	require.NoError(t, err)
	defer func() { _ = g.Close() }()
	cfg.Resolve["up"] = refusing
	require.NoError(t, g.Use(t.Context(), []byte(strings.ReplaceAll(one(""), "UPSTREAM", "http://up"))))
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest("GET", "/api", nil))
	assert.Equal(t, 200, w.Code)
}

func TestNotesOfAConfigurationAreLogged(t *testing.T) {
	e := start(t, one("  - {name: cors, config: {origins: ['https://a.example'], headers: [Origin, X-Token]}}\n"))
	assert.Contains(t, e.log.String(), `"level":"WARN","msg":"configuration","line":8,"note":"note: plugins[0].config.headers: \"Origin\" changes nothing`)
	require.NoError(t, e.g.Use(t.Context(), []byte("_format_version: '3.0'\nplugins: [{name: cors}]\n")))
	assert.Contains(t, e.log.String(), `plugins[0].config.origins: missing`)
}
