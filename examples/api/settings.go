package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
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
	rotate          bool                         // a refresh token works once
	legacyKeys      bool                         // imported API keys are accepted
	timeout         time.Duration                // of each question to the database
	connections     int                          // to the database, at most
	redis           func() redis.UniversalClient // nil: none
	secretKey       string                       // ECOLAURA_SECRET_KEY; empty: generated beside the database
	fernetKeys      string                       // ECOLAURA_FERNET_KEYS; empty: generated beside the database
	loopback        bool                         // addr is a loopback address
	port            int                          // of addr

	adminAddr string        // "off": no listener for operators
	pprof     bool          // profiles on it
	drain     time.Duration // from SIGTERM until the listener closes
	logFormat string        // text or json
	logLevel  slog.Level
	version   bool     // print it, and end
	command   []string // in place of serving: user, key, customer or token, and its words
}

const adminOff = "off"

const usageText = `api [flags]                        serves
api [flags] user add NAME [SCOPE]… makes an account; the password is asked for, or the
                                   first line of standard input
api [flags] user password NAME     sets a password, and ends the sessions
api [flags] user scopes NAME [SCOPE]…
api [flags] user disable NAME      and enable NAME
api [flags] user list
api [flags] key import NAME        takes over Django's API keys for an account: the output
                                   of manage.py dumpdata shop.apikey, on standard input
api [flags] customer index         makes customers that Django wrote findable by phone
api [flags] token NAME             prints an access token, also where no session can be
                                   kept: the way in while the disk is full

Each flag is also an environment variable, -anon-rate is ECOLAURA_ANON_RATE, or the file
that ECOLAURA_ANON_RATE_FILE names. So are the secrets, ECOLAURA_SECRET_KEY and
ECOLAURA_FERNET_KEYS.

`

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
	flags.Usage = func() {
		fmt.Fprint(usage, usageText)
		flags.PrintDefaults()
	}
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
	flags.IntVar(&s.connections, "db-connections", 20, "how `many` connections to the database this instance keeps open, at most")
	flags.BoolVar(&s.rotate, "rotate", true, "give a new refresh token at each refresh; false is for clients that keep one, as with Django's default")
	flags.BoolVar(&s.legacyKeys, "legacy-keys", false, "accept the API keys that were imported from Django")
	flags.BoolVar(&s.demo, "demo", false, "keep demo users and products, whatever the address and database")
	flags.StringVar(&s.adminAddr, "admin-addr", "127.0.0.1:0", "`address` of the listener for operators (/health, /metrics), which asks for no credential; or off")
	flags.BoolVar(&s.pprof, "pprof", false, "serve Go's profiles on the listener for operators")
	flags.DurationVar(&s.drain, "drain", 0, "how `long` to serve on after SIGTERM while /healthz answers 503, so that load balancers notice")
	flags.StringVar(&s.logFormat, "log-format", "text", "`format` of the log: text or json")
	flags.TextVar(&s.logLevel, "log-level", slog.LevelInfo, "lowest `level` that is logged: debug, info, warn or error")
	flags.BoolVar(&s.version, "version", false, "print the version, and end")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	s.command = flags.Args()
	if flags.NArg() > 0 && !slices.Contains([]string{"user", "key", "customer", "token"}, s.command[0]) {
		errs = append(errs, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}

	variable := func(name string) string {
		text, err := lookup(getenv, name)
		errs = append(errs, err)
		return text
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	flags.VisitAll(func(f *flag.Flag) {
		name := "ECOLAURA_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if text := variable(name); text != "" && !given[f.Name] {
			if err := f.Value.Set(text); err != nil {
				errs = append(errs, fmt.Errorf("%s: invalid: %q", name, text))
			}
		}
	})
	s.secretKey, s.fernetKeys = variable("ECOLAURA_SECRET_KEY"), variable("ECOLAURA_FERNET_KEYS")

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
	if s.connections < 1 || s.connections > 1000 {
		bad("db-connections", "1 to 1000", strconv.Itoa(s.connections))
	}
	if s.drain < 0 || s.drain > time.Minute {
		bad("drain", "up to 1m", s.drain.String())
	}
	if s.logFormat != "text" && s.logFormat != "json" {
		bad("log-format", "text or json", s.logFormat)
	}
	if _, _, err := net.SplitHostPort(s.adminAddr); err != nil && s.adminAddr != adminOff {
		bad("admin-addr", "neither host:port nor off", s.adminAddr)
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
	if s.postgres() && !s.version && (flags.NArg() == 0 || s.command[0] == "customer" || s.command[0] == "token") {
		if s.fernetKeys == "" {
			errs = append(errs, errors.New("ECOLAURA_FERNET_KEYS (or ECOLAURA_FERNET_KEYS_FILE): required with a postgres:// database"))
		}
		if s.secretKey == "" && s.signingKey == "" {
			errs = append(errs, errors.New("ECOLAURA_SECRET_KEY (or ECOLAURA_SECRET_KEY_FILE, or -signing-key): required with a postgres:// database"))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &s, nil
}

// logHandler writes the log as the settings say.
func (s *settings) logHandler(w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: s.logLevel}
	if s.logFormat == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
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

// lookup returns a variable, or what is in the file that name_FILE names: orchestrators
// hand out secrets as files, and neither ps nor a crash report shows those.
func lookup(getenv func(string) string, name string) (string, error) {
	text, file := getenv(name), getenv(name+"_FILE")
	if file == "" {
		return text, nil
	}
	if text != "" {
		return "", fmt.Errorf("%[1]s and %[1]s_FILE: both are set", name) // which of them counts must not be a guess
	}
	raw, err := readFile(file)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	if text = strings.TrimSpace(string(raw)); text == "" {
		return "", fmt.Errorf("%s_FILE: %s is empty", name, file)
	}
	return text, nil
}

// readFile reads a small file of secrets, and refuses one that everybody on this
// machine can read, or its group can write. An orchestrator's volume has mode 0440.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o027 != 0 {
		return nil, fmt.Errorf("%s: others may use it (mode %#o): chmod 600", name, info.Mode().Perm())
	}
	if info.Size() > 64<<10 {
		return nil, fmt.Errorf("%s: longer than 64 KiB", name)
	}
	return os.ReadFile(name)
}
