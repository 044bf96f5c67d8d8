package attack

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// shapes sends requests that two servers in a row may cut at different places
// (RFC 9112 sections 5.1, 6.1 and 6.3), and that a server must not take. One that
// responds and then closes the connection has left nothing to cut.
func (s *scan) shapes(ctx context.Context, c *Client) {
	if s.target.Public == "" {
		return
	}
	line := "POST " + s.at(s.target.Public) + " HTTP/1.1\r\n"
	good := c.wire(Request{Method: http.MethodPost, Path: s.target.Public})
	next := c.wire(Request{Path: s.target.Public, Header: http.Header{"Connection": {"close"}}})
	start := strings.TrimSuffix(good, "\r\n")
	_, fields, _ := strings.Cut(strings.TrimPrefix(start, line), "\r\n") // all but the first, Host
	for how, text := range map[string]string{
		"two lengths":                         start + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
		"a list of lengths":                   start + "Content-Length: 4, 5\r\n\r\nabcde",
		"a length with a sign":                start + "Content-Length: +4\r\n\r\nabcd",
		"a length in hex":                     start + "Content-Length: 0x4\r\n\r\nabcd",
		"a negative length":                   start + "Content-Length: -4\r\n\r\nabcd",
		"a space before the colon":            start + "Content-Length : 4\r\n\r\nabcd",
		"an unknown transfer encoding":        start + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"a transfer encoding spelt otherwise": start + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n",
		"two transfer encodings":              start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		"a line break in a value":             start + "X-A: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a zero byte in a value":              start + "X-A: b\x00c\r\nContent-Length: 0\r\n\r\n",
		"a space in a name":                   start + "X A: b\r\nContent-Length: 0\r\n\r\n",
		"no host":                             line + fields + "Content-Length: 0\r\n\r\n",
	} {
		if got := c.pipelined(ctx, text, next); len(got) == 2 && !refusedShape(got[0]) {
			s.found(smuggling, "", text, "%s: status %d, and the connection goes on", how, got[0])
		}
	}
	// Whichever of two hosts counts, a service that knows its own refuses the other.
	host := or(s.target.Header.Get("Host"), s.base.Host)
	first := start + "Host: evil.example\r\nContent-Length: 0\r\n\r\n"
	last := strings.Replace(first, "Host: "+host, "Host: attack.invalid", 1)
	last = strings.Replace(strings.Replace(last, "Host: evil.example", "Host: "+host, 1), "Host: attack.invalid", "Host: evil.example", 1)
	one, two := c.pipelined(ctx, first, next), c.pipelined(ctx, last, next)
	if len(one) > 0 && len(two) > 0 && !refusedShape(one[0]) && !refusedShape(two[0]) {
		s.found(smuggling, "", first, "two hosts: status %d, and %d in the other order", one[0], two[0])
	}
}

// refusedShape reports whether a status says that a request is malformed.
func refusedShape(status int) bool {
	return slices.Contains([]int{400, 403, 408, 411, 413, 414, 417, 421, 431, 501, 505}, status)
}

// slowHeader sends a header a byte at a time.
func (s *scan) slowHeader(ctx context.Context, c *Client) {
	s.drip(ctx, c, slowHeader, "GET "+s.at("/")+" HTTP/1.1\r\nHost: "+s.base.Host+"\r\nX-Slow: ")
}

// slowBody sends a body a byte at a time.
func (s *scan) slowBody(ctx context.Context, c *Client) {
	r := s.target.Write
	if r.Path == "" || !s.alice.begun() {
		return
	}
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	r = s.as(s.alice, r)
	r.Header.Set("Content-Length", "1000")
	r.Header.Set("Content-Type", "application/json")
	r.Body = ""
	s.drip(ctx, c, slowBody, c.wire(r)+"{")
}

// drip sends a beginning, then a byte now and again, and waits for the server
// to answer or to hang up.
func (s *scan) drip(ctx context.Context, c *Client, w weakness, beginning string) {
	conn, err := c.connect(ctx)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, beginning); err != nil {
		return
	}
	step := s.target.Timeouts / 20
	for until := time.Now().Add(s.target.Timeouts); time.Now().Before(until); {
		_ = conn.SetReadDeadline(time.Now().Add(step)) // a closed connection fails below
		var one [1]byte
		n, err := conn.Read(one[:])
		if n > 0 {
			return // a response
		}
		if timeout, ok := err.(interface{ Timeout() bool }); !ok || !timeout.Timeout() {
			return // hung up
		}
		if _, err := io.WriteString(conn, " "); err != nil || ctx.Err() != nil {
			return
		}
	}
	s.found(w, "", beginning, "a byte each %s, and the connection is still open after %s", step, s.target.Timeouts)
}

// logMark tells our lines from others.
const logMark = "forged-by-the-attack-suite"

// logLines tries to write lines of its own into the service's log, and looks
// there for what must not be.
func (s *scan) logLines(ctx context.Context, c *Client) {
	if s.target.Log == nil {
		return
	}
	path := s.target.Public
	if path == "" {
		path = "/"
	}
	for _, end := range []string{"%0a", "%0d", "%0d%0a", "%e2%80%a8", "%c2%85", "%1b%5b2K%0d"} {
		for _, r := range []Request{
			{Path: "/attack-missing/" + end + logMark},
			{Path: path + "?q=" + end + logMark},
			{Path: s.target.Secure + end + logMark},
			{Method: http.MethodPost, Path: path + end + logMark, Body: "{}"},
		} {
			_, _ = c.sendRaw(ctx, r) // a response does not matter
		}
	}
	for _, h := range []http.Header{
		{"User-Agent": {logMark + `" level=INFO msg="` + logMark}}, {"Origin": {"https://" + logMark + "\\n" + logMark}}, {"Host": {logMark}}, {"Referer": {`","msg":"` + logMark}},
	} {
		_, _ = c.sendRaw(ctx, Request{Path: path, Header: h})
	}
	if s.target.Login != nil && s.target.Bob.Name != "" {
		for _, name := range []string{"attack\n" + logMark, "attack\r\n" + logMark, "attack\u2028" + logMark, "attack\x1b[2K" + logMark} {
			_, _ = s.target.Login(ctx, c, Account{name, "attack"}) // it must fail
		}
	}
	if s.target.Secure != "" && !s.open {
		s.send(ctx, c, Request{Path: s.target.Secure}) // refused, and so in the log
	}
	log := s.target.Log()
	client := c.proxy
	if c.from.IsValid() {
		client = c.from.String()
	}
	if s.target.Secure != "" && !s.open && !strings.Contains(log, client) {
		s.found(clientUnknown, "", c.wire(Request{Path: s.target.Secure}), "a request from %s was refused, and the log does not have the address", client)
	}
	for _, line := range strings.FieldsFunc(log, func(r rune) bool { return r == '\n' || r == '\r' || r == 0x2028 || r == 0x85 }) {
		if strings.HasPrefix(line, logMark) {
			s.found(logForged, "", "", "a line of the log begins with what a request sent: %.200q", line)
		}
	}
	if i := strings.IndexByte(log, 0x1b); i >= 0 {
		s.found(logForged, "", "", "an escape sequence of a request: %.100q", log[i:])
	}
	secrets := map[string]string{}
	s.mu.Lock()
	for secret, name := range s.names {
		if len(secret) >= 8 {
			secrets[secret] = name
		}
	}
	s.mu.Unlock()
	for secret, name := range secrets {
		if strings.Contains(log, secret) {
			s.found(secretLogged, "", "", "%s", name)
		}
	}
}
