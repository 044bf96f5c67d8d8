package attack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Run runs [Scan] and reports each finding as an error of t.
func Run(t *testing.T, target Target) {
	t.Helper()
	findings, err := Scan(t.Context(), target)
	if err != nil {
		t.Fatalf("attack: %v", err)
	}
	for _, f := range findings {
		t.Error(f.String())
	}
}

// Scan attacks the target and returns what it found, each weakness once. The
// error says that the target is described wrongly ([rampart.Mistakes]), that
// nothing answers there, or that ctx has ended; the findings so far come with it.
func Scan(ctx context.Context, target Target) ([]Finding, error) {
	if err := target.validate(); err != nil {
		return nil, err
	}
	s := &scan{target: target, seen: map[string]bool{}, names: map[string]string{}}
	defer s.close()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	if target.Login == nil {
		s.target.Login = JSONLogin("/api/token/")
	}
	s.name(target.Key, "<API key>")
	s.name(target.Expired, "<expired token>")
	for i, key := range target.EndedKeys {
		s.name(key, "<ended API key "+itoa(i+1)+">")
	}

	s.logIn(ctx)
	var slow sync.WaitGroup
	if target.Timeouts > 0 {
		header, body := s.newClient(), s.newClient()
		slow.Go(func() { s.slowHeader(ctx, header) })
		slow.Go(func() { s.slowBody(ctx, body) })
	}
	for _, check := range []func(context.Context, *Client){
		s.tokens, s.kinds, s.spellings, s.methods, s.scopes, s.objects, s.apiKeys,
		s.origins, s.hosts, s.statuses, s.plain, s.private, s.requestIDs,
		s.json, s.invalid, s.queries, s.html, s.multipart, s.shapes,
		s.blocked, s.refresh, s.logOut, s.limits, s.accounts, s.logLines,
		s.strangers, // afterwards Bob may be locked out
	} {
		if ctx.Err() != nil {
			break
		}
		check(ctx, s.newClient())
	}
	slow.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findings, errors.Join(ctx.Err(), s.failed)
}

// scan is one run.
type scan struct {
	target     Target
	base       *url.URL
	alice, bob Session
	known      *Client // from which they logged in
	quiet      bool    // answers are not looked at
	open       bool    // Secure is served without a token: no token proves anything
	next       int     // number of the next client's address
	closers    []func()

	mu       sync.Mutex
	findings []Finding
	seen     map[string]bool   // weakness, and layer where several may have it
	names    map[string]string // secrets → what findings call them
	failed   error             // why no connection could be made, once
}

// start finds the target, or serves it.
func (s *scan) start(ctx context.Context) error {
	if s.target.Handler == nil {
		u, err := url.Parse(strings.TrimSuffix(s.target.URL, "/"))
		if err != nil {
			return err
		}
		s.base = u
	} else {
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		srv := &http.Server{Handler: s.target.Handler, DisableGeneralOptionsHandler: true, ReadHeaderTimeout: answerTimeout}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = srv.Serve(ln) }() // it ends with Close, see below
		s.closers = append(s.closers, func() { _ = srv.Close(); <-ended })
		s.base = &url.URL{Scheme: "http", Host: ln.Addr().String()}
	}
	conn, err := s.clientAt(netip.Addr{}).connect(ctx)
	if err != nil {
		return fmt.Errorf("attack: nothing answers at %s: %w", s.base, err)
	}
	return conn.Close()
}

func (s *scan) close() {
	for _, end := range slices.Backward(s.closers) {
		end()
	}
}

// address returns an address that no other client of this scan has, of the
// 127.0.0.0/8 of this machine; the zero Addr if the target is elsewhere or the
// system has no such addresses.
func (s *scan) address() netip.Addr {
	peer, err := netip.ParseAddr(s.base.Hostname())
	if err != nil || !peer.Is4() || !peer.IsLoopback() {
		return netip.Addr{}
	}
	addr := s.nextOf(127, 1)
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return netip.Addr{}
	}
	_ = ln.Close() // it was to see whether one can be there
	return addr
}

// nextOf returns an address of a /16 that was not returned before.
func (s *scan) nextOf(first, second byte) netip.Addr {
	s.next++
	return netip.AddrFrom4([4]byte{first, second, byte(s.next >> 8 & 0xff), byte(s.next & 0xff)})
}

// name keeps a secret out of findings.
func (s *scan) name(secret, name string) {
	if secret != "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.names[secret] = name
	}
}

// found notes a weakness, unless it is known. An empty layer is the one that
// stops it as a rule; another may have it as well.
func (s *scan) found(w weakness, layer, request, detail string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[string(w)+layer] {
		return
	}
	s.seen[string(w)+layer] = true
	severity, cwe, top10, own := w.about()
	if layer == "" {
		layer = own
	}
	if len(request) > 100_000 {
		request = request[:50_000] // the body goes on like that
	}
	for secret, name := range s.names {
		request = strings.ReplaceAll(request, secret, name)
	}
	if len(request) > 2000 {
		request = request[:1000] + " […] " + request[len(request)-200:]
	}
	s.findings = append(s.findings, Finding{string(w), severity, cwe, top10, layer, fmt.Sprintf(detail, args...), request})
}

// send sends a request; false if there is no answer, which ends the check.
func (s *scan) send(ctx context.Context, c *Client, r Request) (Response, bool) {
	got, err := c.Send(ctx, r)
	if err != nil && ctx.Err() == nil {
		s.mu.Lock()
		if s.failed == nil {
			_, _ = c.complete(&r)
			s.failed = fmt.Errorf("attack: %s %s: %w", r.Method, r.Path, err)
		}
		s.mu.Unlock()
	}
	return got, err == nil
}

// expect sends an honest request; anything but 2xx says that the target is not
// as described, and ends the check.
func (s *scan) expect(ctx context.Context, c *Client, r Request, layer, what string) (Response, bool) {
	got, ok := s.send(ctx, c, r)
	if ok && !served(got) {
		s.found(misdescribed, layer, c.wire(r), "%s: status %d", what, got.Status)
		return got, false
	}
	return got, ok
}

func served(r Response) bool { return r.Status >= 200 && r.Status < 300 }

// logIn begins the sessions of Alice and Bob.
func (s *scan) logIn(ctx context.Context) {
	c := s.newClient()
	s.known = c
	for _, who := range []struct {
		account Account
		session *Session
		name    string
	}{{s.target.Alice, &s.alice, "Alice"}, {s.target.Bob, &s.bob, "Bob"}} {
		if who.account.Name == "" {
			continue
		}
		got, ok := s.logInAs(ctx, c, who.account, who.name)
		if ok {
			*who.session = got
		}
	}
}

func (s *scan) logInAs(ctx context.Context, c *Client, a Account, name string) (Session, bool) {
	s.name(a.Password, "<"+name+"'s password>")
	got, err := s.target.Login(ctx, c, a)
	if err != nil {
		s.found(misdescribed, "", "", "%s cannot log in: %v", name, err)
		return Session{}, false
	}
	s.name(got.Access, "<"+name+"'s access token>")
	s.name(got.Refresh, "<"+name+"'s refresh token>")
	return got, true
}

func itoa(n int) string { return strconv.Itoa(n) }
