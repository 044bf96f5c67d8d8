package plugin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// JWT asks for a token.
type JWT struct {
	HeaderNames       []string `k:"header_names"`
	CookieNames       []string `k:"cookie_names"`
	URIParamNames     []string `k:"uri_param_names"`
	KeyClaimName      string   `k:"key_claim_name"`
	ClaimsToVerify    []string `k:"claims_to_verify"`
	MaximumExpiration int      `k:"maximum_expiration"`
	Anonymous         string   `k:"anonymous"`
	RunOnPreflight    bool     `k:"run_on_preflight"`
}

func newJWT() any {
	return config(&JWT{HeaderNames: []string{"authorization"}, URIParamNames: []string{"jwt"}, KeyClaimName: "iss", RunOnPreflight: true})
}

// Inert names what Kong has and this gateway has not.
func (*JWT) Inert() map[string]string {
	return map[string]string{"secret_is_base64": "false", "realm": ""}
}

// Check looks for mistakes.
func (j *JWT) Check(c *conf.Checks, f *conf.File) {
	c.Want(len(j.HeaderNames)+len(j.CookieNames)+len(j.URIParamNames) > 0, "config.header_names", "the token has to be somewhere")
	c.Each("config.header_names", j.HeaderNames, conf.Token, "a header's name")
	c.Each("config.cookie_names", j.CookieNames, conf.Token, "a cookie's name")
	c.Want(j.KeyClaimName != "", "config.key_claim_name", "missing")
	c.Each("config.claims_to_verify", j.ClaimsToVerify, func(s string) bool { return s == "exp" || s == "nbf" }, "exp or nbf")
	c.Within("config.maximum_expiration", j.MaximumExpiration, 0, 31536000)
	c.Anonymous(j.Anonymous, f)
}

// tokenKey is a credential and its key.
type tokenKey struct {
	cred *conf.JWTSecret
	keys *auth.Keys
	log  *slog.Logger
}

func newTokenKeys(all []*conf.JWTSecret, old map[string]*tokenKey, log *slog.Logger) map[string]*tokenKey {
	out := map[string]*tokenKey{}
	for _, j := range all {
		if t := old[j.Key]; t != nil && t.cred == j {
			out[j.Key] = t
		} else if keys, err := j.VerificationKeys(); err == nil && j.Key != "" { // else conf has said so
			out[j.Key] = &tokenKey{cred: j, keys: keys, log: log}
		}
	}
	return out
}

var errTokens = errors.New("no token, or more than one")

// verifiers returns one for each credential. All layers that find a credential by
// the same claim share them.
func (e *Env) verifiers(claim string) (map[string]*auth.Verifier, error) {
	verifiers := e.checked[claim]
	if verifiers == nil {
		verifiers = map[string]*auth.Verifier{}
		e.checked[claim] = verifiers
	}
	for key, t := range e.tokens {
		if verifiers[key] != nil {
			continue
		}
		issuer, subject := "*", claim
		switch claim {
		case "iss":
			issuer, subject = key, "iss"
		case "kid": // Kong takes it from the header then
			subject = "sub"
		}
		v, err := auth.NewVerifier(auth.VerifierConfig{
			Keys: t.keys, Issuer: issuer, Audiences: []string{"*"}, SubjectClaim: subject,
			DangerouslyUntyped: true, // a credential's key is used for nothing else
			CacheSize:          1024, Logger: e.Log,
		})
		if err != nil {
			return nil, err
		}
		verifiers[key] = v
	}
	return verifiers, nil
}

// layer is package auth, with a verifier for each credential. Unlike Kong it
// always asks for the claim exp, and checks nbf.
func (j *JWT) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	verifiers, err := e.verifiers(j.KeyClaimName)
	if err != nil {
		return nil, err
	}
	in := &jwtLayer{cfg: j, env: e, verifiers: verifiers}
	anonymous := e.anonymous(j.Anonymous)
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := call.From(r.Context())
			if !j.RunOnPreflight && r.Method == http.MethodOptions || anonymous != nil && c.Credential != "" {
				next.ServeHTTP(w, r)
				return
			}
			c.Secrets = append(append(c.Secrets, j.HeaderNames...), j.URIParamNames...)
			cred, err := in.check(r)
			switch {
			case err == nil:
				e.known(c, cred.Consumer, cred.ID)
			case anonymous != nil:
				e.known(c, conf.Ref(anonymous.ID), "")
			default:
				in.refuse(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}}, nil
}

type jwtLayer struct {
	cfg       *JWT
	env       *Env
	verifiers map[string]*auth.Verifier
}

// check returns the credential of r's token.
func (j *jwtLayer) check(r *http.Request) (*conf.JWTSecret, error) {
	raw, err := j.token(r)
	if err != nil {
		return nil, err
	}
	// What the token says of itself only finds the key.
	name, err := claimedKey(raw, j.cfg.KeyClaimName)
	if err != nil {
		return nil, err
	}
	v, ok := j.verifiers[name]
	if !ok {
		return nil, &auth.TokenError{Reason: auth.TokenKey}
	}
	t, err := v.Verify(r.Context(), raw, auth.Access)
	if err != nil {
		return nil, err
	}
	if claim := j.cfg.KeyClaimName; claim != "iss" && claim != "kid" && t.Subject() != name {
		return nil, &auth.TokenError{Reason: auth.TokenNoSubject}
	}
	if slices.Contains(j.cfg.ClaimsToVerify, "nbf") { // auth checks it if it is there, and exp in any case
		var from float64
		if t.Claim("nbf", &from) != nil {
			return nil, &auth.TokenError{Reason: auth.TokenClaims}
		}
	}
	if most := time.Duration(j.cfg.MaximumExpiration) * time.Second; most > 0 && time.Until(t.Expires()) > most {
		return nil, &auth.TokenError{Reason: auth.TokenExpired}
	}
	return j.env.tokens[name].cred, nil
}

// token finds the one token.
func (j *jwtLayer) token(r *http.Request) (string, error) {
	var found []string
	if r.URL.RawQuery != "" && len(j.cfg.URIParamNames) > 0 {
		query, _ := url.ParseQuery(r.URL.RawQuery)
		for _, n := range j.cfg.URIParamNames {
			found = append(found, query[n]...)
		}
	}
	for _, n := range j.cfg.CookieNames {
		for _, c := range r.CookiesNamed(n) {
			found = append(found, c.Value)
		}
	}
	for _, n := range j.cfg.HeaderNames {
		for _, v := range r.Header.Values(n) {
			if scheme, rest, ok := strings.Cut(v, " "); ok && strings.EqualFold(scheme, "bearer") {
				found = append(found, strings.TrimSpace(rest))
			} else if !strings.EqualFold(n, "authorization") {
				found = append(found, v)
			}
		}
	}
	slices.Sort(found)
	if found = slices.Compact(found); len(found) != 1 {
		return "", errTokens
	}
	return found[0], nil
}

// claimedKey reads a claim that nobody has checked; the header's, if it is kid.
func claimedKey(raw, claim string) (string, error) {
	parts := strings.Split(raw, ".")
	if len(raw) > 8192 || len(parts) != 3 {
		return "", &auth.TokenError{Reason: auth.TokenMalformed}
	}
	segment := parts[1]
	if claim == "kid" {
		segment = parts[0]
	}
	text, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return "", &auth.TokenError{Reason: auth.TokenMalformed}
	}
	var all map[string]json.RawMessage
	var name string
	if json.Unmarshal(text, &all) != nil || json.Unmarshal(all[claim], &name) != nil {
		return "", &auth.TokenError{Reason: auth.TokenClaims}
	}
	return name, nil
}

// refuse responds alike to every bad token (RFC 6750 section 3.1).
func (j *jwtLayer) refuse(w http.ResponseWriter, r *http.Request, err error) {
	reason := "missing"
	w.Header().Set("WWW-Authenticate", "Bearer")
	if te, ok := errors.AsType[*auth.TokenError](err); ok {
		reason = string(te.Reason)
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	j.env.Events.Refused(r, rampart.AuthnLoginFail, "", slog.String("reason", reason))
	(&rampart.Problem{Status: http.StatusUnauthorized, Code: "token_not_valid"}).Write(w)
}
