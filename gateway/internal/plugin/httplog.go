package plugin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// HTTPLog sends an entry for each request to a server.
type HTTPLog struct {
	HTTPEndpoint      string            `k:"http_endpoint"`
	Method            string            `k:"method"`
	ContentType       string            `k:"content_type"`
	Timeout           int               `k:"timeout"`   // milliseconds
	Keepalive         int               `k:"keepalive"` // milliseconds
	Headers           map[string]string `k:"headers"`
	Queue             Queue             `k:"queue"`
	QueueSize         int               `k:"queue_size"` // Kong's older names
	FlushTimeout      float64           `k:"flush_timeout"`
	CustomFieldsByLua map[string]string `k:"custom_fields_by_lua"`
}

func newHTTPLog() any {
	return config(&HTTPLog{
		Method: http.MethodPost, ContentType: "application/json", Timeout: 10000, Keepalive: 60000, Queue: newQueue(),
		QueueSize: 1, FlushTimeout: 2,
	})
}

// Inert names what Kong has and this gateway has not.
func (*HTTPLog) Inert() map[string]string {
	return map[string]string{"ssl_verify": "true", "retry_count": "*"} // Kong ignores it, too
}

// Check looks for mistakes.
func (h *HTTPLog) Check(c *conf.Checks, _ *conf.File) {
	u, err := url.Parse(h.HTTPEndpoint)
	ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
	c.Want(ok, "config.http_endpoint", "an address such as https://logs.example/in is wanted")
	c.OneOf("config.method", h.Method, "POST", "PUT", "PATCH")
	c.OneOf("config.content_type", h.ContentType, "application/json", "application/json; charset=utf-8")
	c.Within("config.timeout", h.Timeout, 1, 600000)
	c.Within("config.keepalive", h.Keepalive, 0, 3600000)
	c.Within("config.queue_size", h.QueueSize, 1, 1000000)
	c.Want(h.FlushTimeout >= 0 && h.FlushTimeout <= 3600, "config.flush_timeout", "must be from 0 to 3600")
	for name, value := range h.Headers {
		at := "config.headers." + name
		c.Want(conf.Token(name) && conf.Printable(value), at, "a header's name and printable ASCII are wanted")
		lower := strings.ToLower(name)
		c.Want(lower != "host" && lower != "content-length" && lower != "content-type", at, "it goes with the address and the body")
		c.Want(!ok || u.User == nil || lower != "authorization", at, "http_endpoint has a user already")
	}
	noLua(c, h.CustomFieldsByLua)
	h.Queue.check(c)
}

// noLua refuses code.
func noLua(c *conf.Checks, fields map[string]string) {
	c.Want(len(fields) == 0, "config.custom_fields_by_lua", "no Lua runs here: leave it out")
}

// queue is Queue, with what Kong's older names say.
func (h *HTTPLog) queue() Queue {
	q := h.Queue
	if h.QueueSize > 1 && q.MaxBatchSize == 1 {
		q.MaxBatchSize = h.QueueSize
	}
	if h.FlushTimeout != 2 {
		q.MaxCoalescingDelay = h.FlushTimeout
	}
	return q
}

// layer sends entries from a queue. A server that redirects gets nothing.
func (h *HTTPLog) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	transport := &http.Transport{
		Proxy: nil, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Duration(h.Keepalive) * time.Millisecond, DisableKeepAlives: h.Keepalive == 0,
		MaxResponseHeaderBytes: 64 << 10, TLSHandshakeTimeout: time.Duration(h.Timeout) * time.Millisecond,
	}
	client := &http.Client{
		Transport: transport, Timeout: time.Duration(h.Timeout) * time.Millisecond,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	settings := h.queue()
	q := newLogQueue(settings, e.Log, func(outcome string, n int) { e.Metrics.logs.WithLabelValues("http-log", outcome).Add(float64(n)) },
		func(ctx context.Context, batch [][]byte) error {
			body := batch[0]
			if settings.MaxBatchSize > 1 {
				body = append(append([]byte{'['}, bytes.Join(batch, []byte{','})...), ']')
			}
			return h.post(ctx, client, body)
		})
	l := logLayer(q)
	l.close = func() { q.close(); transport.CloseIdleConnections() }
	return l, nil
}

// post sends a body. Its errors name no address: that may hold a password.
func (h *HTTPLog) post(ctx context.Context, client *http.Client, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, h.Method, h.HTTPEndpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("http-log: %s is no address", "http_endpoint")
	}
	for name, value := range h.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", h.ContentType)
	resp, err := client.Do(r)
	if err != nil {
		if wrapped, ok := err.(*url.Error); ok { //nolint:errorlint // as documented
			err = wrapped.Err
		}
		return fmt.Errorf("http-log: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection serves again
	if resp.StatusCode >= 300 {
		return fmt.Errorf("http-log: the server answered %d", resp.StatusCode)
	}
	return nil
}
