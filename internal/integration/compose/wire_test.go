package compose_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a client waits before it takes an exchange for hung, and a
// handler for what its client does next.
const patience = 3 * time.Second

// An exchange is what a client, the handler and the server's log have of a request.
type exchange struct {
	failure string // "cut", "hangs", or "" of a whole answer
	status  int
	header  http.Header
	trailer http.Header
	body    string // decoded
	early   []http.Header
	notes   []string // what happened on both sides, in no order
	log     []string
}

// A side is where the handler and the client of one exchange meet.
type side struct {
	t    *testing.T
	h2   bool
	file string // a large file
	url  string
	tls  *tls.Config
	http *http.Client

	handlers sync.WaitGroup

	running chan struct{} // closed by the handler
	seen    chan struct{} // closed by the client

	mu    sync.Mutex
	notes []string
	early []http.Header
}

// counted has run wait for h.
func (s *side) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handlers.Add(1)
		defer s.handlers.Done()
		h.ServeHTTP(w, r)
	})
}

func (s *side) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, what)
}

// meets reports whether c is closed in time.
func meets(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-time.After(patience / 2):
		return false
	}
}

// lines is the log of a server.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.text.String()), "\n")
}

// run has a scenario's client ask the stack around its handler.
func run(t *testing.T, sc scenario, stack layer, h2 bool, file string) (x exchange) {
	t.Helper()
	s := &side{t: t, h2: h2, file: file, running: make(chan struct{}), seen: make(chan struct{})}
	var complaints lines
	srv := httptest.NewUnstartedServer(s.counted(stack(s.counted(sc.handler(s)))))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(&complaints, "", 0)
	srv.StartTLS()
	s.url = srv.URL
	s.tls = srv.Client().Transport.(*http.Transport).TLSClientConfig
	transport := &http.Transport{
		TLSClientConfig: s.tls.Clone(), ForceAttemptHTTP2: h2, DisableCompression: true, ExpectContinueTimeout: patience,
	}
	if !h2 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	s.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	sc.ask(ctx, s, &x)
	if ctx.Err() != nil {
		x.failure = "hangs"
	}
	cancel()
	transport.CloseIdleConnections()
	ended := make(chan struct{})
	go func() {
		srv.Close()
		s.handlers.Wait() // Close does not wait for those of HTTP/2, nor for what TimeoutHandler leaves
		close(ended)
	}()
	if !meets(ended) {
		x.failure = "hangs"
		srv.CloseClientConnections()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.notes)
	x.notes, x.early = s.notes, s.early
	x.log = complaints.all()
	return x
}

// request makes one as a browser's script would send it.
func (s *side) request(ctx context.Context, method, path string, body io.Reader) *http.Request {
	trace := &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			if code == http.StatusEarlyHints {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.early = append(s.early, http.Header(header).Clone())
			}
			return nil
		},
		Got100Continue: func() { s.note("the client may go on") },
	}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, s.url+path, body)
	if err != nil {
		s.t.Error(err)
		return nil
	}
	r.Header.Set("Origin", origin)
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("X-Forwarded-For", "198.51.100.7") // nobody that is believed
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// do sends r and reads the whole answer.
func (s *side) do(r *http.Request, x *exchange) {
	resp, err := s.http.Do(r)
	if err != nil {
		x.failure = "cut"
		return
	}
	defer resp.Body.Close()
	if (resp.ProtoMajor == 2) != s.h2 {
		s.t.Errorf("it is %s", resp.Proto)
	}
	x.status, x.header = resp.StatusCode, resp.Header
	body, err := io.ReadAll(decoded(resp))
	if err != nil {
		x.failure = "cut"
	}
	x.body, x.trailer = string(body), resp.Trailer
}

// decoded reads the body of resp as its Content-Encoding says.
func decoded(resp *http.Response) io.Reader {
	if resp.Header.Get("Content-Encoding") != "gzip" {
		return resp.Body
	}
	return &inflating{under: bufio.NewReader(resp.Body)}
}

// inflating waits with the gzip header until it is read: an answer to HEAD has none.
type inflating struct {
	under *bufio.Reader
	gz    *gzip.Reader
}

func (i *inflating) Read(b []byte) (int, error) {
	if i.gz == nil {
		if _, err := i.under.Peek(1); errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		var err error
		if i.gz, err = gzip.NewReader(i.under); err != nil {
			return 0, err
		}
	}
	return i.gz.Read(b)
}
