package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/ecolaura/rampart/attack"
)

// target is what the configuration describes.
func (c *config) target(log func(file string) string) (attack.Target, error) {
	login, err := c.login()
	if err != nil {
		return attack.Target{}, err
	}
	t := attack.Target{
		URL: c.URL, Header: httpHeader(c.Headers), ProxyHeader: c.ProxyHeader, PlainHTTP: httpHeader(c.PlainHTTP),
		Login: login, Alice: c.Alice.account("alice"), Bob: c.Bob.account("bob"),
		Public: c.Public, Secure: c.Secure, JWKS: c.JWKS, Refresh: c.Refresh, Logout: c.Logout, Expired: c.Expired.text,
		Scoped: requests(c.Scoped), Write: c.Write.request(), Invalid: c.Invalid, Malformed: requests(c.Malformed),
		Read: c.Read, Upload: c.Upload.request(), Guesses: c.Guesses, AccountGuesses: c.AccountGuesses, Origins: c.Origins,
		KeyPath: c.APIKey.Path, Key: c.APIKey.Key.text, KeyHeader: c.APIKey.Header, RequestID: c.RequestID, Timeouts: c.Timeouts,
	}
	for _, r := range c.Routes {
		t.Routes = append(t.Routes, attack.Route(r))
	}
	if c.HTML != "" {
		t.HTML = func(text string) string {
			quoted, err := json.Marshal(text)
			if err != nil {
				return ""
			}
			return strings.ReplaceAll(c.HTML, "{html}", string(quoted[1:len(quoted)-1]))
		}
	}
	if c.Own != nil {
		t.Own = c.Own.make
	}
	for _, l := range c.Limits {
		limit := attack.Limit{Name: l.Name, Layer: l.Layer, Request: l.request.request(), Count: l.Count, Refill: l.Refill, Keyed: l.Keyed, Bad: l.Bad}
		if l.As.Name != "" {
			account := l.As.account(l.Name)
			limit.As = &account
		}
		t.Limits = append(t.Limits, limit)
	}
	for _, b := range c.Blocked {
		t.Blocked = append(t.Blocked, attack.Blocked{Addr: b.Address, Layer: b.Layer})
	}
	for _, key := range c.APIKey.Ended {
		t.EndedKeys = append(t.EndedKeys, key.text)
	}
	if c.Log != "" {
		t.Log = func() string { return log(c.Log) }
	}
	return t, nil
}

// account is a user; one with a token alone is called otherwise.
func (u user) account(otherwise string) attack.Account {
	if u.Token.text == "" {
		return attack.Account{Name: u.Name, Password: u.Password.text}
	}
	if u.Name == "" {
		u.Name = otherwise
	}
	return attack.Account{Name: u.Name, Password: u.Token.text}
}

func (r request) request() attack.Request {
	return attack.Request{Method: r.Method, Path: r.Path, Body: r.Body, ContentType: r.ContentType, Header: httpHeader(r.Headers)}
}

func requests(all []request) (out []attack.Request) {
	for _, r := range all {
		out = append(out, r.request())
	}
	return out
}

// make is attack.Target.Own.
func (o *own) make(ctx context.Context, c *attack.Client, owner attack.Session) (attack.Request, error) {
	r := o.Create.request()
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	r.Header = authorized(r.Header, owner)
	got, err := c.Send(ctx, r)
	if err != nil {
		return attack.Request{}, err
	}
	var made map[string]any
	if got.Status >= 300 || json.Unmarshal(got.Body, &made) != nil {
		return attack.Request{}, &attack.StatusError{Status: got.Status}
	}
	member := o.Member
	if member == "" {
		member = "id"
	}
	var id string
	switch value := made[member].(type) {
	case string:
		id = value
	case float64:
		id = fmt.Sprintf("%.0f", value)
	default:
		return attack.Request{}, fmt.Errorf("the answer to own.create has no member %q", member)
	}
	use := o.Use.request()
	use.Path, use.Body = strings.ReplaceAll(use.Path, "{id}", id), strings.ReplaceAll(use.Body, "{id}", id)
	return use, nil
}

// authorized is a header with a session's credential.
func authorized(h http.Header, s attack.Session) http.Header {
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	if s.Header == nil {
		h.Set("Authorization", "Bearer "+s.Access)
	}
	maps.Copy(h, s.Header)
	return h
}

// login is how the accounts get in.
func (c *config) login() (attack.Login, error) {
	l := c.Login
	form := attack.LoginForm{
		Path: l.Path, Page: l.Page, Name: l.Name, Password: l.Password, Access: l.Access, Refresh: l.Refresh,
		CSRFField: l.CSRFField, CSRFCookie: l.CSRFCookie, CSRFHeader: l.CSRFHeader, JSON: l.JSON,
	}
	if c.Alice == (user{}) && c.Bob == (user{}) && l.Kind == "" {
		return nil, nil
	}
	switch l.Kind {
	case "json", "":
		form.JSON = true
	case "form":
	case "cookies":
		form.Cookies = true
	case "oauth2":
		return l.clientCredentials()
	case "token", "api-key":
		return l.given(), nil
	default:
		return nil, fmt.Errorf("login.kind: %q is not json, form, cookies, oauth2, token or api-key", l.Kind)
	}
	if l.Path == "" {
		return nil, errors.New("login.path: give the path that takes log-ins")
	}
	return form.Login, nil
}

// given is a log-in that needs no request: who has the token is in.
func (l login) given() attack.Login {
	return func(_ context.Context, _ *attack.Client, a attack.Account) (attack.Session, error) {
		switch {
		case strings.HasPrefix(a.Password, "attack-"): // a guess of the suite
			return attack.Session{}, errors.New("no such token")
		case l.Kind == "token":
			return attack.Session{Access: a.Password}, nil
		default:
			header := l.Header
			if header == "" {
				header = "X-API-Key"
			}
			h := http.Header{}
			h.Set(header, a.Password)
			return attack.Session{Header: h}, nil
		}
	}
}

// readLog reads the end of what a service has logged.
func readLog(file string) string {
	text, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return ""
	}
	return string(text[max(0, len(text)-maxInput):])
}
