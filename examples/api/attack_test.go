package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/attack"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
)

const attackedSecret = "the signing secret of the server that is attacked"

// startAttacked starts the server behind a proxy of this machine, with layers
// as change leaves them, and returns what is to be attacked.
func startAttacked(t *testing.T, change func(*stack)) attack.Target {
	t.Helper()
	env := func(name string) string {
		if name == "ECOLAURA_SECRET_KEY" {
			return attackedSecret
		}
		return ""
	}
	s, err := parse([]string{
		"-db", filepath.Join(t.TempDir(), "test.db"), "-trusted-proxies", "127.0.0.0/8", "-anon-rate", "100/hour", "-user-rate", "300/hour",
	}, env, io.Discard)
	require.NoError(t, err)
	logs := &logBuffer{}
	log := slog.New(slog.NewJSONHandler(logs, nil))
	srv, err := open(t.Context(), s, log, nil)
	require.NoError(t, err)
	t.Cleanup(srv.close)
	st := srv.layers.stack(srv.app)
	change(st)
	handler, err := routes(srv, st, slog.New(srv.monitor))
	require.NoError(t, err)
	web, err := server.New(server.Config{Handler: handler, Logger: log})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- web.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); <-done })
	return (&service{t: t, url: "http://" + ln.Addr().String(), logs: logs, srv: srv}).target()
}

// target describes the service to the attack suite.
func (s *service) target() attack.Target {
	s.t.Helper()
	// One address is blocked and another locked out, so that the suite can see that they are.
	require.NoError(s.t, s.srv.layers.blocks.Block(s.t.Context(), netip.MustParsePrefix("198.51.100.9/32"), time.Now().Add(time.Hour)))
	allow := []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("127.0.0.0/8")}
	_, err := s.srv.operator.LockDown(s.t.Context(), incident.By{Actor: "test"}, incident.Deny, allow, time.Now().Add(time.Hour))
	require.NoError(s.t, err)
	product := func(description string) string {
		return asText(map[string]string{"name": "soap", "description": description, "price": "1.00"})
	}
	account := func(name string) attack.Account { return attack.Account{Name: name, Password: demoPassword} }
	alice, bob, oscar := account("alice"), account("bob"), account("oscar")
	logIn := func(a attack.Account) attack.Request {
		return attack.Request{Method: http.MethodPost, Path: "/api/token/", Body: asText(map[string]string{"username": a.Name, "password": a.Password})}
	}
	key, second := s.newKey("alice"), s.newKey("alice")
	return attack.Target{
		URL:    s.url,
		Header: http.Header{"X-Forwarded-Proto": {"https"}}, PlainHTTP: http.Header{"X-Forwarded-Proto": {"http"}}, ProxyHeader: "X-Forwarded-For",
		Alice: alice, Bob: bob,
		Public: "/api/public/", Secure: "/api/secure/", JWKS: "/.well-known/jwks.json",
		Refresh: "/api/token/refresh/", Logout: "/api/token/blacklist/", Expired: s.expired(),
		Scoped: []attack.Request{{Path: "/api/keys/"}, {Path: "/api/customers/?phone=%2B4915112345678"}},
		Own: func(ctx context.Context, c *attack.Client, owner attack.Session) (attack.Request, error) {
			got, err := c.Send(ctx, attack.Request{Method: http.MethodPost, Path: "/api/keys/", Body: `{"name":"own"}`, Header: http.Header{"Authorization": {"Bearer " + owner.Access}}})
			var made struct{ ID string }
			err = errors.Join(err, json.Unmarshal(got.Body, &made))
			return attack.Request{Method: http.MethodDelete, Path: "/api/keys/" + made.ID + "/"}, err
		},
		Write: attack.Request{Path: "/api/products/", Body: product("<p>mild</p>")},
		Invalid: []string{
			`{"name":"soap","description":"","price":"-1"}`, `{"name":"soap","description":"","price":"1.001"}`, `{"name":"","price":"1"}`, `{"price":"1"}`,
			`{"name":["soap"],"price":"1"}`, `[]`, `null`, `"`,
		},
		HTML: product, Read: "/api/products/",
		Malformed: []attack.Request{{Path: "/api/public/"}, logIn(alice)},
		Limits: []attack.Limit{
			{Name: "edge", Layer: "edge", Request: attack.Request{Path: "/api/secure/"}, Count: 3000, Refill: 1200 * time.Millisecond, Bad: true},
			{Name: "anon", Layer: "public", Request: attack.Request{Path: "/api/public/"}, Count: 100},
			{Name: "user, at a public path", Layer: "auth", Request: attack.Request{Path: "/api/public/"}, Count: 300, As: &oscar},
			{Name: "partner", Layer: "partner", Request: attack.Request{Path: "/api/partner/", Header: http.Header{"X-API-Key": {second}}}, Count: 300, Keyed: true},
			{Name: "guesses of API keys", Layer: "keyGuesses", Request: attack.Request{Path: "/api/partner/", Header: http.Header{"X-API-Key": {"eco_live_guess"}}}, Count: 100},
			{Name: "register", Layer: "register", Request: attack.Request{Method: http.MethodPost, Path: "/api/register/", Body: `{}`}, Count: 20},
			{Name: "login", Layer: "login", Request: attack.Request{Method: http.MethodPost, Path: "/api/token/", Body: `{"username":"nobody{n}","password":"x"}`}, Count: 20},
			{Name: "password", Layer: "password", Request: attack.Request{Method: http.MethodPost, Path: "/api/password/", Body: `{"old":"wrong","new":"another long password"}`}, Count: 20, As: &bob},
		},
		Guesses: 25, AccountGuesses: 101,
		Origins: []string{"https://www.ecolaura.com"},
		KeyPath: "/api/partner/", Key: key, EndedKeys: []string{s.keyOfAFormerUser(), s.revokedKey()},
		Blocked:   []attack.Blocked{{Addr: netip.MustParseAddr("203.0.113.9"), Layer: "lockdown"}, {Addr: netip.MustParseAddr("198.51.100.9")}},
		RequestID: "X-Request-ID", Log: s.logs.String,
	}
}

func asText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// newKey makes an API key, past the HTTP layers.
func (s *service) newKey(owner string) string {
	s.t.Helper()
	var id int64
	require.NoError(s.t, s.srv.db.QueryRowContext(s.t.Context(), `SELECT id FROM users WHERE username = ?`, owner).Scan(&id))
	_, secret, err := s.srv.layers.keys.Create(s.t.Context(), apikey.Key{Owner: strconv.FormatInt(id, 10), Name: "attacked"})
	require.NoError(s.t, err)
	return secret.Reveal()
}

func (s *service) keyOfAFormerUser() string {
	s.t.Helper()
	_, err := s.srv.db.ExecContext(s.t.Context(), `INSERT INTO users (username, password, scopes, active, demo) VALUES ('former', '!', '', FALSE, FALSE)`)
	require.NoError(s.t, err)
	return s.newKey("former")
}

func (s *service) revokedKey() string {
	s.t.Helper()
	key, secret, err := s.srv.layers.keys.Create(s.t.Context(), apikey.Key{Owner: "1", Name: "revoked"})
	require.NoError(s.t, err)
	require.NoError(s.t, s.srv.layers.keys.Revoke(s.t.Context(), key.ID))
	return secret.Reveal()
}

// expired returns a token of the server's that was good an hour ago.
func (s *service) expired() string {
	s.t.Helper()
	pair, err := s.srv.layers.service.Issue(s.t.Context(), "1", nil)
	require.NoError(s.t, err)
	parts := strings.Split(pair.Access, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(s.t, err)
	var claims map[string]any
	require.NoError(s.t, json.Unmarshal(payload, &claims))
	claims["iat"], claims["exp"] = time.Now().Add(-time.Hour).Unix(), time.Now().Add(-time.Minute).Unix()
	text := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(asText(claims)))
	mac := hmac.New(sha256.New, []byte(attackedSecret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestNoAttackGetsThrough(t *testing.T) {
	t.Parallel() // most of it is waiting
	target := startAttacked(t, func(*stack) {})
	target.Timeouts = 40 * time.Second // the server's own are 5 s and 30 s
	began := time.Now()
	attack.Run(t, target)
	t.Logf("took %s", time.Since(began).Round(time.Millisecond))
}

func TestEachLayerThatIsTakenOutIsNamed(t *testing.T) {
	none := func(next http.Handler) http.Handler { return next }
	unlimited := func(l *throttle.Limiter, names ...string) {
		var cfg throttle.Config
		for _, name := range names {
			cfg.Policies = append(cfg.Policies, throttle.Policy{Name: name, Rate: throttle.Rate{Count: 1_000_000, Period: time.Hour}, Key: throttle.By("none", func(*http.Request) string { return "" })})
		}
		require.NoError(t, l.Reconfigure(cfg))
	}
	tests := []struct {
		layer string
		out   func(*stack)
		named string // as findings call it
		limit bool   // it is found by filling a limit
	}{
		{"request id", func(st *stack) { st.requestID = none }, "requestid", false},
		{"client address", func(st *stack) { st.clientIP = none }, "clientip", false},
		{"headers", func(st *stack) { st.headers = none }, "headers", false},
		{"cors", func(st *stack) { st.cors = none }, "cors", false},
		{"blocks", func(st *stack) { st.blocks = none }, "ipfilter", false},
		{"lockdown", func(st *stack) { st.lockdown = none }, "lockdown", false},
		{"edge limit", func(st *stack) { st.edge = none }, "edge", true},
		{"token, optional", func(st *stack) { st.optional = none }, "auth", true},
		{"token, required", func(st *stack) { st.required = none }, "auth", false},
		{"scope", func(st *stack) { st.scope = func(string) layer { return none } }, "auth", false},
		{"API key", func(st *stack) { st.apiKey = none }, "apikey", false},
		{"active owner of an API key", func(st *stack) { st.owner = none }, "apikey", false},
		{"public limits", func(st *stack) { st.public = none }, "public", true},
		{"log-in limit", func(st *stack) { st.login = none }, "login", true},
		{"log-in limit by account", func(st *stack) { unlimited(st.account, "login-known", "login-strangers") }, "auth", true},
		{"registration limit", func(st *stack) { st.register = none }, "register", true},
		{"password limit", func(st *stack) { st.password = none }, "password", true},
		{"limit of guessed API keys", func(st *stack) { st.keyGuesses = none }, "keyGuesses", true},
		{"partner limit", func(st *stack) { st.partner = none }, "partner", true},
		{"guard of JSON", func(st *stack) { st.guard = none }, "sanitize", false},
		{"guard of forms", func(st *stack) { st.forms = none }, "sanitize", false},
	}
	for _, tt := range tests {
		t.Run(tt.layer, func(t *testing.T) {
			target := startAttacked(t, tt.out)
			if tt.limit { // the others take time, and have had their turn above
				limits := slices.DeleteFunc(target.Limits, func(l attack.Limit) bool { return l.Layer != tt.named })
				guesses := 0
				if tt.named == "auth" { // which limits those by account
					guesses = target.AccountGuesses
				}
				target = attack.Target{URL: target.URL, Header: target.Header, ProxyHeader: target.ProxyHeader, Bob: target.Bob, Limits: limits, AccountGuesses: guesses}
			} else {
				target.Limits, target.Guesses, target.AccountGuesses = nil, 0, 0
			}
			findings, err := attack.Scan(t.Context(), target)
			require.NoError(t, err)
			var named []string
			for _, f := range findings {
				named = append(named, f.Layer)
				t.Logf("%s: %s: %s", f.Layer, f.Title, f.Detail)
			}
			assert.Contains(t, named, tt.named)
		})
	}
}
