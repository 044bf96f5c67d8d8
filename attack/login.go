package attack

import (
	"context"
	"encoding/json"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A Login logs an account in, with requests of the client. It returns a
// [*StatusError] if the service refuses.
type Login = func(ctx context.Context, c *Client, a Account) (Session, error)

// JSONLogin returns a Login that posts {"username", "password"} to path and
// expects {"access", "refresh"}.
func JSONLogin(path string) Login {
	return LoginForm{Path: path, JSON: true}.Login
}

// A LoginForm says how to log in. Its zero values are what Django has.
type LoginForm struct {
	Path     string // that takes the POST
	JSON     bool   // a JSON object is sent, not a form
	Name     string // field of the account's name; "" means username
	Password string // field of the password; "" means password

	// Access and Refresh are the members of the response that hold the tokens; ""
	// means access (or access_token, token) and refresh (or refresh_token).
	Access, Refresh string

	// Cookies says that the session is in the cookies that the response sets. Page,
	// if there is one, is fetched before; it gives the token against forged
	// requests in a hidden field, CSRFField, or in a cookie, CSRFCookie. The token
	// goes back in that field and, now and later, in the header CSRFHeader.
	Cookies    bool
	Page       string
	CSRFField  string // "" means csrfmiddlewaretoken
	CSRFCookie string // "" means csrftoken
	CSRFHeader string // "" means X-CSRFToken
}

// Login is a [Login].
func (f LoginForm) Login(ctx context.Context, c *Client, a Account) (Session, error) {
	jar := cookies{}
	for pair := range strings.SplitSeq(c.extra.Get("Cookie"), "; ") { // planted by the suite
		if name, value, ok := strings.Cut(pair, "="); ok {
			jar[name] = value
		}
	}
	fields := map[string]string{or(f.Name, "username"): a.Name, or(f.Password, "password"): a.Password}
	token := ""
	if f.Cookies && f.Page != "" {
		got, err := c.Send(ctx, Request{Path: f.Page, Header: jar.header()})
		if err != nil {
			return Session{}, err
		}
		jar.take(got)
		token = or(hidden(got.Body, or(f.CSRFField, "csrfmiddlewaretoken")), jar[or(f.CSRFCookie, "csrftoken")])
		if token != "" {
			fields[or(f.CSRFField, "csrfmiddlewaretoken")] = token
		}
	}
	before := jar.clone()
	r := Request{Method: http.MethodPost, Path: f.Path, Header: f.header(c, jar, token)}
	if f.JSON {
		body, err := json.Marshal(fields)
		if err != nil {
			return Session{}, err
		}
		r.Body = string(body)
	} else {
		form := url.Values{}
		for name, value := range fields {
			form.Set(name, value)
		}
		r.Body, r.ContentType = form.Encode(), "application/x-www-form-urlencoded"
	}
	got, err := c.Send(ctx, r)
	if err != nil {
		return Session{}, err
	}
	jar.take(got)
	if got.Status >= 400 {
		return Session{}, &StatusError{Status: got.Status}
	}
	if !f.Cookies {
		return f.tokens(got)
	}
	if !jar.begun(before, or(f.CSRFCookie, "csrftoken")) {
		return Session{}, &StatusError{Status: got.Status}
	}
	return Session{Header: f.header(c, jar, or(jar[or(f.CSRFCookie, "csrftoken")], token))}, nil
}

// header is what the page of the form would send.
func (f LoginForm) header(c *Client, jar cookies, token string) http.Header {
	h := jar.header()
	if !f.Cookies {
		return h
	}
	if token != "" {
		h.Set(or(f.CSRFHeader, "X-CSRFToken"), token)
	}
	h.Set("Origin", c.scan.origin())
	h.Set("Referer", c.scan.origin()+"/")
	return h
}

// tokens reads a response in JSON.
func (f LoginForm) tokens(got Response) (Session, error) {
	var all map[string]any
	if json.Unmarshal(got.Body, &all) != nil {
		return Session{}, &StatusError{Status: got.Status}
	}
	pick := func(names ...string) string {
		for _, name := range names {
			if text, ok := all[name].(string); ok && name != "" {
				return text
			}
		}
		return ""
	}
	session := Session{Access: pick(f.Access, "access", "access_token", "token"), Refresh: pick(f.Refresh, "refresh", "refresh_token")}
	if session.Access == "" {
		return Session{}, &StatusError{Status: got.Status}
	}
	return session, nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// origin is the target's own, as its pages send it.
func (s *scan) origin() string {
	host, scheme := or(s.target.Header.Get("Host"), s.base.Host), s.base.Scheme
	if strings.EqualFold(s.target.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + host
}

// cookies are what a browser would have kept of a log-in.
type cookies map[string]string

func (j cookies) take(r Response) {
	for _, line := range r.Header["Set-Cookie"] {
		cookie, err := http.ParseSetCookie(line)
		switch {
		case err != nil:
		case cookie.MaxAge < 0 || cookie.Value == "":
			delete(j, cookie.Name)
		default:
			j[cookie.Name] = cookie.Value
		}
	}
}

func (j cookies) clone() cookies {
	return maps.Clone(j)
}

func (j cookies) header() http.Header {
	h := http.Header{}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(j)) {
		pairs = append(pairs, name+"="+j[name])
	}
	if len(pairs) > 0 {
		h.Set("Cookie", strings.Join(pairs, "; "))
	}
	return h
}

// begun reports whether a cookie is new that is not the one against forged requests.
func (j cookies) begun(before cookies, csrf string) bool {
	for name, value := range j {
		if name != csrf && before[name] != value {
			return true
		}
	}
	return false
}

var (
	input     = regexp.MustCompile(`(?is)<input\b[^>]*>`)                                         // read-only
	attribute = regexp.MustCompile(`(?is)\b(name|value)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))`) // read-only
)

// hidden returns the value of a field of a form.
func hidden(page []byte, field string) string {
	for _, tag := range input.FindAll(page, 100) {
		found := map[string]string{}
		for _, m := range attribute.FindAllSubmatch(tag, 20) {
			found[strings.ToLower(string(m[1]))] = html.UnescapeString(string(m[2]) + string(m[3]) + string(m[4]))
		}
		if found["name"] == field {
			return found["value"]
		}
	}
	return ""
}
