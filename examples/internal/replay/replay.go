// Package replay sends requests that were recorded from one server to another, and
// tells in which facts the answers differ. It is shared by the command examples/replay
// and by the test of examples/api.
package replay

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Case is a recorded request and what the first server answered.
type Case struct {
	ID      string            `json:"id"`
	Title   string            `json:"title"`
	Stack   string            `json:"stack"`  // which variant of the server; empty: there is one
	Repeat  int               `json:"repeat"` // how often it is sent, the last answer counts; 0: once
	Method  string            `json:"method"`
	Path    string            `json:"path"` // with the query
	Headers map[string]string `json:"headers"`
	Body    *string           `json:"body"` // nil: none

	// Captures names what later cases need from the answer: a member of its body, and
	// the placeholder that stands for it, as {{name}}, in their paths, headers and
	// bodies.
	Captures map[string]string `json:"captures"`

	Answer Answer `json:"answer"`
}

// An Answer is what a server sent.
type Answer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"` // several of one name are joined by commas
	Body    string            `json:"body"`
}

// Fill puts the values of placeholders into c.
func (c Case) Fill(values map[string]string) Case {
	fill := func(text string) string {
		for name, value := range values {
			text = strings.ReplaceAll(text, "{{"+name+"}}", value)
		}
		return text
	}
	c.Path, c.Headers = fill(c.Path), maps.Clone(c.Headers)
	for name, value := range c.Headers {
		c.Headers[name] = fill(value)
	}
	if c.Body != nil {
		body := fill(*c.Body)
		c.Body = &body
	}
	return c
}

// timeout of one request.
const timeout = 30 * time.Second

// Send sends c to the server at base, such as http://127.0.0.1:8080. It writes the
// request itself: a client library would refuse or mend some of what was recorded.
func (c Case) Send(ctx context.Context, base string) (Answer, error) {
	to, err := url.Parse(base)
	if err != nil {
		return Answer{}, err
	}
	var last Answer
	for range max(c.Repeat, 1) {
		if last, err = c.send(ctx, to); err != nil {
			return Answer{}, fmt.Errorf("%s: %w", c.ID, err)
		}
	}
	return last, nil
}

func (c Case) send(ctx context.Context, to *url.URL) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dial(ctx, to)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	sent := make(chan struct{})
	go func() { // a server may answer before it has read all, and then reads no more
		defer close(sent)
		_, _ = io.WriteString(conn, c.text(to.Host))
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: c.Method})
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, err
	}
	_ = conn.Close()
	<-sent
	a := Answer{Status: resp.StatusCode, Headers: map[string]string{}, Body: string(body)}
	for name, values := range resp.Header {
		a.Headers[name] = strings.Join(values, ", ")
	}
	return a, nil
}

func dial(ctx context.Context, to *url.URL) (net.Conn, error) {
	switch to.Scheme {
	case "http":
		return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(to.Hostname(), cmp.Or(to.Port(), "80")))
	case "https":
		return (&tls.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(to.Hostname(), cmp.Or(to.Port(), "443")))
	}
	return nil, fmt.Errorf("neither http nor https: %q", to.Scheme)
}

// text is the request as it is sent.
func (c Case) text(host string) string {
	var b strings.Builder
	b.WriteString(c.Method + " " + c.Path + " HTTP/1.1\r\n")
	if c.Headers["Host"] == "" {
		b.WriteString("Host: " + host + "\r\n")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		if !strings.EqualFold(name, "Content-Length") && !strings.EqualFold(name, "Connection") {
			b.WriteString(name + ": " + c.Headers[name] + "\r\n")
		}
	}
	b.WriteString("Connection: close\r\n")
	if c.Body != nil {
		b.WriteString("Content-Length: " + strconv.Itoa(len(*c.Body)) + "\r\n")
	}
	b.WriteString("\r\n")
	if c.Body != nil {
		b.WriteString(*c.Body)
	}
	return b.String()
}
