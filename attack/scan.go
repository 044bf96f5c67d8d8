package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
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

// Scan attacks the target and returns what it found: each weakness in each place
// where it is, fifty times at most. The
// error says that the target is described wrongly ([rampart.Mistakes]), that
// nothing listens there, or that ctx has ended; the findings so far come with it.
func Scan(ctx context.Context, target Target) ([]Finding, error) {
	if err := target.validate(); err != nil {
		return nil, err
	}
	s := &scan{target: target, seen: map[string]bool{}, many: map[weakness]int{}, names: map[string]string{}}
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
	for _, check := range s.checks() {
		if ctx.Err() != nil || s.spent() {
			break
		}
		if target.Progress != nil {
			target.Progress(check.name, s.count())
		}
		check.run(ctx, s.newClient())
	}
	slow.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findings, errors.Join(ctx.Err(), s.failed)
}

// A check is a part of the suite.
type check struct {
	name string
	run  func(context.Context, *Client)
}

func (s *scan) checks() []check {
	return []check{
		{"tokens", s.tokens},
		{"kinds of tokens", s.kinds},
		{"what tokens and keys show", s.shown},
		{"spellings", s.spellings},
		{"methods", s.methods},
		{"scopes", s.scopes},
		{"objects", s.objects},
		{"API keys", s.apiKeys},
		{"cookies", s.forgedByPages},
		{"origins", s.origins},
		{"web sockets", s.sockets},
		{"hosts", s.hosts},
		{"answers of each status", s.statuses},
		{"plain http", s.plain},
		{"private answers", s.private},
		{"request ids", s.requestIDs},
		{"what is exposed", s.exposed},
		{"parameters", s.parameters},
		{"JSON", s.json},
		{"invalid input", s.invalid},
		{"queries", s.queries},
		{"HTML", s.html},
		{"forms", s.multipart},
		{"shapes of requests", s.shapes},
		{"blocked addresses", s.blocked},
		{"refresh", s.refresh},
		{"log-out", s.logOut},
		{"sessions", s.sessions},
		{"limits", s.limits},
		{"accounts", s.accounts},
		{"log-ins without the password", s.bypasses},
		{"log", s.logLines},
		{"parameters", s.parameters}, // fills limits of Bob's
		{"strangers", s.strangers},   // afterwards Bob may be locked out
	}
}

// scan is one run.
type scan struct {
	target     Target
	base       *url.URL
	prefix     string // of all paths
	alice, bob Session
	known      *Client  // from which they logged in
	door       Request  // that logged Bob in, if it was a POST of his password
	inside     Response // to the last request of that log-in
	quiet      bool     // responses are not looked at
	open       bool     // Secure is served without a token: no token proves anything
	next       int      // number of the next client's address
	closers    []func()

	mu       sync.Mutex
	sent     int       // requests so far
	free     time.Time // when the next one may go out
	findings []Finding
	seen     map[string]bool   // weakness, layer, place and detail
	many     map[weakness]int  // findings of each
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
		s.prefix, u.Path, u.RawPath = u.EscapedPath(), "", ""
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
	if secret == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[secret] = name
	s.names[url.QueryEscape(secret)] = name // as forms and JSON have it
	if quoted, err := json.Marshal(secret); err == nil {
		s.names[string(quoted[1:len(quoted)-1])] = name
	}
}

// maxPlaces bounds how often a weakness is listed.
const maxPlaces = 50

// found notes a weakness in a place, unless it is known there. An empty layer is
// the one that stops it as a rule; another may have it as well.
func (s *scan) found(w weakness, layer, request, detail string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := Finding{Weakness: weaknesses[w], Detail: s.unnamed(fmt.Sprintf(detail, args...))}
	if layer != "" {
		f.Layer = layer
	}
	if len(request) > 100_000 {
		request = request[:50_000] // the body goes on like that
	}
	f.Request = s.unnamed(request)
	line, _, _ := strings.Cut(f.Request, "\r\n")
	if method, rest, ok := strings.Cut(line, " "); ok {
		path, _, _ := strings.Cut(strings.TrimSuffix(rest, " HTTP/1.1"), "?")
		f.Method, f.Path = method, path
	}
	if len(f.Request) > 2000 {
		f.Request = f.Request[:1000] + " […] " + f.Request[len(f.Request)-200:]
	}
	key := strings.Join([]string{f.ID, f.Layer, f.Method, s.place(w, f.Path), f.Detail}, "\x00")
	if s.seen[key] || s.many[w] == maxPlaces {
		return
	}
	s.seen[key] = true
	s.many[w]++
	s.findings = append(s.findings, f)
}

// unnamed is a text with names in place of secrets.
func (s *scan) unnamed(text string) string {
	for _, secret := range slices.SortedFunc(maps.Keys(s.names), func(a, b string) int { return len(b) - len(a) }) { // one may hold another
		text = strings.ReplaceAll(text, secret, s.names[secret])
	}
	return text
}

// place is where a weakness is. What observe sees of every response is the same for all
// the paths that the suite makes up.
func (s *scan) place(w weakness, path string) string {
	switch w {
	case headerMissing, cookieFlags, crash, errorLeak, softwareNamed, htmlReflected:
	default:
		return path
	}
	for _, r := range s.places() {
		if p, _, _ := strings.Cut(s.at(r.Path), "?"); p == path {
			return path
		}
	}
	return ""
}

// places are the paths of the target that a GET changes nothing at.
func (s *scan) places() []Route {
	all := make([]Route, 0, len(s.target.Routes)+2)
	for _, r := range append([]Route{{Path: s.target.Public}, {Path: s.target.Secure, Private: true}}, s.target.Routes...) {
		if r.Path != "" && !slices.ContainsFunc(all, func(o Route) bool { return o.Path == r.Path }) {
			all = append(all, r)
		}
	}
	return all
}

// at is a path behind the prefix of the target.
func (s *scan) at(path string) string {
	if !strings.HasPrefix(path, "/") {
		return path
	}
	return s.prefix + path
}

// ErrSpent says that a scan sent as many requests as it may, and that not all was
// looked at.
var ErrSpent = errors.New("attack: MaxRequests are sent")

// admit waits until a request may go out.
func (s *scan) admit(ctx context.Context) error {
	s.mu.Lock()
	if limit := s.target.MaxRequests; limit > 0 && s.sent >= limit {
		if s.failed == nil {
			s.failed = ErrSpent
		}
		s.mu.Unlock()
		return ErrSpent
	}
	s.sent++
	now := time.Now()
	wait := s.free.Sub(now)
	s.free = now.Add(max(wait, 0) + s.target.Pace)
	s.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *scan) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

func (s *scan) spent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Is(s.failed, ErrSpent)
}

// send sends a request; false if there is no response, which ends the check.
func (s *scan) send(ctx context.Context, c *Client, r Request) (Response, bool) {
	got, err := c.Send(ctx, r)
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrSpent) {
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
	c.kept = []Request{}
	got, err := s.target.Login(ctx, c, a)
	for _, r := range c.kept {
		if r.Method == http.MethodPost && err == nil && a == s.target.Bob && holds(r, a.Password) {
			s.door, s.inside = r, c.last
		}
	}
	c.kept = nil
	if err != nil {
		s.found(misdescribed, "", "", "%s cannot log in: %v", name, err)
		return Session{}, false
	}
	s.name(got.Access, "<"+name+"'s access token>")
	s.name(got.Refresh, "<"+name+"'s refresh token>")
	for header, values := range got.Header {
		for _, value := range values {
			switch header {
			case "Origin", "Referer": // no secrets
			case "Cookie":
				for pair := range strings.SplitSeq(value, "; ") {
					cookie, secret, _ := strings.Cut(pair, "=")
					s.name(secret, "<"+name+"'s cookie "+cookie+">")
				}
			default:
				s.name(value, "<"+name+"'s "+header+">")
			}
		}
	}
	return got, true
}

func itoa(n int) string { return strconv.Itoa(n) }
