package rampart_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/apikey/apikeysql"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/crypto/tlsconf"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/sanitize/markup"
	"github.com/ecolaura/rampart/server"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/ipfilter"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// errOf returns the error of a constructor.
func errOf[T any](_ T, err error) error { return err }

func verifierError(t *testing.T, change func(*auth.VerifierConfig)) error {
	t.Helper()
	cfg := auth.Simplejwt(make([]byte, 32))
	cfg.Issuer, cfg.Audiences = "https://auth.example.com", []string{"api"}
	change(&cfg)
	return errOf(auth.NewVerifier(cfg))
}

func corsError(change func(*cors.Config)) error {
	cfg := cors.Config{Origins: []string{"https://a.example"}}
	change(&cfg)
	return errOf(cors.New(cfg))
}

func headersError(change func(*headers.Config)) error {
	cfg := headers.Web("a.example")
	change(&cfg)
	return errOf(headers.New(cfg))
}

func throttleError(change func(*throttle.Config, *throttle.Policy)) error {
	cfg := throttle.Config{Policies: []throttle.Policy{{Name: "ip", Rate: throttle.Rate{Count: 5, Period: time.Minute}, Key: throttle.ByIP(nil)}}}
	change(&cfg, &cfg.Policies[0])
	return errOf(throttle.New(cfg))
}

func binderError[T any]() error { return errOf(sanitize.NewBinder[T](sanitize.Config{})) }

func redisStore(t *testing.T) throttle.Store {
	t.Helper()
	s, err := throttleredis.New(func(context.Context, ...any) (any, error) { return nil, nil }, throttleredis.Config{}) //nolint:nilnil // never asked
	assert.NoError(t, err)
	return s
}

// A mistake that newcomers make is told by a text that says what to write
// instead. The texts are read here as they are read in a terminal.
func TestAMistakeSaysWhatWouldBeRight(t *testing.T) {
	t.Setenv("FIELD_KEYS", "")
	everybody := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	signup := func() error {
		type Signup struct {
			Email string `validate:"emial"`
		}
		return binderError[Signup]()
	}
	upload := func() error {
		type Upload struct {
			Photo sanitize.File `validate:"types=image/png"`
		}
		return binderError[Upload]()
	}
	event := func() error {
		type Event struct {
			Data error `json:"data"`
		}
		return binderError[Event]()
	}
	for _, tt := range []struct {
		desc string
		err  error
		want string
	}{
		{"HS256 with a password", errOf(auth.NewKey(auth.HS256, "", []byte("secret"))), `auth.NewKey.material: weak: HS256 needs a random secret of at least 32 bytes; "openssl rand -base64 48" prints one`},
		{"a secret as a string", errOf(auth.NewKey(auth.HS256, "", "0123456789abcdef0123456789abcdef")), `auth.NewKey.material: mismatch: HS256 takes the secret as a []byte; this is a string`},
		{"a secret for RS256", errOf(auth.NewKey(auth.RS256, "", make([]byte, 32))), `auth.NewKey.material: mismatch: RS256 takes an *rsa.PrivateKey or *rsa.PublicKey; this is a []byte`},
		{"an algorithm that is none", errOf(auth.NewKey("none", "", nil)), `auth.NewKey.alg: invalid "none": use a constant of package auth, such as HS256, RS256, ES256 or EdDSA`},
		{"a secret as a PEM block", errOf(auth.ParseKey(auth.HS256, "", make([]byte, 32))), `auth.ParseKey.pemOrJWK: invalid: give one PEM block, from -----BEGIN to -----END, with nothing around it, or a JWK; the bytes of an HMAC secret go to NewKey`},
		{"a certificate as a key", errOf(auth.ParseKey(auth.RS256, "", []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"))), `auth.ParseKey.pemOrJWK: invalid: this is a certificate; "openssl x509 -pubkey -noout" prints its public key`},
		{"an encrypted key", errOf(auth.ParseKey(auth.RS256, "", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n"))), `auth.ParseKey.pemOrJWK: invalid: this key is encrypted; "openssl pkey" prints it decrypted`},
		{"no issuer", verifierError(t, func(c *auth.VerifierConfig) { c.Issuer = "" }), `auth.VerifierConfig.Issuer: missing: name the iss that tokens have, such as "https://auth.example.com"; "*" takes any`},
		{"no audience", verifierError(t, func(c *auth.VerifierConfig) { c.Audiences = nil }), `auth.VerifierConfig.Audiences: missing: name the aud that tokens for this server have, such as "api"; "*" takes any`},
		{"a leeway of an hour", verifierError(t, func(c *auth.VerifierConfig) { c.Leeway = time.Hour }), `auth.VerifierConfig.Leeway: invalid "1h0m0s": use 0 to 5m`},
		{"keys over plain http", errOf(auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: "http://auth.example.com/jwks.json", Algorithms: []auth.Algorithm{auth.RS256}})), `auth.RemoteKeysConfig.URL: invalid "http://auth.example.com/jwks.json": use an https URL without userinfo and fragment, such as "https://auth.example.com/jwks.json"; http is for a loopback address only`},
		{"a published secret", errOf(auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: "https://auth.example.com/jwks.json", Algorithms: []auth.Algorithm{auth.HS256}})), `auth.RemoteKeysConfig.Algorithms: conflict "HS256": a secret must not be published; list algorithms with public keys, such as RS256`},
		{"a weak hash", errOf(password.New(password.Config{Memory: 64})), `password.Config.Memory: weak "64": OWASP asks for at least 19456 KiB with 2 passes (Time)`},
		{"an upper-case prefix of keys", errOf(apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: "Eco-Live"})), `apikey.Config.Prefix: invalid "Eco-Live": use 2 to 32 lower-case letters, digits and single underscores, such as "eco_live"`},
		{"no database", errOf(apikeysql.New(nil, rampart.SQLite, apikeysql.Config{})), `apikeysql.New.db: missing: open a *sql.DB and give it`},
		{"an origin with a trailing slash", corsError(func(c *cors.Config) { c.Origins = []string{"https://a.example/"} }), `cors.Config.Origins: invalid "https://a.example/": an origin is scheme://host[:port] in lower case, without a path, a trailing slash or the default port`},
		{"everybody with credentials", corsError(func(c *cors.Config) { c.Origins, c.Credentials = []string{"*"}, true }), `cors.Config.Origins: wildcard_with_credentials "*": every site could read your users' data; list the origins, or leave Credentials false`},
		{"the origin null", corsError(func(c *cors.Config) { c.Origins = []string{"null"} }), `cors.Config.Origins: null_origin "null": any site can take this origin on with a sandboxed frame; serve the page over https and list its origin`},
		{"an http origin with credentials", corsError(func(c *cors.Config) { c.Origins, c.Credentials = []string{"http://a.example"}, true }), `cors.Config.Origins: insecure_with_credentials "http://a.example": anyone on the network can change a page over http; use https, or read what DangerouslyAllowInsecureOrigins says`},
		{"a preflight kept for a week", corsError(func(c *cors.Config) { c.MaxAge = 7 * 24 * time.Hour }), `cors.Config.MaxAge: out_of_bounds "168h0m0s": use whole seconds up to 24h, or NoPreflightCache`},
		{"two methods in one text", corsError(func(c *cors.Config) { c.Methods = []string{"PUT, DELETE"} }), `cors.Config.Methods: invalid "PUT, DELETE": a method is one word, such as "PUT"; give each its own entry`},
		{"a host with its scheme", headersError(func(c *headers.Config) { c.AllowedHosts = []string{"https://a.example"} }), `headers.Config.AllowedHosts: invalid "https://a.example": a host is name[:port] in lower case, without a scheme or path, such as "app.example.com" or "*.example.com:*"`},
		{"no host", errOf(headers.New(headers.Config{})), `headers.Config.AllowedHosts: missing: list the names under which this server is reached, such as "app.example.com"`},
		{"proxies that are everybody", headersError(func(c *headers.Config) { c.Proxies.Prefixes = everybody }), `rampart.Proxies.Prefixes: too_wide: any client could forge its address; list only your proxies, such as "10.0.0.0/8"`},
		{"preload without subdomains", headersError(func(c *headers.Config) { c.HSTS.Preload = true }), `headers.Config.HSTS.Preload: conflict: browsers preload only with Subdomains, a MaxAge of at least 8760h (one year) and the redirect to https`},
		{"a CSP keyword without its quotes", headersError(func(c *headers.Config) { c.CSP = &headers.CSP{Default: []headers.Source{"self"}} }), `headers.Config.CSP.Default: invalid "self": a keyword has single quotes, as in 'self'; use the constants of this package, such as headers.Self`},
		{"a nonce that is constant", headersError(func(c *headers.Config) { c.CSP = &headers.CSP{Default: []headers.Source{"'nonce-abc'"}} }), `headers.Config.CSP.Default: invalid "'nonce-abc'": use a keyword of this package, such as Self, WithNonce for a nonce, or a hash in base64 with padding`},
		{"inline scripts", headersError(func(c *headers.Config) { c.CSP = &headers.CSP{Default: []headers.Source{headers.UnsafeInline}} }), `headers.Config.CSP.Default: unsafe "'unsafe-inline'": use WithNonce or a hash, or read what DangerouslyUnsafeInline says`},
		{"scripts of everybody", headersError(func(c *headers.Config) {
			c.CSP = &headers.CSP{Default: []headers.Source{headers.Self}, Script: []headers.Source{"https:"}}
		}), `headers.Config.CSP.Script: too_wide "https:": anybody could provide code; use Self, WithNonce, or https origins of your own`},
		{"client addresses by everybody's word", errOf(server.NewClientIP(rampart.Proxies{Prefixes: everybody})), `rampart.Proxies.Prefixes: too_wide: any client could forge its address; list only your proxies, such as "10.0.0.0/8"`},
		{"a header that nobody may send", errOf(server.NewClientIP(rampart.Proxies{ClientHeader: "X-Real-IP"})), `rampart.Proxies.ClientHeader: pointless "X-Real-IP": no proxy is trusted to send it; list the proxies in Prefixes, count them in Hops, or set UnixSocket`},
		{"a server without a limit", errOf(server.New(server.Config{Handler: http.NotFoundHandler(), ReadTimeout: -1})), `server.Config.ReadTimeout: invalid "-1ns": a server without this limit can be held up; use more than 0, or 0 for 30s`},
		{"a burst in a window", throttleError(func(_ *throttle.Config, p *throttle.Policy) { p.Rate.Burst = 20 }), `throttle.Config.Policies[0].Rate: invalid "5/m burst=20": only a TokenBucket has a burst; use that Algorithm, or leave Burst 0`},
		{"a limit for nobody", throttleError(func(_ *throttle.Config, p *throttle.Policy) { p.Key = nil }), `throttle.Config.Policies[0].Key: missing: say who is counted, such as ByIP(clientIP.Addr) with a server.ClientIP`},
		{"Redis without a policy of outage", throttleError(func(c *throttle.Config, _ *throttle.Policy) { c.Store = redisStore(t) }), `throttle.Config.Outage: missing: choose rampart.FailClosed, FailOpen, or FallBack with Instances or Replicas`},
		{"an address in place of a prefix", errOf(ipfilter.New(ipfilter.Config{Deny: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")}})), `ipfilter.Config.Deny: invalid "192.0.2.7/24": write a network such as "10.0.0.0/8" without bits set behind its length, or one address such as "10.0.0.1/32"; IPv4 is written as IPv4`},
		{"a filter without a list", errOf(ipfilter.New(ipfilter.Config{})), `ipfilter.Config.Allow: missing: the filter would let everybody pass; set Allow, Deny or Feed`},
		{"a rule that is misspelt", signup(), `rampart_test.Signup.Email: unknown "validate:emial": there is no such rule; fix the spelling, or add it to Config.Rules`},
		{"files where no form is read", upload(), `sanitize.Config.Limits.ContentTypes: missing "multipart/form-data": files come in forms of this type only; list it`},
		{"a type of the client's choice", event(), `rampart_test.Event.Data: unsupported "error": use a string, bool, number, struct, pointer, Optional, list, map, any, File or a type that reads itself from text or JSON`},
		{"scripts in what users write", errOf(markup.New(markup.AllowTags("script"))), `markup.AllowTags.names: unsafe "script": this element can run code or changes how the rest is read; no policy can allow it`},
		{"a Fernet key that is a password", errOf(fernet.ParseKey("secret")), `fernet.ParseKey.text: not_a_key: a key is the 44 characters of base64url, with their =, of 32 random bytes, as GenerateKey and Python's Fernet.generate_key make it`},
		{"no key in the environment", errOf(fernet.KeyringFromEnv("FIELD_KEYS")), `fernet.KeyringFromEnv.FIELD_KEYS: missing: give one key at least, the one that encrypts first`},
		{"a certificate without its key", errOf(tlsconf.New(tlsconf.Config{CertFile: "tls.crt"})), `tlsconf.Config.KeyFile: missing: name the PEM file of the private key`},
		{"a poll every millisecond", errOf(feed.New(t.Context(), feed.Config{Source: feed.Memory(), Poll: time.Millisecond})), `feed.Config.Poll: invalid "1ms": use 10ms or more; 0 means 500ms`},
		{"a rule of a day and a half", errOf(monitor.New(monitor.Config{
			Handler: slog.DiscardHandler, Rules: []monitor.Rule{{Name: "r", Threshold: 1, Window: 36 * time.Hour}},
		})), `monitor.Config.Rules[0].Window: invalid "36h0m0s": use 1s to 24h`},
	} {
		t.Run(tt.desc, func(t *testing.T) { assert.EqualError(t, tt.err, tt.want) })
	}
}
