package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/internal/request"
)

// maxInFlight bounds the requests that one service may hold at once: one that
// has become slow must not take all of this process's memory.
const maxInFlight = 4096

// A Service is the handler that sends requests to a conf.Service.
type Service struct {
	conf      *conf.Service
	pool      *Pool
	hostFixed string // Host for the upstream; "" if the target has its own
	transport *http.Transport
	proxy     *httputil.ReverseProxy
	inFlight  atomic.Int64
	log       *slog.Logger
}

// NewService returns a Service. pool is that of the upstream that s.Host names;
// nil if it names none.
func NewService(s *conf.Service, pool *Pool, hostHeader string, cas []*conf.CACertificate, names Resolver, log *slog.Logger) *Service {
	out := &Service{conf: s, pool: pool, transport: newTransport(s, cas, names), log: log}
	if pool == nil {
		out.pool = single(s.Host, s.Port)
		out.hostFixed = s.Host
		if s.Protocol == "http" && s.Port != 80 || s.Protocol == "https" && s.Port != 443 {
			out.hostFixed = net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
		}
	}
	if hostHeader != "" {
		out.hostFixed = hostHeader
	}
	out.proxy = &httputil.ReverseProxy{
		Rewrite:      out.rewrite,
		Transport:    out,
		BufferPool:   &buffers{},
		ErrorHandler: out.refuse,
		ErrorLog:     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return out
}

// Close ends the connections that wait for a next request.
func (s *Service) Close() { s.transport.CloseIdleConnections() }

// ServeHTTP sends r to the upstream.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.inFlight.Add(1) > maxInFlight {
		s.inFlight.Add(-1)
		s.problem(w, http.StatusServiceUnavailable, "upstream_busy")
		return
	}
	defer s.inFlight.Add(-1)
	s.proxy.ServeHTTP(w, r)
}

// RoundTrip asks one target after the other, as long as none of the request has
// been sent.
func (s *Service) RoundTrip(out *http.Request) (*http.Response, error) {
	c := call.From(out.Context())
	body := out.Body
	if body != nil && body != http.NoBody {
		out.Body = keepOpen{body} // else a failed try would close it; ReverseProxy closes it in the end
	}
	keepHost := c.Route.PreserveHost
	var tried []*target
	for {
		t, err := s.pool.pick(tried)
		if err != nil {
			return nil, err
		}
		out.URL.Host = t.addr
		if !keepHost {
			if out.Host = s.hostFixed; out.Host == "" {
				out.Host = t.addr
			}
		}
		if c.Host != "" {
			out.Host = c.Host
		}
		c.Target, c.Tries = t.addr, c.Tries+1
		begin := time.Now()
		resp, err := s.ask(out)
		c.Upstream = time.Since(begin)
		if err == nil {
			c.Status = resp.StatusCode
			s.pool.report(t, answered, resp.StatusCode)
			c.Disown(resp.Header)
			s.countDown(resp, t)
			return resp, nil
		}
		s.pool.done(t)
		o := judge(err)
		if clientsFault(out.Context(), c, err) {
			s.pool.release(t)
		} else {
			s.pool.report(t, o, 0)
		}
		if o != unreachable || out.Context().Err() != nil || c.Tries > s.conf.Retries {
			return nil, err
		}
		if len(s.pool.targets) > 1 {
			tried = append(tried, t)
		} else if !s.pause(out.Context(), c.Tries) {
			return nil, err
		}
	}
}

var errStatus = errors.New("proxy: an answer with a status that is none here")

// ask asks one target. ReverseProxy would panic on a status below 100, and leave
// the connection of a 101 open that is not what was asked for.
func (s *Service) ask(out *http.Request) (*http.Response, error) {
	resp, err := s.transport.RoundTrip(out)
	if err == nil && (resp.StatusCode < 100 || resp.StatusCode == http.StatusSwitchingProtocols && !agreed(out.Header, resp.Header)) {
		_ = resp.Body.Close()
		return nil, errStatus
	}
	return resp, err
}

// agreed reports whether an upgrade is the one that was asked for.
func agreed(asked, answered http.Header) bool {
	to := asked.Get("Upgrade")
	connection := strings.ToLower(strings.Join(answered["Connection"], ","))
	return to != "" && strings.EqualFold(to, answered.Get("Upgrade")) && strings.Contains(connection, "upgrade")
}

// pause waits before the only server is asked again; false when there is no use
// in that.
func (s *Service) pause(ctx context.Context, try int) bool {
	if try >= 3 {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(try) * 10 * time.Millisecond):
		return true
	}
}

// judge tells what an error of the transport says of the target.
func judge(err error) outcome {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return unreachable
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return timedOut
	}
	return broken
}

// clientsFault reports whether err tells nothing of the target: the client has gone,
// its body stalled, or was too long.
func clientsFault(ctx context.Context, c *call.Call, err error) bool {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	return tooLarge || ctx.Err() != nil || c.BodyFailed.Load() != 0
}

// keepOpen is a body that only its owner closes.
type keepOpen struct{ io.Reader }

func (keepOpen) Close() error { return nil }

// countDown ends the count of a connection with its body.
func (s *Service) countDown(resp *http.Response, t *target) {
	if !s.pool.fewest {
		return
	}
	end := sync.OnceFunc(func() { s.pool.done(t) })
	if rw, ok := resp.Body.(io.ReadWriteCloser); ok {
		resp.Body = &countedConn{rw, end}
		return
	}
	resp.Body = &countedBody{resp.Body, end}
}

type countedBody struct {
	io.ReadCloser
	end func()
}

func (b *countedBody) Close() error { b.end(); return b.ReadCloser.Close() }

type countedConn struct {
	io.ReadWriteCloser
	end func()
}

func (b *countedConn) Close() error { b.end(); return b.ReadWriteCloser.Close() }

// refuse responds for an upstream that did not. What went wrong is for the log.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, code := http.StatusBadGateway, "upstream_error"
	timeout, isNet := errors.AsType[net.Error](err)
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	failed := int(call.From(r.Context()).BodyFailed.Load())
	switch {
	case tooLarge:
		status, code = http.StatusRequestEntityTooLarge, "too_large"
		request.CloseAfter(w, r)
	case failed == http.StatusRequestTimeout: // RFC 9110 section 15.5.9
		status, code = failed, "body_timeout"
	case r.Context().Err() != nil: // nobody waits for a response
		status, code = 499, "client_gone"
	case failed == http.StatusBadRequest:
		status, code = failed, "bad_body"
	case errors.Is(err, errNoTarget):
		status, code = http.StatusServiceUnavailable, "upstream_unavailable"
	case isNet && timeout.Timeout():
		status, code = http.StatusGatewayTimeout, "upstream_timeout"
	}
	if status >= 500 {
		c := call.From(r.Context())
		s.log.LogAttrs(r.Context(), slog.LevelError, "upstream failed", slog.String("service", s.conf.Name),
			slog.String("target", c.Target), slog.Int("tries", c.Tries), slog.Int("status", status), slog.String("error", err.Error()))
	}
	s.problem(w, status, code)
}

func (*Service) problem(w http.ResponseWriter, status int, code string) {
	title := ""
	if status == 499 {
		title = "Client Closed Request"
	}
	(&rampart.Problem{Status: status, Title: title, Code: code}).Write(w)
}

// buffers keeps the buffers through which bodies are copied.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
