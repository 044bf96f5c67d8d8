package conf

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
)

func (j *JWTSecret) check(*File) Mistakes {
	c := checks{m: j.at()}
	c.want(j.Key != "", "key", "missing")
	if _, err := j.VerificationKeys(); err != nil {
		c.want(false, "algorithm", "%s", err.Error())
	}
	return c.ms
}

// VerificationKeys returns the key with which tokens of j are checked.
func (j *JWTSecret) VerificationKeys() (*auth.Keys, error) {
	alg := auth.Algorithm(j.Algorithm)
	var key *auth.Key
	var err error
	if strings.HasPrefix(j.Algorithm, "HS") {
		key, err = auth.NewKey(alg, "", []byte(j.Secret))
	} else {
		key, err = auth.ParseKey(alg, "", []byte(j.PublicKey))
	}
	if err != nil {
		return nil, err
	}
	return auth.NewKeys(key)
}

func (p *Plugin) check(f *File) Mistakes {
	c := checks{m: p.at()}
	if p.Config == nil {
		c.want(false, "name", "there is no plugin %q; known are %s", p.Name, strings.Join(PluginNames(), ", "))
		return c.ms
	}
	if reflect.TypeOf(p.Config) != reflect.TypeOf(NewConfig(p.Name)) { // it would run as the old one, in the new one's place
		c.want(false, "name", "a plugin does not become another: remove it and make a new one")
		return c.ms
	}
	c.want(p.InstanceName == "" || name(p.InstanceName), "instance_name", "letters, digits and -._~ are wanted")
	c.each("protocols", p.Protocols, func(s string) bool {
		return slices.Contains([]string{"http", "https", "grpc", "grpcs", "ws", "wss"}, s)
	}, "http or https")
	c.want(len(p.Protocols) > 0, "protocols", "missing")
	if p.Consumer != "" {
		c.want(forConsumer(p.Name), "consumer", "%s cannot be for a consumer: it runs before one is known, or for all", p.Name)
	}
	for _, o := range f.Plugins {
		if o == p {
			break
		}
		c.want(o.Name != p.Name || o.Service != p.Service || o.Route != p.Route || o.Consumer != p.Consumer, "name",
			"a second %s for the same requests", p.Name)
	}
	if cfg, ok := p.Config.(interface{ check(*checks, *File) }); ok {
		cfg.check(&c, f)
	}
	return c.ms
}

func forConsumer(plugin string) bool {
	switch plugin {
	case "rate-limiting", "usage-plan", "request-size-limiting", "request-termination", "ip-restriction":
		return true
	}
	return false
}

func (r *RateLimiting) check(c *checks, _ *File) {
	periods := []struct {
		name  string
		count int
	}{{"second", r.Second}, {"minute", r.Minute}, {"hour", r.Hour}, {"day", r.Day}, {"month", r.Month}, {"year", r.Year}}
	last := 0
	for _, p := range periods {
		c.within("config."+p.name, p.count, 0, 1<<31-1)
		if p.count > 0 {
			c.want(p.count >= last, "config."+p.name, "less than the limit of a shorter period")
			last = p.count
		}
	}
	c.want(last > 0, "config", "at least one of second, minute, hour, day, month and year is wanted")
	c.oneOf("config.limit_by", r.LimitBy, "consumer", "credential", "ip", "service", "header", "path")
	c.want(r.LimitBy != "header" || token(r.HeaderName), "config.header_name", "limit_by header needs one")
	c.want(r.LimitBy != "path" || path(r.Path), "config.path", "limit_by path needs one")
	c.want(r.Policy == "local" || r.Policy == "redis", "config.policy", "must be local or redis; there is no cluster here")
	c.within("config.error_code", r.ErrorCode, 400, 599)
}

func (k *KeyAuthConfig) check(c *checks, f *File) {
	c.want(len(k.KeyNames) > 0, "config.key_names", "missing")
	c.each("config.key_names", k.KeyNames, token, "a header's name")
	c.want(k.KeyInHeader || k.KeyInQuery, "config.key_in_header", "the key has to be somewhere")
	c.anonymous(k.Anonymous, f)
}

func (c *checks) anonymous(who string, f *File) {
	k, _ := KindNamed("consumers")
	c.want(who == "" || k.Find(f, who) != nil, "config.anonymous", "there is no consumer %q", who)
}

func (j *JWT) check(c *checks, f *File) {
	c.want(len(j.HeaderNames)+len(j.CookieNames)+len(j.URIParamNames) > 0, "config.header_names", "the token has to be somewhere")
	c.each("config.header_names", j.HeaderNames, token, "a header's name")
	c.each("config.cookie_names", j.CookieNames, token, "a cookie's name")
	c.want(j.KeyClaimName != "", "config.key_claim_name", "missing")
	c.each("config.claims_to_verify", j.ClaimsToVerify, func(s string) bool { return s == "exp" || s == "nbf" }, "exp or nbf")
	c.within("config.maximum_expiration", j.MaximumExpiration, 0, 31536000)
	c.anonymous(j.Anonymous, f)
}

func (a *ACLConfig) check(c *checks, _ *File) {
	c.want((len(a.Allow) > 0) != (len(a.Deny) > 0), "config", "one of allow and deny is wanted")
}

func (i *IPRestriction) check(c *checks, _ *File) {
	c.want(len(i.Allow)+len(i.Deny) > 0, "config", "at least one of allow and deny is wanted")
	prefix := func(s string) bool { _, err := Prefix(s); return err == nil }
	c.each("config.allow", i.Allow, prefix, "an address or prefix")
	c.each("config.deny", i.Deny, prefix, "an address or prefix")
	c.want(i.Status == 0 || i.Status >= 400 && i.Status <= 599, "config.status", "must be from 400 to 599")
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

func (k *CORS) check(c *checks, _ *File) {
	c.want(len(k.Origins) > 0, "config.origins", "missing: Kong would take that for every origin; write [\"*\"] if it is meant")
	c.want(!k.PreflightContinue, "config.preflight_continue", "preflights are always answered here")
	c.within("config.max_age", k.MaxAge, 0, 86400)
	if len(k.Origins) > 0 {
		_, err := cors.New(k.Settings())
		c.config(err)
	}
}

// config takes over what a package of rampart says of its Config.
func (c *checks) config(err error) {
	for m := range rampart.Mistakes(err) {
		c.want(false, "config."+strings.ToLower(m.Field), "%s: %q", strings.ReplaceAll(m.Reason, "_", " "), m.Value)
	}
}

// Settings returns what package cors makes of k. Kong without headers grants
// whatever a preflight asks for; TRACE and CONNECT no browser asks for.
func (k *CORS) Settings() cors.Config {
	allowed := slices.Clone(k.Headers)
	if len(allowed) == 0 {
		allowed = []string{"*", "Authorization"}
	}
	return cors.Config{
		Origins: k.Origins, Credentials: k.Credentials, RequestHeaders: allowed, ResponseHeaders: k.ExposedHeaders,
		Methods: slices.DeleteFunc(slices.Clone(k.Methods), func(m string) bool { return m == "TRACE" || m == "CONNECT" }),
		MaxAge:  time.Duration(k.MaxAge) * time.Second, PrivateNetwork: k.PrivateNetwork,
	}
}

func (r *RequestSizeLimiting) check(c *checks, _ *File) {
	c.oneOf("config.size_unit", r.SizeUnit, "megabytes", "kilobytes", "bytes")
	c.within("config.allowed_payload_size", r.AllowedPayloadSize, 1, 1<<31-1)
}

func (r *ResponseTransformer) check(c *checks, _ *File) {
	c.each("config.remove.headers", r.Remove.Headers, token, "a header's name")
	pair := func(s string) bool {
		name, value, ok := strings.Cut(s, ":")
		return ok && token(name) && printable(value)
	}
	for _, l := range []struct {
		name string
		list []string
	}{{"replace", r.Replace.Headers}, {"add", r.Add.Headers}, {"append", r.Append.Headers}, {"rename", r.Rename.Headers}} {
		c.each("config."+l.name+".headers", l.list, pair, "name:value")
	}
}

func (s *SecurityHeaders) check(c *checks, _ *File) {
	c.oneOf("config.preset", s.Preset, "api", "web")
	c.within("config.hsts_max_age", s.HSTSMaxAge, 0, 1<<31-1)
	_, err := headers.New(s.Settings())
	c.config(err)
}

// Settings returns what package headers makes of s. Hosts and https are the
// routes' business.
func (s *SecurityHeaders) Settings() headers.Config {
	cfg := headers.Config{
		Preset:       headers.PresetAPI,
		FrameOptions: s.FrameOptions, ReferrerPolicy: s.ReferrerPolicy, CacheControl: s.CacheControl,
		Cookies:            headers.Cookies{Off: !s.HardenCookies},
		DangerouslyAnyHost: true, DangerouslyAllowHTTP: true,
	}
	if s.Preset == "web" {
		cfg.Preset = headers.PresetWeb
	}
	cfg.HSTS.MaxAge = time.Duration(s.HSTSMaxAge) * time.Second
	return cfg
}

func (r *RequestTermination) check(c *checks, _ *File) {
	c.within("config.status_code", r.StatusCode, 200, 599) // 1xx is no answer
	c.want(r.Body == "" || r.Message == "", "config.message", "message and body exclude each other")
	c.want(r.Body != "" || r.ContentType == "", "config.content_type", "goes with body")
	c.want(!r.Echo, "config.echo", "not known here: it shows a request to whoever sent it")
}

func (r *CorrelationID) check(c *checks, _ *File) {
	c.want(token(r.HeaderName), "config.header_name", "a header's name is wanted")
	c.oneOf("config.generator", r.Generator, "uuid", "uuid#counter", "tracker")
}

func (u *UsagePlan) check(c *checks, _ *File) {
	c.within("config.rate", u.Rate, 0, 1<<31-1)
	c.within("config.burst", u.Burst, 0, 1<<31-1)
	c.within("config.quota_day", u.QuotaDay, 0, 1<<31-1)
	c.within("config.quota_month", u.QuotaMonth, 0, 1<<31-1)
	c.want(u.Rate+u.QuotaDay+u.QuotaMonth > 0, "config", "at least one of rate, quota_day and quota_month is wanted")
	c.want(u.Burst == 0 || u.Rate > 0, "config.burst", "goes with rate")
	c.want(u.Policy == "local" || u.Policy == "redis", "config.policy", "must be local or redis")
}
