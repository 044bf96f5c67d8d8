package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/proxy"
)

// settings is what flags and environment say, checked.
type settings struct {
	addr, tlsAddr, admin string
	config               string
	check                bool
	redis                string // a URL; it may hold a password
	db                   string // so may this, or it is the name of a file
	proxies              rampart.Proxies
	resolve              map[string]string
	accessLog            string
	adminToken           string // GATEWAY_ADMIN_TOKEN
}

// parse reads flags, and the environment for those not given: -tls-addr is
// GATEWAY_TLS_ADDR. A variable that is set to nothing is given too: that turns
// off what is on. It reports every mistake at once.
func parse(args []string, lookupEnv func(string) (string, bool), usage io.Writer) (*settings, error) {
	var (
		s       = settings{resolve: map[string]string{}}
		trusted string
		errs    []error
		flags   = flag.NewFlagSet("gateway", flag.ContinueOnError)
	)
	flags.SetOutput(usage)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8000", "`address` of the proxy")
	flags.StringVar(&s.tlsAddr, "tls-addr", "", "`address` of the proxy with TLS, by the configuration's certificates")
	flags.StringVar(&s.admin, "admin", "127.0.0.1:8001", "`address` of the Admin API; empty: off")
	flags.StringVar(&s.config, "config", "", "Kong's declarative `file`")
	flags.BoolVar(&s.check, "check", false, "check the file, list every mistake, and end")
	flags.StringVar(&s.redis, "redis", "", "`URL` of the Redis for rate limits of policy redis")
	flags.StringVar(&s.db, "db", "", "`file` of SQLite, or postgres:// URL, in which quotas outlive a restart")
	flags.StringVar(&trusted, "trusted-proxies", "", "`prefixes` of the proxies whose X-Forwarded-* headers are believed, or how many of them every request passes")
	flags.StringVar(&s.accessLog, "access-log", "-", "`file` for one JSON line per request; -: standard output; empty: none")
	flags.Func("resolve", "`name=address` in place of DNS, for upstreams; may be given again, or hold several with commas", func(text string) error {
		for _, pair := range split(text) {
			name, to, ok := strings.Cut(pair, "=")
			if !ok || name == "" || !proxy.IsAddress(to) {
				return errors.New("not name=address")
			}
			s.resolve[name] = to
		}
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		errs = append(errs, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	flags.VisitAll(func(f *flag.Flag) {
		name := "GATEWAY_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if text, ok := lookupEnv(name); ok && !given[f.Name] {
			if err := f.Value.Set(text); err != nil {
				errs = append(errs, fmt.Errorf("%s: invalid", name))
			}
		}
	})
	token, tokenGiven := lookupEnv("GATEWAY_ADMIN_TOKEN")
	s.adminToken = token

	bad := func(name, why, value string) { errs = append(errs, fmt.Errorf("-%s: %s: %q", name, why, value)) }
	for _, a := range []struct{ name, value string }{{"addr", s.addr}, {"tls-addr", s.tlsAddr}, {"admin", s.admin}} {
		_, err := net.ResolveTCPAddr("tcp", a.value) // takes "" for any address
		if err != nil || a.value == "" && a.name == "addr" {
			bad(a.name, "not host:port", a.value)
		}
	}
	if s.admin != "" && s.adminToken == "" && !isLoopback(s.admin) {
		bad("admin", "not a loopback address: set GATEWAY_ADMIN_TOKEN", s.admin)
	}
	if tokenGiven && len(token) < 16 { // an empty one too: somebody wanted a token
		errs = append(errs, errors.New("GATEWAY_ADMIN_TOKEN: shorter than 16 characters"))
	}
	hops, err := strconv.Atoi(trusted)
	if s.proxies.Hops = hops; err != nil {
		for _, text := range split(trusted) {
			p, err := conf.Prefix(text)
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
	if s.check && s.config == "" {
		bad("check", "goes with -config", "")
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &s, nil
}

func isLoopback(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
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
