package apikey

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
)

// A Key is what is known about a key; it holds neither the secret nor its
// hash. It is a value: each caller has a copy of its own.
type Key struct {
	ID        string            // names the key; part of its text, and safe to log
	Name      string            // what its owner calls it; required
	Owner     string            // whose it is: the subject of the account that made it
	Plan      string            // what it may use, for a rate limit by plan; empty: none
	Scopes    []string          // what it may do (RFC 6749 section 3.3)
	Allow     []netip.Prefix    // where it may be used from; empty: anywhere
	Meta      map[string]string // whatever the application keeps with it
	Successor string            // ID of the key that it was rotated to; empty: none
	Created   time.Time         // when it was made
	Expires   time.Time         // from then on it is refused; zero: never
	Revoked   time.Time         // when it was revoked; zero: never
	LastUsed  time.Time         // to the resolution of [Config.TouchEvery]; zero: never
}

// clone returns a copy that shares nothing with k.
func clone(k Key) Key {
	k.Scopes = slices.Clone(k.Scopes)
	k.Allow = slices.Clone(k.Allow)
	k.Meta = maps.Clone(k.Meta)
	return k
}

// state says why k is refused at the time now, or "".
func (k *Key) state(now time.Time) rampart.Denial {
	switch {
	case !k.Revoked.IsZero():
		return KeyRevoked
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return KeyExpired
	}
	return ""
}

// admits reports whether k may be used from addr. An address that cannot be told
// is admitted only by a key that may be used from anywhere.
func (k *Key) admits(addr netip.Addr) bool {
	if len(k.Allow) == 0 {
		return true
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(k.Allow, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Bounds of a Key. What is kept for years should not be a place to store files.
const (
	maxName     = 128 // bytes, as all below
	maxID       = 64
	maxOwner    = 256
	maxPlan     = 64
	maxScope    = 128
	maxScopes   = 64
	maxAllow    = 64
	maxMeta     = 32
	maxMetaText = 512
)

// An InvalidError says which fields of a [Key] cannot be stored. It echoes no
// value.
type InvalidError struct {
	Fields []rampart.FieldError // their pointers name the fields as [Keys.Admin] does
}

// Error implements error.
func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("apikey: invalid key")
	for _, f := range e.Fields {
		b.WriteString(": " + strings.TrimPrefix(f.Pointer, "#/") + ": " + f.Code)
	}
	return b.String()
}

// validate returns an [*InvalidError] if k cannot be stored.
func (k *Key) validate(now time.Time) error {
	var bad []rampart.FieldError
	wrong := func(pointer, code, detail string) {
		bad = append(bad, rampart.FieldError{Pointer: pointer, Code: code, Detail: detail})
	}
	text := func(pointer, s string, limit int) {
		if len(s) > limit {
			wrong(pointer, "max_length", "Too long.")
		} else if !printable(s) {
			wrong(pointer, "invalid", "Only printable characters.")
		}
	}
	if strings.TrimSpace(k.Name) == "" {
		wrong("#/name", "required", "This field is required.")
	}
	text("#/name", k.Name, maxName)
	text("#/owner", k.Owner, maxOwner)
	text("#/plan", k.Plan, maxPlan)
	scopes, allow := k.Scopes, k.Allow
	if len(scopes) > maxScopes {
		wrong("#/scopes", "max_length", "Too many.")
		scopes = nil
	}
	for i, s := range scopes {
		if at := "#/scopes/" + strconv.Itoa(i); !validScope(s) {
			wrong(at, "invalid", "Not a scope.")
		} else if slices.Contains(scopes[:i], s) {
			wrong(at, "unique", "Named twice.")
		}
	}
	if len(allow) > maxAllow {
		wrong("#/allow", "max_length", "Too many.")
		allow = nil
	}
	for i, p := range allow {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			wrong("#/allow/"+strconv.Itoa(i), "invalid", "Not a prefix.")
		}
	}
	if len(k.Meta) > maxMeta {
		wrong("#/meta", "max_length", "Too many.")
	}
	for name, value := range k.Meta {
		if len(name) > maxMetaText || len(value) > maxMetaText || !printable(name) || !printable(value) {
			wrong("#/meta", "invalid", "Too long, or not printable.")
			break
		}
	}
	if !k.Expires.IsZero() && (!k.Expires.After(now) || k.Expires.Year() > 9999) { // RFC 3339 has four digits
		wrong("#/expires", "invalid", "Not a time to come.")
	}
	if len(bad) > 0 {
		return &InvalidError{Fields: bad}
	}
	return nil
}

// printable reports whether s is UTF-8 without control characters and others that
// a terminal or a database would trip over.
func printable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// validScope holds s against the grammar of RFC 6749 section 3.3.
func validScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= maxScope
}

// instant brings a time into the form in which stores keep it: UTC, whole
// microseconds, rounded down so that no life is lengthened.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// validID reports whether id may be one of a key, imported ones included, so that
// nothing else that a client sends reaches the store.
func validID(id string) bool {
	return id != "" && len(id) <= maxID && strings.Trim(id, base62+"-_.") == ""
}
