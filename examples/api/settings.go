package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
)

// settings is what flags and environment say, checked.
type settings struct {
	addr, httpAddr  string
	hosts, origins  []string
	db              string // a SQLite file, or a postgres:// URL
	proxies         rampart.Proxies
	tlsCert, tlsKey string
	signingKey      string // a PEM or JWK file; empty: the secret key signs
	anon, user      throttle.Rate
	demo            bool
	timeout         time.Duration                // of each question to the database
	redis           func() redis.UniversalClient // nil: none
	secretKey       string                       // ECOLAURA_SECRET_KEY; empty: generated beside the database
	fernetKeys      string                       // ECOLAURA_FERNET_KEYS; empty: generated beside the database
	loopback        bool                         // addr is a loopback address
	port            int                          // of addr
}

// parse reads flags, and the environment for those not given: -anon-rate is
// ECOLAURA_ANON_RATE. It reports every mistake at once.
func parse(args []string, getenv func(string) string, usage io.Writer) (*settings, error) {
	var (
		s                               settings
		hosts, origins, trusted, shared string
		anon, user                      string
		errs                            []error
		flags                           = flag.NewFlagSet("api", flag.ContinueOnError)
	)
	flags.SetOutput(usage)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8080", "`address` to listen on")
	flags.StringVar(&s.httpAddr, "http-addr", "", "second `address` for plain http, which redirects; needs -tls-cert")
	flags.StringVar(&hosts, "hosts", "localhost:*,127.0.0.1:*,[::1]:*", "host `names` that this server answers to")
	flags.StringVar(&s.db, "db", "./ecolaura.db", "SQLite `file`, or a postgres:// URL")
	flags.StringVar(&shared, "redis", "", "`URL` of a Redis in which instances share their limits; a cluster with ?addr=host:port, sentinels with ?master_name=name")
	flags.StringVar(&trusted, "trusted-proxies", "", "`prefixes` of the proxies whose X-Forwarded-* headers are believed, or how many of them every request passes")
	flags.StringVar(&s.tlsCert, "tls-cert", "", "certificate `file` (PEM)")
	flags.StringVar(&s.tlsKey, "tls-key", "", "private key `file` (PEM)")
	flags.StringVar(&s.signingKey, "signing-key", "", "`file` with an asymmetric signing key (PEM or JWK) in place of the secret, which then only vouches for known devices")
	flags.StringVar(&anon, "anon-rate", "100/hour", "`rate` of strangers, by address; log-in and registration limits scale with it")
	flags.StringVar(&user, "user-rate", "1000/hour", "`rate` of users, by subject")
	flags.StringVar(&origins, "origins", "https://www.ecolaura.com,https://admin.ecolaura.com", "web `origins` that may read answers")
	flags.DurationVar(&s.timeout, "db-timeout", 0, "how `long` each question to the database may take; 0: 1.5s, and 10s with SQLite")
	flags.BoolVar(&s.demo, "demo", false, "keep demo users and products, whatever the address and database")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}

	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	flags.VisitAll(func(f *flag.Flag) {
		name := "ECOLAURA_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if text := getenv(name); text != "" && !given[f.Name] {
			if err := f.Value.Set(text); err != nil {
				errs = append(errs, fmt.Errorf("%s: invalid: %q", name, text))
			}
		}
	})
	s.secretKey, s.fernetKeys = getenv("ECOLAURA_SECRET_KEY"), getenv("ECOLAURA_FERNET_KEYS")

	bad := func(name, why, value string) { errs = append(errs, fmt.Errorf("-%s: %s: %q", name, why, value)) }
	host, port, err := net.SplitHostPort(s.addr)
	if err == nil {
		s.port, err = strconv.Atoi(port)
	}
	if err != nil || s.port < 0 || s.port > 65535 {
		bad("addr", "not host:port", s.addr)
	}
	ip, err := netip.ParseAddr(host)
	s.loopback = host == "localhost" || err == nil && ip.IsLoopback()
	if s.timeout < 0 || s.timeout > time.Minute {
		bad("db-timeout", "up to 1m", s.timeout.String())
	}
	if s.timeout == 0 {
		if s.timeout = 10 * time.Second; s.postgres() {
			// A log-in has a password checked between two questions, and should be
			// told within 2.5 s.
			s.timeout = 1500 * time.Millisecond
		}
	}
	s.hosts, s.origins = split(hosts), split(origins)
	if len(s.hosts) == 0 {
		bad("hosts", "missing", hosts)
	}
	if len(s.origins) == 0 {
		bad("origins", "missing", origins)
	}
	if s.proxies.Hops, err = strconv.Atoi(trusted); err != nil {
		for _, text := range split(trusted) {
			p, err := netip.ParsePrefix(text)
			if err != nil {
				bad("trusted-proxies", "neither prefixes such as 10.0.0.0/8 nor a number of hops", text)
				continue
			}
			s.proxies.Prefixes = append(s.proxies.Prefixes, p)
		}
	}
	if _, err := s.proxies.Checked(); err != nil {
		errs = append(errs, fmt.Errorf("-trusted-proxies: %w", err))
	}
	if s.anon, err = throttle.Parse(anon); err != nil {
		bad("anon-rate", "not a rate such as 100/hour", anon)
	}
	if s.user, err = throttle.Parse(user); err != nil {
		bad("user-rate", "not a rate such as 1000/hour", user)
	}
	if shared != "" {
		if s.redis, err = redisClient(shared); err != nil { // err may repeat a password
			errs = append(errs, errors.New("-redis: not a URL such as redis://127.0.0.1:6379/0"))
		}
	}
	if (s.tlsCert == "") != (s.tlsKey == "") {
		bad("tls-cert", "goes with -tls-key", s.tlsCert)
	}
	if s.httpAddr != "" && s.tlsCert == "" {
		bad("http-addr", "goes with -tls-cert", s.httpAddr)
	}
	keysFile := getenv("ECOLAURA_FERNET_KEYS_FILE")
	if s.fernetKeys != "" && keysFile != "" { // as in crypto.KeyringFromEnv: which of them counts must not be a guess
		errs = append(errs, errors.New("ECOLAURA_FERNET_KEYS and ECOLAURA_FERNET_KEYS_FILE: both are set"))
	}
	if s.postgres() {
		if s.fernetKeys == "" && keysFile == "" {
			errs = append(errs, errors.New("ECOLAURA_FERNET_KEYS: required with a postgres:// database"))
		}
		if s.secretKey == "" && s.signingKey == "" {
			errs = append(errs, errors.New("ECOLAURA_SECRET_KEY (or -signing-key): required with a postgres:// database"))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &s, nil
}

func (s *settings) postgres() bool {
	return strings.HasPrefix(s.db, "postgres://") || strings.HasPrefix(s.db, "postgresql://")
}

// split takes a comma-separated list apart.
func split(list string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// readFile reads a small file of secrets, and refuses one that others on this
// machine can read.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: others may read it (mode %#o): chmod 600", name, info.Mode().Perm())
	}
	return os.ReadFile(name)
}
