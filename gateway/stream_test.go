package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// before starts a gateway before h, with plugins.
func before(t *testing.T, h http.HandlerFunc, plugins string) *edge {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return start(t, strings.ReplaceAll(one(plugins), "UPSTREAM", s.URL))
}

const everyWriter = `
  - {name: security-headers}
  - {name: response-transformer, config: {add: {headers: ["x-added:1"]}}}
  - {name: cors, config: {origins: ["https://a.example"]}}
  - {name: rate-limiting, config: {minute: 1000}}
  - {name: request-size-limiting}
  - {name: prometheus}
  - {name: correlation-id}
`

func TestEventsArriveAsTheyAreSent(t *testing.T) {
	next := make(chan struct{})
	e := before(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	}, everyWriter)
	resp, err := direct.RoundTrip(mustRequest(t, "GET", e.url+"/api", nil))
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	assert.Equal(t, "1", resp.Header.Get("X-Added"))
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("data: %d\n", i), line)
		_, _ = lines.ReadString('\n')
		next <- struct{}{} // the upstream goes on only now: nothing was held back
	}
}

func TestAnUploadIsStreamed(t *testing.T) {
	first := make(chan string, 1)
	e := before(t, func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 5)
		_, _ = io.ReadFull(r.Body, b)
		first <- string(b)
		rest, _ := io.ReadAll(r.Body)
		_, _ = w.Write(rest)
	}, everyWriter)
	pr, pw := io.Pipe()
	go func() {
		_, _ = io.WriteString(pw, "hello")
		assert.Equal(t, "hello", <-first)
		_, _ = io.WriteString(pw, " world")
		_ = pw.Close()
	}()
	resp, err := direct.RoundTrip(mustRequest(t, "POST", e.url+"/api", pr))
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	assert.Equal(t, " world", string(body))
}

func mustRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, body)
	require.NoError(t, err)
	return r
}

func TestWebSocketsPass(t *testing.T) {
	e := before(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.Copy(conn, rw) // an echo
	}, everyWriter)
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, "GET /api HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 101, resp.StatusCode)
	for i := range 3 {
		_, _ = fmt.Fprintf(conn, "frame %d\n", i)
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("frame %d\n", i), line)
	}
	_ = conn.Close()
	require.Eventually(t, func() bool { return strings.Contains(e.access.String(), `"status":101`) }, 20*time.Second, 10*time.Millisecond)
}

func TestHopByHopHeadersStayOnTheirHop(t *testing.T) {
	e := start(t, one(""))
	r := e.get("/api?set-Keep-Alive=1&set-Proxy-Authenticate=x", "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: 5", "Proxy-Authorization: secret", "Te: gzip", "Trailer: X")
	require.Equal(t, 200, r.status)
	for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Authorization", "Te", "Trailer", "Connection"} {
		assert.Empty(t, r.sent(t, name), name)
	}
	assert.Empty(t, r.header.Get("Keep-Alive"))
	assert.Empty(t, r.header.Get("Proxy-Authenticate"))
}

// speak sends text on one connection and returns the statuses of all answers.
func speak(t *testing.T, url, text string) []int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	var statuses []int
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		statuses = append(statuses, resp.StatusCode)
		_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond)) // then no more answer will come
	}
}

func TestASmuggledRequestIsNeverAsked(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	e := before(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.URL.Path)
	}, "")
	const smuggled = "GET /api/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, text := range map[string]string{
		"both lengths":            "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a chunked that is not":   "POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n" + smuggled,
		"a space before colon":    "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length : 44\r\n\r\n" + smuggled,
		"two different lengths":   "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n" + smuggled,
		"a signed length":         "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: +44\r\n\r\n" + smuggled,
		"a body on a GET":         fmt.Sprintf("GET /api HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(smuggled), smuggled),
		"a folded header":         "POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
		"a bare line feed":        "POST /api HTTP/1.1\r\nHost: a\r\nX: a\nContent-Length: 0\r\n\r\n",
		"a newline in the target": "GET /api%0d%0aX:%20y HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		mu.Lock()
		paths = nil
		mu.Unlock()
		statuses := speak(t, e.url, text)
		mu.Lock()
		assert.LessOrEqual(t, len(statuses), 1, name)
		for _, p := range paths {
			assert.NotContains(t, p, "smuggled", name)
		}
		assert.LessOrEqual(t, len(paths), 1, "%s: %q", name, paths)
		mu.Unlock()
	}
}

func TestMethodsThatAProxyMustNotServeAreRefused(t *testing.T) {
	e := start(t, one(""))
	assert.Equal(t, []int{400}, speak(t, e.url, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"))
	assert.Equal(t, []int{200}, speak(t, e.url, "GET http://elsewhere.example/api HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), "goes to the upstream, not elsewhere")
}

func TestTheAccessLogHasALineForEachRequest(t *testing.T) {
	e := start(t, one("  - {name: key-auth}")+people)
	e.get("/api/x?apikey=alice-key-0123456789")
	e.get("/api/%22%0A")
	require.NoError(t, e.g.Close())
	lines := strings.Split(strings.TrimSpace(e.access.String()), "\n")
	require.Len(t, lines, 2)
	assert.Contains(t, lines[0], `"status":200`)
	assert.Contains(t, lines[0], `"service":"svc","route":"r","consumer":"`)
	assert.NotContains(t, lines[0], "alice-key")
	assert.Contains(t, lines[1], `"status":401`)
}

func TestEarlyHintsAndTrailersOfTheUpstreamArrive(t *testing.T) {
	e := before(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("X-Sum", "4")
		w.Header().Set(http.TrailerPrefix+"X-Late", "5")
	}, everyWriter)
	var early []int
	var link string
	r := mustRequest(t, "GET", e.url+"/api", nil)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
			early, link = append(early, status), h.Get("Link")
			return nil
		},
	}))
	resp, err := direct.RoundTrip(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, []int{103}, early)
	assert.Equal(t, "</style.css>; rel=preload", link)
	assert.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, "body", string(body))
	assert.Equal(t, "1", resp.Header.Get("X-Added"), "plugins edit the answer, not the hints")
	assert.Equal(t, "4", resp.Trailer.Get("X-Sum"))
	assert.Equal(t, "5", resp.Trailer.Get("X-Late"), "one that was not announced")
	assert.Empty(t, resp.Header.Get("X-Sum"))
}
