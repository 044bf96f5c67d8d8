package auth

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// ErrCrossOrigin says that a request which has to do with the refresh cookie
// does not come from a page of this origin.
var ErrCrossOrigin = errors.New("auth: the refresh cookie is for pages of this origin")

// hostPrefix makes browsers refuse a cookie that another host, or plain http,
// could have set (RFC 6265bis section 4.1.3.2).
const hostPrefix = "__Host-"

// maxCookie is what browsers keep of a cookie's name and value together (RFC
// 6265bis section 5.7); more is dropped without a word.
const maxCookie = 4096

// errCookieTooLarge is for claims that would make a token which browsers drop.
var errCookieTooLarge = errors.New("auth: the claims make the refresh token longer than a cookie may be")

// wantCookie says what isCookieName wants.
const wantCookie = `use a cookie name that begins with "__Host-" and has at most 64 bytes, such as "__Host-refresh"`

// isCookieName reports whether name can be a cookie with the prefix.
func isCookieName(name string) bool {
	return strings.HasPrefix(name, hostPrefix) && len(name) > len(hostPrefix) && len(name) <= 64 &&
		newCookie(name, "", 0).Valid() == nil
}

// A formReader returns the named fields of a request.
type formReader func(w http.ResponseWriter, r *http.Request) ([]string, error)

// fields reads the named fields of the body.
func fields(names ...string) formReader {
	return func(w http.ResponseWriter, r *http.Request) ([]string, error) { return readForm(w, r, names...) }
}

// readLogin reads a log-in. Another site must not be able to log its visitors
// in as somebody else, so it is guarded like the cookie that it sets.
func (s *Service) readLogin(w http.ResponseWriter, r *http.Request) ([]string, error) {
	if s.cookie != "" {
		if err := s.checkOrigin(r); err != nil {
			return nil, err
		}
	}
	return readForm(w, r, "username", "password")
}

// readRefresh reads the refresh token: from its cookie, if that is how it
// travels, and nowhere else then.
func (s *Service) readRefresh(w http.ResponseWriter, r *http.Request) ([]string, error) {
	if s.cookie == "" {
		return readForm(w, r, "refresh")
	}
	if err := s.checkOrigin(r); err != nil {
		return nil, err
	}
	cookies := r.CookiesNamed(s.cookie)
	switch {
	case len(cookies) == 0:
		return nil, refused(TokenMissing)
	case len(cookies) > 1 || cookies[0].Value == "":
		return nil, refused(TokenSource)
	}
	return []string{cookies[0].Value}, nil
}

// checkOrigin refuses what no page of this origin sends. CrossOriginProtection
// lets requests pass that have neither header; since 2020 no browser sends a
// POST without both, so nothing that holds the cookie is shut out.
func (s *Service) checkOrigin(r *http.Request) error {
	unmarked := r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == ""
	if unmarked || s.crossOrigin.Check(r) != nil {
		return ErrCrossOrigin
	}
	return nil
}

// intoCookie takes the refresh token out of an answer's members and sends it as
// the cookie, so that no script ever holds it.
func (s *Service) intoCookie(w http.ResponseWriter, members map[string]string) {
	if s.cookie == "" || members["refresh"] == "" {
		return
	}
	http.SetCookie(w, newCookie(s.cookie, members["refresh"], int(s.refreshTTL/time.Second)))
	delete(members, "refresh")
	delete(members, "refresh_token")
}

// dropCookie takes the cookie back after a log-out: also from one whose token
// is no longer good, but not while nobody can say.
func (s *Service) dropCookie(w http.ResponseWriter, err error) {
	te, ok := errors.AsType[*TokenError](err)
	if s.cookie != "" && (err == nil || ok && te.Reason != TokenUnverified) {
		http.SetCookie(w, newCookie(s.cookie, "", -1))
	}
}

func newCookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   maxAge,
		Secure:   true,
		HttpOnly: true,
		SameSite: http.SameSiteStrictMode,
	}
}
