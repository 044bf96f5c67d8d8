package compose_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

type named[T any] struct {
	name string
	is   T
}

// A kind is what an answer is compared with.
type kind int

const (
	theirs   kind = iota // the handler's: that of the same stack without ours
	refused              // a layer of ours makes it: that of ours alone
	panicked             // the built-in Recover makes it, if nobody else has
	switched             // the connection is taken over: our headers are those of ours alone
)

// A scenario is a handler, and what a client does with it.
type scenario struct {
	name    string
	kind    kind
	handler func(*side) http.HandlerFunc
	ask     func(context.Context, *side, *exchange)
}

var page = strings.Repeat("a line that compresses well\n", 2000) // read-only

// scenarios returns them all.
func scenarios() []scenario {
	plain := func(*side) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, page)
		}
	}
	content := func(*side) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"1"`)
			http.ServeContent(w, r, "page.txt", time.Unix(1e9, 0), strings.NewReader(page))
		}
	}
	get := method(http.MethodGet, "/", nil, nil)
	return []scenario{
		{"plain 200", theirs, plain, get},
		{"204", theirs, func(*side) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
		}, get},
		{"304 by ETag", theirs, content, method(http.MethodGet, "/", nil, http.Header{"If-None-Match": {`"1"`}})},
		{"HEAD", theirs, content, method(http.MethodHead, "/", nil, nil)},
		{"206 range", theirs, content, method(http.MethodGet, "/", nil, http.Header{"Range": {"bytes=10-2009"}})},
		{"trailers", theirs, trailers, get},
		{"server-sent events", theirs, events, readEvents},
		{"103", theirs, func(*side) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Link", "</a.css>; rel=preload; as=style")
				w.WriteHeader(http.StatusEarlyHints)
				fmt.Fprint(w, page)
			}
		}, get},
		{"panic ErrAbortHandler", theirs, func(*side) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "begun")
				panic(http.ErrAbortHandler)
			}
		}, get},
		{"panic that a layer further out recovers", theirs, boom, get},
		{"panic that Recover recovers", panicked, boom, get},
		{"hijack", switched, hijack, readHijacked},
		{"gorilla websocket", switched, gorillaEcho, gorillaDial},
		{"coder websocket", switched, coderEcho, coderDial},
		{"large file", theirs, func(s *side) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, s.file) }
		}, get},
		{"401 by auth", refused, mustNotRun, method(http.MethodGet, "/members", nil, nil)},
		{"429 by throttle", refused, plain, func(ctx context.Context, s *side, x *exchange) {
			s.do(s.request(ctx, http.MethodGet, "/limited", nil), new(exchange))
			s.do(s.request(ctx, http.MethodGet, "/limited", nil), x)
		}},
		{"403 by cors", refused, mustNotRun, preflight("DELETE")},
		{"preflight", refused, mustNotRun, preflight("PUT")},
		{"400 by sanitize", refused, mustNotRun, method(http.MethodGet, "/a%00b", nil, nil)},
		{"400 by headers", refused, mustNotRun, func(ctx context.Context, s *side, x *exchange) {
			r := s.request(ctx, http.MethodGet, "/", nil)
			r.Host = "other.example"
			s.do(r, x)
		}},
		{"413 by sanitize", refused, mustNotRun, method(http.MethodPost, "/", make([]byte, maxBody+1), http.Header{"Expect": {"100-continue"}})},
		{"a handler that writes nothing", theirs, func(*side) http.HandlerFunc { return func(http.ResponseWriter, *http.Request) {} }, get},
		{"headers twice", theirs, func(*side) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				for _, name := range []string{"X-Twice", "X-Frame-Options", "Referrer-Policy", "Vary"} {
					w.Header().Add(name, "Origin")
					w.Header().Add(name, "Accept-Language")
				}
				http.SetCookie(w, &http.Cookie{Name: "a", Value: "1", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
				http.SetCookie(w, &http.Cookie{Name: "b", Value: "2", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
				fmt.Fprint(w, page)
			}
		}, get},
		{"WriteHeader twice", theirs, func(*side) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusAccepted)
				w.WriteHeader(http.StatusInternalServerError)
				fmt.Fprint(w, page)
			}
		}, get},
		{"an error", theirs, func(*side) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such page", http.StatusNotFound) }
		}, get},
		{"large upload", theirs, summed, method(http.MethodPost, "/", bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16), nil)},
		{"100-continue", theirs, summed, method(http.MethodPost, "/", []byte(page), http.Header{"Expect": {"100-continue"}})},
		{"full duplex", theirs, echoed, talk},
		{"a client that leaves", theirs, func(s *side) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) {
				close(s.running)
				if meets(r.Context().Done()) {
					s.note("the handler sees the client leave")
				}
			}
		}, func(ctx context.Context, s *side, x *exchange) {
			ctx, leave := context.WithCancel(ctx)
			go func() {
				meets(s.running)
				leave()
			}()
			s.do(s.request(ctx, http.MethodGet, "/", nil), x)
		}},
	}
}

// method asks once.
func method(method, path string, body []byte, header http.Header) func(context.Context, *side, *exchange) {
	return func(ctx context.Context, s *side, x *exchange) {
		var sent io.Reader
		if body != nil {
			sent = bytes.NewReader(body)
		}
		r := s.request(ctx, method, path, sent)
		maps.Copy(r.Header, header)
		s.do(r, x)
	}
}

func preflight(wanted string) func(context.Context, *side, *exchange) {
	return method(http.MethodOptions, "/", nil, http.Header{"Access-Control-Request-Method": {wanted}})
}

func mustNotRun(s *side) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) { s.note("the handler runs") }
}

func boom(*side) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Of-The-Handler", "1")
		panic("boom")
	}
}

func trailers(*side) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprint(w, page)
		w.Header().Set("X-Sum", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	}
}

func summed(s *side) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		if n, err := io.Copy(sum, r.Body); err != nil {
			s.note(fmt.Sprint("the handler gets no more than ", n))
		}
		fmt.Fprintf(w, "%x", sum.Sum(nil))
	}
}

// events writes one event, and waits for its reader to leave.
func events(s *side) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			s.note("it cannot flush")
			return
		}
		if _, ok := w.(http.Flusher); !ok {
			s.note("it is no Flusher")
		}
		if meets(s.seen) {
			s.note("the event is delivered before the end")
		}
		if meets(r.Context().Done()) {
			s.note("the handler sees the client leave")
		}
	}
}

func readEvents(ctx context.Context, s *side, x *exchange) {
	ctx, leave := context.WithTimeout(ctx, patience/2)
	defer leave()
	resp, err := s.http.Do(s.request(ctx, http.MethodGet, "/", nil))
	if err != nil {
		x.failure = "cut"
		return
	}
	defer resp.Body.Close()
	x.status, x.header = resp.StatusCode, resp.Header
	x.body, _ = bufio.NewReader(decoded(resp)).ReadString('\n')
	close(s.seen)
}

// echoed answers each line of the request while the next one is not there yet.
func echoed(s *side) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil && r.ProtoMajor == 1 {
			s.note("no full duplex")
			return
		}
		for body := bufio.NewReader(r.Body); ; {
			line, err := body.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(w, line)
			if err := rc.Flush(); err != nil {
				s.note("it cannot flush")
				return
			}
		}
	}
}

func talk(ctx context.Context, s *side, x *exchange) {
	ctx, leave := context.WithTimeout(ctx, patience/2)
	defer leave()
	in, out := io.Pipe()
	defer in.Close()                                           // what nobody reads does not block its writer
	defer context.AfterFunc(ctx, func() { _ = out.Close() })() // after a cut the client waits for all of its body
	r := s.request(ctx, http.MethodPost, "/", in)
	r.Header.Del("Accept-Encoding")
	go func() { _, _ = io.WriteString(out, "1\n") }()
	resp, err := s.http.Do(r)
	if err != nil {
		x.failure = "cut"
		_ = out.Close()
		return
	}
	defer resp.Body.Close()
	x.status, x.header = resp.StatusCode, resp.Header
	body := bufio.NewReader(resp.Body)
	first, err := body.ReadString('\n')
	go func() {
		if err == nil {
			_, _ = io.WriteString(out, "2\n")
		}
		_ = out.Close()
	}()
	rest, _ := io.ReadAll(body)
	x.body = first + string(rest)
}

func hijack(s *side) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		hijacker, ok := w.(http.Hijacker)
		if !ok {
			s.note("it is no Hijacker")
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		conn, rw, err := hijacker.Hijack()
		if err != nil {
			s.note("it cannot hijack")
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nmine")
		_ = rw.Flush()
	}
}

func readHijacked(ctx context.Context, s *side, x *exchange) {
	s.do(s.request(ctx, http.MethodGet, "/", nil), x)
}

func gorillaEcho(s *side) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		up := gorilla.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
		conn, err := up.Upgrade(w, r, nil)
		if err != nil {
			s.note("no upgrade")
			return
		}
		defer conn.Close()
		if kind, text, err := conn.ReadMessage(); err == nil {
			_ = conn.WriteMessage(kind, text)
		}
	}
}

func gorillaDial(ctx context.Context, s *side, x *exchange) {
	if s.h2 { // no WebSocket there: the library refuses
		s.do(s.request(ctx, http.MethodGet, "/", nil), x)
		return
	}
	dialer := gorilla.Dialer{TLSClientConfig: &tls.Config{RootCAs: s.tls.RootCAs}}
	conn, resp, err := dialer.DialContext(ctx, "wss"+strings.TrimPrefix(s.url, "https"), http.Header{"Origin": {origin}, "Accept-Encoding": {"gzip"}})
	if resp != nil {
		x.status, x.header = resp.StatusCode, resp.Header
	}
	if err != nil {
		x.failure = "cut"
		return
	}
	defer conn.Close()
	_ = conn.WriteMessage(gorilla.TextMessage, []byte("hello"))
	_, text, _ := conn.ReadMessage()
	x.body = string(text)
}

func coderEcho(s *side) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := coder.Accept(w, r, &coder.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			s.note("no upgrade")
			return
		}
		defer func() { _ = conn.CloseNow() }()
		if kind, text, err := conn.Read(r.Context()); err == nil {
			_ = conn.Write(r.Context(), kind, text)
		}
	}
}

func coderDial(ctx context.Context, s *side, x *exchange) {
	if s.h2 {
		s.do(s.request(ctx, http.MethodGet, "/", nil), x)
		return
	}
	conn, resp, err := coder.Dial(ctx, s.url, &coder.DialOptions{
		HTTPClient: s.http, HTTPHeader: http.Header{"Origin": {origin}, "Accept-Encoding": {"gzip"}},
	})
	if resp != nil {
		x.status, x.header = resp.StatusCode, resp.Header
	}
	if err != nil {
		x.failure = "cut"
		return
	}
	defer func() { _ = conn.CloseNow() }()
	_ = conn.Write(ctx, coder.MessageText, []byte("hello"))
	_, text, _ := conn.Read(ctx)
	x.body = string(text)
}
