package conf

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
)

func name(s string) bool { return nameForm(s, "-._~") }

// nameForm reports whether s is letters, digits and the others.
func nameForm(s, others string) bool {
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (r < '0' || r > '9') && !strings.ContainsRune(others, r) {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// Token reports whether s is a token (RFC 9110 section 5.6.2).
func Token(s string) bool { return nameForm(s, "!#$%&'*+-.^_`|~") }

func hostname(s string) bool {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	return nameForm(s, "-._") && len(s) <= 253 && !strings.HasPrefix(s, ".") && !strings.Contains(s, "..")
}

// Checks collects what is wrong with one entity.
type Checks struct {
	m  *meta
	ms Mistakes
}

// Want notes a mistake about a field unless ok.
func (c *Checks) Want(ok bool, field, format string, args ...any) {
	if !ok {
		c.ms = append(c.ms, c.m.mistake(field, format, args...))
	}
}

// Note notes something about a field that is not wrong.
func (c *Checks) Note(field, format string, args ...any) {
	m := c.m.mistake(field, format, args...)
	m.Note = true
	c.ms = append(c.ms, m)
}

// OneOf wants a value that is allowed.
func (c *Checks) OneOf(field, value string, allowed ...string) {
	c.Want(slices.Contains(allowed, value), field, "must be one of %s", strings.Join(allowed, ", "))
}

// Within wants a number from low to high.
func (c *Checks) Within(field string, value, low, high int) {
	c.Want(value >= low && value <= high, field, "must be from %d to %d", low, high)
}

// Each checks the elements of a list, and that none is there twice.
func (c *Checks) Each(field string, list []string, ok func(string) bool, what string) {
	seen := map[string]bool{}
	for i, s := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		c.Want(ok(s), at, "%s is wanted: %q", what, s)
		c.Want(unique(seen, s), at, "given twice: %q", s)
	}
}

// Anonymous wants a consumer of f who stands for strangers, or nobody.
func (c *Checks) Anonymous(who string, f *File) {
	c.Want(who == "" || f.Consumer(who) != nil, "config.anonymous", "there is no consumer %q", who)
}

// A Naming says what a document calls the fields of a Config.
type Naming map[string]string

// goName is a word that may be the name of a Config's field.
var goName = regexp.MustCompile(`\b[A-Z][A-Za-z]+\b`) // read-only

// Text is what m says, in the document's words. What only a program may allow is
// left out.
func (n Naming) Text(m *rampart.ConfigError) string {
	text := strings.ReplaceAll(string(m.Reason), "_", " ")
	if m.Value != "" {
		text += fmt.Sprintf(" %q", m.Value)
	}
	want, _, _ := strings.Cut(m.Want, ", or read what Dangerously")
	return text + ": " + goName.ReplaceAllStringFunc(want, func(s string) string {
		if own, ok := n[s]; ok {
			return own
		}
		return s
	})
}

// Config takes over what a package of rampart says of its Config.
func (c *Checks) Config(err error, names Naming) {
	for m := range rampart.Mistakes(err) {
		c.Want(false, "config."+cmp.Or(names[m.Field], m.Field), "%s", names.Text(m))
	}
}

// Prefix reads an address or a prefix; bits outside the mask are dropped, as
// Kong does.
func Prefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return a.Prefix(a.BitLen())
}

func (s *Service) check(*File) Mistakes {
	c := Checks{m: s.at()}
	if s.URL != "" {
		s.takeURL(&c)
	}
	c.Want(s.Name == "" || name(s.Name), "name", "letters, digits and -._~ are wanted: %q", s.Name)
	c.Want(s.Protocol == "http" || s.Protocol == "https", "protocol", "only http and https are known here: %q", s.Protocol)
	c.Want(hostname(s.Host), "host", "a host name or address is wanted: %q", s.Host)
	c.Within("port", s.Port, 1, 65535)
	c.Want(s.Path == "" || Path(s.Path), "path", "must begin with / and hold no // and no %% that is not an escape: %q", s.Path)
	c.Within("retries", s.Retries, 0, 32767)
	c.Within("connect_timeout", s.ConnectTimeout, 1, 1<<31-2)
	c.Within("write_timeout", s.WriteTimeout, 1, 1<<31-2)
	c.Within("read_timeout", s.ReadTimeout, 1, 1<<31-2)
	c.Want(s.Protocol == "https" || s.TLSVerify == nil, "tls_verify", "has no effect without protocol https")
	c.Want(s.Protocol == "https" || len(s.CACertificates) == 0, "ca_certificates", "have no effect without protocol https")
	return c.ms
}

// takeURL spells the short form url out.
func (s *Service) takeURL(c *Checks) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Hostname() == "" || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		c.Want(false, "url", "must read protocol://host[:port][/path]")
		s.Host = "invalid.invalid" // one mistake is enough
		s.URL = ""
		return
	}
	s.Protocol, s.Host, s.Path, s.Port = u.Scheme, u.Hostname(), u.EscapedPath(), 80
	if s.Protocol == "https" {
		s.Port = 443
	}
	if p := u.Port(); p != "" {
		s.Port, _ = strconv.Atoi(p)
	}
	s.URL = ""
}

// Path reports whether s is a path as Kong takes it.
func Path(s string) bool {
	if !strings.HasPrefix(s, "/") || strings.Contains(s, "//") {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte("?#\\\"<>^`{|}", s[i]) >= 0 {
			return false
		}
	}
	_, err := url.PathUnescape(s)
	return err == nil
}

// Regexp compiles the regular expression of a path that begins with ~, anchored
// at its start as Kong does.
func Regexp(path string) (*regexp.Regexp, error) {
	return regexp.Compile("^(?:" + strings.TrimPrefix(path[1:], "^") + ")")
}

func regexReason(err error) string {
	return "not a regular expression of Go's engine, which has no look-around and no back-references: " +
		strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

func (r *Route) check(*File) Mistakes {
	c := Checks{m: r.at()}
	c.Want(r.Name == "" || name(r.Name), "name", "letters, digits and -._~ are wanted: %q", r.Name)
	c.Want(len(r.Methods)+len(r.Hosts)+len(r.Headers)+len(r.Paths)+len(r.SNIs) > 0, "",
		"at least one of methods, hosts, headers, paths and snis is wanted")
	c.Want(len(r.Protocols) > 0, "protocols", "missing")
	c.Each("protocols", r.Protocols, func(s string) bool { return s == "http" || s == "https" }, "http or https")
	c.Each("methods", r.Methods, func(s string) bool { return Token(s) && s == strings.ToUpper(s) }, "a method in upper case")
	c.Each("hosts", r.Hosts, hostPattern, "a host name with at most one *, first or last,")
	for i, p := range r.Paths {
		at := fmt.Sprintf("paths[%d]", i)
		if !strings.HasPrefix(p, "~") {
			c.Want(Path(p), at, "must begin with / (or ~ for a regular expression) and hold no // and no %% that is not an escape: %q", p)
		} else if _, err := Regexp(p); err != nil {
			c.Want(false, at, "%s", regexReason(err))
		}
		c.Want(!slices.Contains(r.Paths[:i], p), at, "given twice: %q", p)
	}
	for name, values := range r.Headers {
		at := "headers." + name
		c.Want(Token(name) && !strings.EqualFold(name, "host"), at, "a header's name is wanted; for Host there is hosts")
		c.Want(len(values) > 0, at, "at least one value is wanted")
		for i, v := range values {
			if rx, ok := strings.CutPrefix(v, "~*"); ok {
				if _, err := regexp.Compile(rx); err != nil {
					c.Want(false, fmt.Sprintf("%s[%d]", at, i), "%s", regexReason(err))
				}
			}
		}
	}
	c.Each("snis", r.SNIs, func(s string) bool { return hostname(strings.TrimSuffix(s, ".")) }, "a host name")
	c.Want(slices.Contains([]int{426, 301, 302, 307, 308}, r.RedirectStatus), "https_redirect_status_code", "must be one of 426, 301, 302, 307, 308")
	c.OneOf("path_handling", r.PathHandling, "v0", "v1")
	c.Within("regex_priority", r.RegexPriority, 0, 1<<31-1)
	return c.ms
}

// hostPattern reports whether s is a host, or one with * in place of its first or
// last part, and perhaps a port.
func hostPattern(s string) bool {
	if h, port, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return false
		}
		s = h
	}
	if rest, ok := strings.CutPrefix(s, "*."); ok {
		s = rest
	} else if rest, ok := strings.CutSuffix(s, ".*"); ok {
		s = rest
	}
	return hostname(s) && s == strings.ToLower(s)
}

func (c *Consumer) check(*File) Mistakes {
	k := Checks{m: c.at()}
	k.Want(c.Username != "" || c.CustomID != "", "", "at least one of username and custom_id is wanted")
	k.Want(Printable(c.Username), "username", "printable ASCII is wanted: it becomes a header")
	k.Want(Printable(c.CustomID), "custom_id", "printable ASCII is wanted: it becomes a header")
	return k.ms
}

// Printable reports whether s is printable ASCII.
func Printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (j *JWTSecret) check(*File) Mistakes {
	c := Checks{m: j.at()}
	c.Want(j.Key != "", "key", "missing")
	algorithms := []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	if !slices.Contains(algorithms, j.Algorithm) {
		c.OneOf("algorithm", j.Algorithm, algorithms...)
		return c.ms
	}
	_, err := j.VerificationKeys()
	for m := range rampart.Mistakes(err) {
		c.Want(false, j.material(), "%s", Naming{}.Text(m))
	}
	return c.ms
}

// material is the field that holds the key.
func (j *JWTSecret) material() string {
	if strings.HasPrefix(j.Algorithm, "HS") {
		return "secret"
	}
	return "rsa_public_key"
}

// VerificationKeys returns the key with which tokens of j are checked.
func (j *JWTSecret) VerificationKeys() (*auth.Keys, error) {
	alg := auth.Algorithm(j.Algorithm)
	var key *auth.Key
	var err error
	if j.material() == "secret" {
		key, err = auth.NewKey(alg, "", []byte(j.Secret))
	} else {
		key, err = auth.ParseKey(alg, "", []byte(j.PublicKey))
	}
	if err != nil {
		return nil, err
	}
	return auth.NewKeys(key)
}

func (a *ACL) check(*File) Mistakes {
	c := Checks{m: a.at()}
	c.Want(a.Group != "" && Printable(a.Group) && !strings.Contains(a.Group, ","), "group", "printable ASCII without a comma is wanted")
	return c.ms
}

func (u *Upstream) check(*File) Mistakes {
	c := Checks{m: u.at()}
	c.Want(hostname(u.Name), "name", "a host name is wanted: %q", u.Name)
	c.OneOf("algorithm", u.Algorithm, "round-robin", "least-connections")
	c.Want(u.HostHeader == "" || hostname(u.HostHeader), "host_header", "a host name is wanted")
	c.Within("slots", u.Slots, 10, 65536)
	u.Healthchecks.Active.check(&c)
	p := u.Healthchecks.Passive
	c.OneOf("healthchecks.passive.type", p.Type, "http", "https")
	at := "healthchecks.passive."
	c.Within(at+"healthy.successes", p.Healthy.Successes, 0, 255)
	c.Within(at+"unhealthy.http_failures", p.Unhealthy.HTTPFailures, 0, 255)
	c.Within(at+"unhealthy.tcp_failures", p.Unhealthy.TCPFailures, 0, 255)
	c.Within(at+"unhealthy.timeouts", p.Unhealthy.Timeouts, 0, 255)
	for _, s := range slices.Concat(p.Healthy.Statuses, p.Unhealthy.Statuses) {
		c.Want(s >= 100 && s <= 999, at+"unhealthy.http_statuses", "a status is wanted: %d", s)
	}
	return c.ms
}

func (t *Target) check(*File) Mistakes {
	c := Checks{m: t.at()}
	full := withPort(t.Target)
	host, port, err := net.SplitHostPort(full)
	n, bad := strconv.Atoi(port)
	c.Want(hostname(host) && err == nil && bad == nil && n > 0 && n < 65536, "target", "host:port is wanted: %q", t.Target)
	if len(c.ms) == 0 {
		t.Target = full
	}
	c.Within("weight", t.Weight, 0, 65535)
	return c.ms
}

// withPort returns a target with Kong's default port, if it has none.
func withPort(target string) string {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		host, port = strings.Trim(target, "[]"), "8000"
	}
	return net.JoinHostPort(host, port)
}

func (ct *Certificate) check(*File) Mistakes {
	c := Checks{m: ct.at()}
	if _, err := tls.X509KeyPair([]byte(ct.Cert), []byte(ct.Key)); err != nil {
		c.Want(false, "cert", "no certificate chain with its key, in PEM") // the error may hold parts of the key
	}
	return c.ms
}

func (s *SNI) check(f *File) Mistakes {
	c := Checks{m: s.at()}
	if ct, ok := f.by("certificates", "id", "", string(s.Certificate)).(*Certificate); ok {
		if pair, err := tls.X509KeyPair([]byte(ct.Cert), []byte(ct.Key)); err == nil {
			names := pair.Leaf.DNSNames // clients would refuse it for any other
			c.Want(slices.Contains(names, s.Name) || pair.Leaf.VerifyHostname(strings.TrimPrefix(s.Name, "*.")) == nil, "name",
				"the certificate is not for %q", s.Name)
		}
	}
	c.Want(hostPattern(s.Name) && !strings.Contains(s.Name, ":"), "name", "a host name is wanted: %q", s.Name)
	return c.ms
}

func (ca *CACertificate) check(*File) Mistakes {
	c := Checks{m: ca.at()}
	block, _ := pem.Decode([]byte(ca.Cert))
	ok := block != nil
	if ok {
		cert, err := x509.ParseCertificate(block.Bytes)
		if ok = err == nil; ok {
			ca.CertDigest = fmt.Sprintf("%x", sha256.Sum256(cert.Raw))
		}
	}
	c.Want(ok, "cert", "a certificate in PEM is wanted")
	return c.ms
}

// HostPort reports whether s is a host name or address, perhaps with a port.
func HostPort(s string) bool {
	if h, port, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.Atoi(port)
		return err == nil && n > 0 && n < 65536 && hostname(h)
	}
	return hostname(s)
}

// Regexps wants regular expressions of Go's engine.
func (c *Checks) Regexps(field string, list []string) {
	for i, s := range list {
		if _, err := regexp.Compile(s); err != nil {
			c.Want(false, fmt.Sprintf("%s[%d]", field, i), "%s", regexReason(err))
		}
	}
}
