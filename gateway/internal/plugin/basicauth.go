package plugin

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// BasicAuth asks for a name and a password (RFC 7617).
type BasicAuth struct {
	HideCredentials bool   `k:"hide_credentials"`
	Anonymous       string `k:"anonymous"`
	Realm           string `k:"realm"`
}

func newBasicAuth() any { return config(&BasicAuth{Realm: "service"}) }

// Inert names what Kong has and this gateway has not.
func (*BasicAuth) Inert() map[string]string {
	return map[string]string{"brute_force_protection": "strategy=off"}
}

// Check looks for mistakes.
func (b *BasicAuth) Check(c *conf.Checks, f *conf.File) {
	c.Want(b.Realm != "" && conf.Printable(b.Realm) && !strings.ContainsAny(b.Realm, `"\`), "config.realm", "printable ASCII without quotes is wanted")
	c.Anonymous(b.Anonymous, f)
}

// errCredentials says that there are none, or that they are wrong.
var errCredentials = errors.New("plugin: no name and password, or wrong ones")

// layer checks passwords against hashes. A wrong one costs the same whether there
// is such a name or not, and only so many are checked at once.
func (b *BasicAuth) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	credentials := map[string]*conf.BasicAuth{}
	for _, c := range e.File.BasicAuths {
		credentials[c.Username] = c
	}
	anonymous := e.anonymous(b.Anonymous)
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := call.From(r.Context())
			if anonymous != nil && c.Credential != "" {
				next.ServeHTTP(w, r)
				return
			}
			cred, err := b.check(r, e.Passwords, credentials)
			switch {
			case err == nil:
				e.known(c, cred.Consumer, cred.ID)
			case errors.Is(err, errCredentials) && anonymous != nil:
				e.known(c, conf.Ref(anonymous.ID), "")
			default:
				b.refuse(w, r, e, err)
				return
			}
			if b.HideCredentials {
				c.HideHeaders = append(c.HideHeaders, "Authorization", "Proxy-Authorization")
			}
			next.ServeHTTP(w, r)
		})
	}}, nil
}

// check returns the credential of r. Like Kong it looks into Proxy-Authorization
// first.
func (*BasicAuth) check(r *http.Request, passwords *Passwords, credentials map[string]*conf.BasicAuth) (*conf.BasicAuth, error) {
	name, pw, ok := basic(r.Header["Proxy-Authorization"])
	if !ok {
		name, pw, ok = basic(r.Header["Authorization"])
	}
	if !ok {
		return nil, errCredentials
	}
	cred, hash := credentials[name], ""
	if cred != nil {
		hash = cred.Password
	}
	ok, err := passwords.Check(r.Context(), name, pw, hash)
	switch {
	case err != nil:
		return nil, err
	case !ok || cred == nil:
		return nil, errCredentials
	}
	return cred, nil
}

// basic reads the one header of RFC 7617.
func basic(values []string) (name, pw string, ok bool) {
	if len(values) != 1 {
		return "", "", false
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || !strings.EqualFold(scheme, "basic") {
		return "", "", false
	}
	name, pw, ok = strings.Cut(string(plain), ":")
	return name, pw, ok && name != ""
}

// refuse responds alike to a wrong name and a wrong password.
func (b *BasicAuth) refuse(w http.ResponseWriter, r *http.Request, e *Env, err error) {
	if errors.Is(err, errCredentials) {
		e.Events.Refused(r, rampart.AuthnLoginFail, "", slog.String("reason", "credentials"))
		w.Header().Set("WWW-Authenticate", `Basic realm="`+b.Realm+`", charset="UTF-8"`)
		(&rampart.Problem{Status: http.StatusUnauthorized, Code: "not_authenticated"}).Write(w)
		return
	}
	if !errors.Is(err, password.ErrBusy) { // a hash that cannot be read, or a client that has gone
		e.Log.LogAttrs(r.Context(), slog.LevelError, "basic-auth failed", slog.String("error", err.Error()))
	}
	w.Header().Set("Retry-After", "1")
	(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "busy"}).Write(w)
}
