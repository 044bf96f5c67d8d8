package attack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// answerTimeout is how long a response may take.
const answerTimeout = 20 * time.Second

// maxAnswer is how much of a response's body is looked at.
const maxAnswer = 1 << 20

// A Client sends requests to the target, from an address of its own where the
// target is on this machine, so that one check's requests do not count for
// another's limits.
type Client struct {
	scan  *scan
	http  *http.Client
	from  netip.Addr  // zero: as it comes
	proxy string      // what the proxy that we are for the target says of the client
	extra http.Header // sent with every request
	last  Response
	kept  []Request // of a log-in, while it goes on; nil: none are kept
}

// A Response is what came back.
type Response struct {
	Status int         // the response's code
	Header http.Header // its header
	Body   []byte      // at most 1 MiB of it
}

// newClient returns a Client with an address of its own.
func (s *scan) newClient() *Client {
	if s.target.ProxyHeader == "" {
		return s.clientAt(s.address())
	}
	return s.clientAt(s.nextOf(198, 18)) // RFC 2544: of no network
}

// clientAt returns a Client whose requests come from an address: really, or as
// the proxy says that we are for the target. The zero Addr: as it comes.
func (s *scan) clientAt(from netip.Addr) *Client {
	c := &Client{scan: s}
	if s.target.ProxyHeader == "" {
		c.from = from
	} else if from.IsValid() {
		c.proxy = from.String()
	}
	transport := &http.Transport{DialContext: c.dial, DisableCompression: true, DisableKeepAlives: true, TLSClientConfig: s.tls()} // a kept connection may be closed just as a request goes out
	c.http = &http.Client{
		Transport:     transport,
		Timeout:       answerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 5 * time.Second}
	if c.from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.from, 0))
	}
	return d.DialContext(ctx, network, addr)
}

// Send sends a request, with the Header of the [Target] unless it has its own.
// Redirects are not followed. The error is about the connection only.
func (c *Client) Send(ctx context.Context, r Request) (Response, error) {
	method, header := c.complete(&r)
	if err := c.scan.admit(ctx); err != nil {
		return Response{}, err
	}
	u := *c.scan.base
	path, query, _ := strings.Cut(c.scan.at(r.Path), "?")
	u.Path, u.RawQuery = path, query
	if decoded, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = decoded, path
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(r.Body))
	if err != nil {
		return Response{}, err
	}
	req.Header = header
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "rampart-attack")
	}
	resp, err := c.http.Do(req) //nolint:bodyclose // read closes it
	if err != nil {
		return Response{}, err
	}
	got, err := read(resp)
	if err == nil {
		c.last = got
		if c.kept != nil && len(c.kept) < 10 {
			c.kept = append(c.kept, r)
		}
		c.scan.observe(c, r, got)
	}
	return got, err
}

func read(resp *http.Response) (Response, error) {
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return Response{resp.StatusCode, resp.Header, body}, err
}

// complete fills in what a request leaves open.
func (c *Client) complete(r *Request) (method string, header http.Header) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	header = http.Header{}
	maps.Copy(header, c.scan.target.Header.Clone())
	maps.Copy(header, c.extra.Clone())
	if r.Body != "" {
		header.Set("Content-Type", "application/json")
		if r.ContentType != "" {
			header.Set("Content-Type", r.ContentType)
		}
	}
	for name, values := range r.Header {
		header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	if c.proxy != "" { // a proxy appends to what the client has sent
		name := c.scan.target.ProxyHeader
		header.Set(name, strings.TrimPrefix(header.Get(name)+", "+c.proxy, ", "))
	}
	return r.Method, header
}

// wire is a request as it goes over the wire.
func (c *Client) wire(r Request) string {
	method, header := c.complete(&r)
	var b bytes.Buffer
	b.WriteString(method + " " + c.scan.at(r.Path) + " HTTP/1.1\r\n")
	host := header.Get("Host")
	if host == "" {
		host = c.scan.base.Host
	}
	b.WriteString("Host: " + host + "\r\n")
	header.Del("Host")
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	if r.Body != "" {
		b.WriteString("Content-Length: " + itoa(len(r.Body)) + "\r\n")
	}
	b.WriteString("\r\n" + r.Body)
	return b.String()
}

// errNoAnswer says that a connection was closed instead of a response.
var errNoAnswer = errors.New("attack: no answer") // read-only

// raw sends text as it is, on a connection of its own, and reads one response.
func (c *Client) raw(ctx context.Context, text string) (Response, error) {
	if err := c.scan.admit(ctx); err != nil {
		return Response{}, err
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(answerTimeout)) // a closed connection fails below
	if _, err := io.WriteString(conn, text); err != nil {
		return Response{}, errNoAnswer
	}
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, 2*maxAnswer)), nil) //nolint:bodyclose // read closes it
	if err != nil {
		return Response{}, errNoAnswer
	}
	got, err := read(resp)
	if err != nil {
		return Response{}, errNoAnswer
	}
	return got, nil
}

// pipelined sends two requests at once on a connection and returns the statuses of
// the responses.
func (c *Client) pipelined(ctx context.Context, first, second string) (statuses []int) {
	if c.scan.admit(ctx) != nil {
		return nil
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(answerTimeout)) // a closed connection fails below
	if _, err := io.WriteString(conn, first+second); err != nil {
		return nil
	}
	for in := bufio.NewReader(io.LimitReader(conn, 4*maxAnswer)); len(statuses) < 2; {
		resp, err := http.ReadResponse(in, nil) //nolint:bodyclose // read closes it
		if err != nil {
			return statuses
		}
		got, err := read(resp)
		statuses = append(statuses, got.Status)
		if err != nil || resp.Close {
			return statuses
		}
	}
	return statuses
}

// sendRaw is Send for a path that a URL would not keep as it is.
func (c *Client) sendRaw(ctx context.Context, r Request) (Response, error) {
	r.Header = r.Header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Connection", "close")
	got, err := c.raw(ctx, c.wire(r))
	if err == nil {
		c.scan.observe(c, r, got)
	}
	return got, err
}

func (c *Client) connect(ctx context.Context) (net.Conn, error) {
	host := c.scan.base.Host
	if c.scan.base.Port() == "" {
		host = net.JoinHostPort(c.scan.base.Hostname(), map[string]string{"http": "80", "https": "443"}[c.scan.base.Scheme])
	}
	conn, err := c.dial(ctx, "tcp", host)
	if err != nil || c.scan.base.Scheme != "https" {
		return conn, err
	}
	cfg := c.scan.tls()
	cfg.ServerName = c.scan.base.Hostname()
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// tls returns a configuration that the caller may change.
func (s *scan) tls() *tls.Config {
	if s.target.TLS == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return s.target.TLS.Clone()
}

// bearer is the header of a request with a token.
func bearer(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}
