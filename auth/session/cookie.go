package session

import (
	"errors"
	"net/http"
	"strings"

	"github.com/ecolaura/rampart/auth"
)

// ErrCrossOrigin says that a request which has to do with the refresh cookie
// does not come from a page of this origin.
var ErrCrossOrigin = errors.New("session: the refresh cookie is for pages of this origin")

// hostPrefix makes browsers refuse a cookie that another host, or plain http,
// could have set (RFC 6265bis section 4.1.3.2).
const hostPrefix = "__Host-"

// maxCookie is what browsers keep of a cookie's name and value together (RFC
// 6265bis section 5.7); more is dropped without a word.
const maxCookie = 4096

// errCookieTooLarge is for claims that would make a token which browsers drop.
var errCookieTooLarge = errors.New("session: the claims make the refresh token longer than a cookie may be")

// wantCookie says what isCookieName wants.
const wantCookie = `use a cookie name that begins with "__Host-" and has at most 64 bytes, such as "__Host-refresh"`

// isCookieName reports whether name can be a cookie with the prefix.
func isCookieName(name string) bool {
	return strings.HasPrefix(name, hostPrefix) && len(name) > len(hostPrefix) && len(name) <= 64 &&
		newCookie(name, "", 0).Valid() == nil
}

// readOwnLogin reads a log-in. Another site must not be able to log its visitors
// in as somebody else, so it is guarded like the cookie that it sets.
func (s *Service) readOwnLogin(w http.ResponseWriter, r *http.Request) (loginRequest, error) {
	if s.cookie != "" {
		if err := s.checkOrigin(r); err != nil {
			return loginRequest{}, err
		}
	}
	return s.readLogin(w, r)
}

// readOwnRefresh reads the refresh token: from its cookie, if that is how it
// travels, and nowhere else then.
func (s *Service) readOwnRefresh(w http.ResponseWriter, r *http.Request) (f refreshRequest, err error) {
	if s.cookie == "" {
		return s.readRefresh(w, r)
	}
	if err := s.checkOrigin(r); err != nil {
		return f, err
	}
	cookies := r.CookiesNamed(s.cookie)
	switch {
	case len(cookies) == 0:
		return f, refused(auth.TokenMissing)
	case len(cookies) > 1 || cookies[0].Value == "":
		return f, refused(auth.TokenSource)
	}
	return refreshRequest{cookies[0].Value}, nil
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

// dropCookie takes the cookie back after a log-out: also from one whose token
// is no longer good, but not while nobody can say.
func (s *Service) dropCookie(w http.ResponseWriter, err error) {
	te, ok := errors.AsType[*auth.TokenError](err)
	if s.cookie != "" && (err == nil || ok && te.Reason != auth.TokenUnverified) {
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
