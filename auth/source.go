package auth

import (
	"errors"
	"net/http"
	"strings"

	"github.com/ecolaura/rampart/internal/jose"
)

// ErrNoToken says that a request carries no token at all: for
// [Verifier.Optional] it is anonymous.
var ErrNoToken = errors.New("auth: no token")

// errBadSource says that what carries the token is malformed, or that there is
// more than one.
var errBadSource = errors.New("auth: malformed or repeated credentials")

// FromHeader takes the token from the one header field Authorization: Bearer
// (RFC 6750 section 2.1). The scheme's name is matched in any case (RFC 9110
// section 11.1). Another scheme is no token; two header fields are refused
// (which of them would a proxy have looked at?).
func FromHeader(r *http.Request) (string, error) { return bearer(r, jose.MaxToken) }

const (
	scheme    = "Bearer "
	maxSpaces = 8 // further ones before a token; the grammar has no bound
)

// bearer is FromHeader for tokens up to that length. What is longer is not looked
// at: net/http takes a megabyte.
func bearer(r *http.Request, limit int) (string, error) {
	lines := r.Header["Authorization"]
	switch {
	case len(lines) == 0:
		return "", ErrNoToken
	case len(lines) > 1:
		return "", errBadSource
	}
	line := lines[0]
	switch {
	case len(line) < len(scheme) && strings.EqualFold(line, scheme[:len(scheme)-1]):
		return "", errBadSource // nothing after the name
	case len(line) >= len(scheme) && line[len(scheme)-1] == '\t' && strings.EqualFold(line[:len(scheme)-1], scheme[:len(scheme)-1]):
		return "", errBadSource // some servers take the tab for a space
	case len(line) < len(scheme) || !strings.EqualFold(line[:len(scheme)], scheme):
		return "", ErrNoToken
	case len(line) > len(scheme)+limit:
		return "", refused(TokenTooLarge)
	}
	raw := line[len(scheme):]
	for n := 0; n < maxSpaces && strings.HasPrefix(raw, " "); n++ {
		raw = raw[1:]
	}
	// Byte by byte of what is looked for: ContainsAny goes by those of raw.
	if raw == "" || strings.IndexByte(raw, ' ') >= 0 || strings.IndexByte(raw, '\t') >= 0 || strings.IndexByte(raw, ',') >= 0 {
		return "", errBadSource
	}
	return raw, nil
}

// maxCookies bounds the cookies that are searched for a token; browsers send far
// less.
const maxCookies = 64 << 10

// FromCookie takes the token from the one cookie of that name. A request that
// has it twice, or a bearer token beside it, is refused; a bearer token alone is
// for a layer of its own (see [rampart.Credentials]). Browsers send
// cookies with requests that other sites cause: put protection against
// cross-site requests around the handler ([http.CrossOriginProtection]).
func FromCookie(name string) func(*http.Request) (string, error) {
	return func(r *http.Request) (string, error) {
		_, headerErr := FromHeader(r)
		size := 0
		for _, line := range r.Header["Cookie"] {
			size += len(line)
		}
		if size > maxCookies {
			return "", errBadSource
		}
		cookies := r.CookiesNamed(name)
		switch {
		case len(cookies) == 0:
			return "", ErrNoToken
		case len(cookies) != 1 || !errors.Is(headerErr, ErrNoToken) || cookies[0].Value == "":
			return "", errBadSource
		}
		return cookies[0].Value, nil
	}
}

// sourceRefused makes a [*TokenError] of what a source returned.
func (v *Verifier) sourceRefused(err error) error {
	if _, ok := errors.AsType[*TokenError](err); ok {
		return err
	}
	reason := TokenSource
	if errors.Is(err, ErrNoToken) {
		reason = TokenMissing
	}
	return &TokenError{Reason: reason, django: v.django}
}
