package apikey

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/token"
)

// A Config configures [Keys]. Store and Prefix are required.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Store keeps the keys: a [MemoryStore], package apikeysql, or your own.
	Store Store

	// Prefix begins every key, such as "eco_live": 2 to 32 lower-case letters,
	// digits and single underscores. Take one for each environment, so that a
	// test key is seen for what it is.
	Prefix string

	// Peppers are secrets, of 16 bytes or more, kept outside the database: keys
	// are stored as HMAC-SHA256 under the first and accepted under any, and
	// stored anew under the first when used. An empty last one accepts keys
	// from the time before there was a pepper. None: SHA-256.
	Peppers [][]byte

	// CacheTTL is how long what the store said of a key is believed, and so the
	// longest that a revocation or rotation by another process goes unseen here,
	// whatever happens to the feed. Those by this process, or told to
	// [Keys.Invalidate], count at once. 0: the store is asked each time.
	CacheTTL time.Duration

	// OwnerScopes returns the scopes that the owner of a key has now: a key has
	// those of its own that its owner has, too, so that it does not outlive the
	// rights that it was made with. It is asked together with the store, so an
	// result counts for CacheTTL, or until [Keys.Invalidate]; an error is a
	// 503. Keys without an owner are not asked about. nil: a key keeps the scopes
	// that it was made with.
	OwnerScopes func(ctx context.Context, owner string) ([]string, error)

	// Feed tells the caches of every instance of what is revoked or rotated,
	// within its poll (half a second by default). While it is down, CacheTTL
	// is the bound. An instance without a cache needs it too, to tell others.
	// nil: this process only.
	Feed rampart.Feed

	// TouchEvery is the resolution of [Key.LastUsed], which is written in
	// batches this far apart. 0: one minute; negative: never.
	TouchEvery time.Duration

	// Legacy lists the kinds of keys of other systems that are accepted once
	// they are imported. None: a text that is not one of our keys is refused
	// before the store is asked.
	Legacy []Legacy

	// Header lists where a key may stand: the name of a header that holds
	// nothing else, or a name, a colon and a scheme. Nil: "X-API-Key" and
	// "Authorization: Api-Key".
	Header []string

	// ClientIP tells a request's client address, for keys with [Key.Allow]. If
	// nil, the address of the TCP peer is used: behind a proxy that is the
	// proxy.
	ClientIP func(*http.Request) netip.Addr

	// ErrorHandler responds to a refused request; err is an [*Error]. If nil, the
	// response is a problem: 401 alike for every bad key, 403 for a missing
	// scope, 503 if the store failed.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Logger receives the security events. If nil, [slog.Default] is used.
	Logger *slog.Logger

	// Now is the clock that expiry is held against; nil: [time.Now]. Servers
	// that share a store should have theirs synchronised.
	Now func() time.Time
}

// String returns "REDACTED" and the prefix: Peppers are secrets.
func (c Config) String() string { return fmt.Sprintf("apikey.Config(%q REDACTED)", c.Prefix) }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer] with what String returns.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler] with what String returns.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

const minPepper = 16

// validate returns every mistake in c, each a [*rampart.ConfigError] whose
// reason is [rampart.ReasonMissing] or [rampart.ReasonInvalid].
func (c Config) validate() error {
	bad := conferr.For("apikey.Config")
	const wantPrefix = `use 2 to 32 lower-case letters, digits and single underscores, such as "eco_live"`
	bad.If(c.Store == nil, "Store", rampart.ReasonMissing, nil, "give a Store, such as that of apikeysql, or NewMemoryStore for one process")
	bad.If(c.Prefix == "", "Prefix", rampart.ReasonMissing, nil, wantPrefix)
	bad.If(c.Prefix != "" && !validPrefix(c.Prefix), "Prefix", rampart.ReasonInvalid, c.Prefix, wantPrefix)
	for i, p := range c.Peppers {
		plain := len(p) == 0 && i > 0 && i == len(c.Peppers)-1
		bad.If(len(p) < minPepper && !plain, "Peppers", rampart.ReasonInvalid, nil, // a secret: no value
			"use 16 random bytes or more; only the last of several may be empty")
	}
	bad.If(c.CacheTTL < 0, "CacheTTL", rampart.ReasonInvalid, c.CacheTTL, "use 0 for no cache, or more")
	for _, l := range c.Legacy {
		bad.If(l.id == nil, "Legacy", rampart.ReasonInvalid, nil, "make it with PlainText or DjangoREST")
	}
	for _, h := range c.Header {
		_, ok := parseSource(h)
		bad.If(!ok, "Header", rampart.ReasonInvalid, h, `use the name of a header, such as "X-API-Key", or a name and a scheme, such as "Authorization: Api-Key"`)
	}
	return bad.Err()
}

// A source is one place in a request's headers where a key may stand.
type source struct {
	name   string // in canonical form
	scheme string // empty: the whole value is the key
}

func parseSource(s string) (source, bool) {
	name, scheme, ok := strings.Cut(s, ":")
	scheme = strings.TrimLeft(scheme, " ")
	return source{textproto.CanonicalMIMEHeaderKey(name), scheme},
		token.Valid(name) && ok == (scheme != "") && (!ok || token.Valid(scheme))
}

// sources returns what c.Header, known to be valid, stands for.
func (c Config) sources() []source {
	header := c.Header
	if len(header) == 0 {
		header = []string{"X-API-Key", "Authorization: " + defaultScheme}
	}
	list := make([]source, len(header))
	for i, h := range header {
		list[i], _ = parseSource(h)
	}
	return list
}

// cut returns the key in one line of the header.
func (s source) cut(line string) (text string, ok bool) {
	if s.scheme == "" {
		return line, true
	}
	n := len(s.scheme)
	if len(line) <= n || line[n] != ' ' || !strings.EqualFold(line[:n], s.scheme) {
		return "", false // another scheme: another layer's business
	}
	return strings.TrimLeft(line[n:], " "), true
}
