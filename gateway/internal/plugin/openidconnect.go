package plugin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// OpenIDConnect asks for an access token of an issuer. Of Kong's plugin it is the
// part that checks bearer tokens: it logs nobody in.
type OpenIDConnect struct {
	Issuer                string   `k:"issuer"`
	AuthMethods           []string `k:"auth_methods"`
	BearerTokenParamType  []string `k:"bearer_token_param_type"`
	AudienceRequired      []string `k:"audience_required"` // one of them
	ScopesRequired        []string `k:"scopes_required"`   // one of them; "a b" is both
	ScopesClaim           []string `k:"scopes_claim"`
	ConsumerClaim         []string `k:"consumer_claim"`
	ConsumerBy            []string `k:"consumer_by"`
	ConsumerOptional      bool     `k:"consumer_optional"`
	Anonymous             string   `k:"anonymous"`
	HideCredentials       bool     `k:"hide_credentials"`
	RunOnPreflight        bool     `k:"run_on_preflight"`
	Leeway                int      `k:"leeway"` // seconds
	UpstreamHeadersClaims []string `k:"upstream_headers_claims"`
	UpstreamHeadersNames  []string `k:"upstream_headers_names"`
	Profile               string   `k:"profile"` // ours: what the issuer's access tokens look like
}

func newOpenIDConnect() any {
	return config(&OpenIDConnect{
		BearerTokenParamType: []string{"header"}, ScopesClaim: []string{"scope"}, ConsumerBy: []string{"username", "custom_id"}, RunOnPreflight: true,
	})
}

// Inert names what Kong has and this gateway has not.
func (*OpenIDConnect) Inert() map[string]string {
	return map[string]string{"ssl_verify": "true", "consumer_groups_optional": "false", "display_errors": "false", "using_pseudo_issuer": "false"}
}

// profiles are what auth knows of issuers' access tokens.
func profiles() map[string]func() auth.VerifierConfig {
	return map[string]func() auth.VerifierConfig{
		"": anyIssuer, "rfc9068": auth.RFC9068, "keycloak": auth.Keycloak, "auth0": auth.Auth0, "okta": auth.Okta, "cognito": auth.Cognito,
		"entra": auth.Entra, "entra-v1": auth.EntraV1,
	}
}

// anyIssuer takes any token for the audience but those with claims of ID and
// log-out tokens.
func anyIssuer() auth.VerifierConfig {
	return auth.VerifierConfig{
		HeaderTypes: []string{"JWT", "at+jwt"}, DangerouslyUntyped: true, // the audience is this API's alone
		RefusedClaims: []string{"nonce", "at_hash", "c_hash", "events"},
	}
}

// Check looks for mistakes.
func (p *OpenIDConnect) Check(c *conf.Checks, f *conf.File) {
	c.Want(slices.Equal(p.AuthMethods, []string{"bearer"}), "config.auth_methods", `only bearer tokens are known here: write ["bearer"]`)
	c.Want(slices.Equal(p.BearerTokenParamType, []string{"header"}), "config.bearer_token_param_type", `a token is taken from its header alone: write ["header"]`)
	c.Want(len(p.AudienceRequired) > 0, "config.audience_required", "missing: a token for another API would do")
	c.Each("config.audience_required", p.AudienceRequired, func(s string) bool { return s != "" && s != "*" }, "the name of this API")
	c.Each("config.scopes_required", p.ScopesRequired, func(s string) bool { return strings.TrimSpace(s) != "" }, "a scope")
	c.Within("config.leeway", p.Leeway, 0, 300)
	c.Want(len(p.ConsumerClaim) < 2, "config.consumer_claim", "one claim is wanted: a path into claims is not known here")
	c.Each("config.consumer_by", p.ConsumerBy, func(s string) bool { return slices.Contains([]string{"id", "username", "custom_id"}, s) }, "id, username or custom_id")
	c.Want(len(p.UpstreamHeadersClaims) == len(p.UpstreamHeadersNames), "config.upstream_headers_names", "as many as upstream_headers_claims are wanted")
	c.Each("config.upstream_headers_names", p.UpstreamHeadersNames, func(s string) bool { return headerName(s, opAdd) == nil }, "the name of a header that the gateway does not write by itself")
	c.Anonymous(p.Anonymous, f)
	known := profiles()[p.Profile] != nil
	c.Want(known, "config.profile", "must be one of rfc9068, keycloak, auth0, okta, cognito, entra, entra-v1")
	if len(p.AudienceRequired) > 0 && known {
		ended, end := context.WithCancel(context.Background())
		end() // so that nobody is asked: its mistakes come first
		_, err := auth.OpenID(ended, p.settings())
		c.Config(err, conf.Naming{"Issuer": "issuer", "Audience": "audience_required", "MetadataURL": "issuer"})
	}
}

// settings returns what package auth makes of p. Like Kong's, issuer may be the
// address of the metadata.
func (p *OpenIDConnect) settings() auth.OpenIDConfig {
	cfg := auth.OpenIDConfig{Issuer: p.Issuer, Leeway: time.Duration(p.Leeway) * time.Second, Profile: anyIssuer()}
	if p.Leeway == 0 {
		cfg.Leeway = -1
	}
	if profile := profiles()[p.Profile]; profile != nil {
		cfg.Profile = profile()
	}
	cfg.Profile.Audiences = p.AudienceRequired
	if !slices.Equal(p.ScopesClaim, []string{"scope"}) || cfg.Profile.ScopeClaims == nil {
		cfg.Profile.ScopeClaims = p.ScopesClaim
	}
	if before, ok := strings.CutSuffix(p.Issuer, "/.well-known/openid-configuration"); ok {
		cfg.Issuer, cfg.MetadataURL = before, p.Issuer
	}
	return cfg
}

// layer is package auth with the issuer's keys.
func (p *OpenIDConnect) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	from, release, err := e.Issuers.use(p, e.Log)
	if err != nil {
		return nil, err
	}
	in := &openID{p, e, from}
	anonymous := e.anonymous(p.Anonymous)
	return &Layer{close: release, Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := call.From(r.Context())
			if !p.RunOnPreflight && r.Method == http.MethodOptions || anonymous != nil && c.Credential != "" {
				next.ServeHTTP(w, r)
				return
			}
			err := in.check(r, c)
			if err != nil && anonymous != nil && !errors.Is(err, errNoKeys) && !unverified(err) {
				e.known(c, conf.Ref(anonymous.ID), "")
				err = nil
			}
			if err != nil {
				in.refuse(w, r, err)
				return
			}
			c.HideHeaders = append(c.HideHeaders, p.UpstreamHeadersNames...) // a client's own
			if p.HideCredentials {
				c.HideHeaders = append(c.HideHeaders, "Authorization")
			}
			next.ServeHTTP(w, r)
		})
	}}, nil
}

type openID struct {
	cfg  *OpenIDConnect
	env  *Env
	from *issuer
}

var (
	errNoKeys   = errors.New("plugin: the issuer has not answered yet")
	errConsumer = errors.New("plugin: the token is of no consumer")
	errScope    = errors.New("plugin: the token lacks a scope")
)

func unverified(err error) bool {
	te, ok := errors.AsType[*auth.TokenError](err)
	return ok && te.Reason == auth.TokenUnverified
}

// check notes who calls.
func (o *openID) check(r *http.Request, c *call.Call) error {
	v := o.from.verifier.Load()
	if v == nil {
		return errNoKeys
	}
	t, err := v.Check(r)
	if err != nil {
		return err
	}
	if len(o.cfg.ScopesRequired) > 0 && !slices.ContainsFunc(o.cfg.ScopesRequired, func(all string) bool {
		return !slices.ContainsFunc(strings.Fields(all), func(s string) bool { return !t.HasScope(s) })
	}) {
		return errScope
	}
	credential := "openid-connect/" + t.Subject()
	if !conf.Printable(credential) {
		return errConsumer // it becomes a header
	}
	consumer := o.consumer(t)
	switch {
	case consumer != nil:
		o.env.known(c, conf.Ref(consumer.ID), credential)
	case len(o.cfg.ConsumerClaim) > 0 && !o.cfg.ConsumerOptional:
		return errConsumer
	default:
		c.Credential = credential
	}
	for i, claim := range o.cfg.UpstreamHeadersClaims {
		var text string
		if t.Claim(claim, &text) == nil && fitsHeader(text) {
			c.SetHeaders = append(c.SetHeaders, o.cfg.UpstreamHeadersNames[i], text)
		}
	}
	return nil
}

// consumer returns the consumer that a token's claim names.
func (o *openID) consumer(t *auth.Token) *conf.Consumer {
	var name string
	if len(o.cfg.ConsumerClaim) == 0 || t.Claim(o.cfg.ConsumerClaim[0], &name) != nil || name == "" {
		return nil
	}
	for _, by := range o.cfg.ConsumerBy {
		if c := o.env.consumerBy[by][name]; c != nil {
			return c
		}
	}
	return nil
}

// refuse responds as RFC 6750 section 3 has it.
func (o *openID) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var reason string
	event := rampart.AuthnLoginFail
	p := &rampart.Problem{Status: http.StatusForbidden, Code: "permission_denied"}
	te, ok := errors.AsType[*auth.TokenError](err)
	switch {
	case ok:
		p, reason = te.Problem(), string(te.Reason)
	case errors.Is(err, errNoKeys):
		p, reason = &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "issuer_unavailable"}, "issuer_unavailable"
	case errors.Is(err, errScope):
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		p.Code, event, reason = "insufficient_scope", rampart.AuthzFail, "scope"
	default:
		event, reason = rampart.AuthzFail, "consumer"
	}
	o.env.Events.Refused(r, event, "", slog.String("reason", reason))
	p.Write(w)
}
