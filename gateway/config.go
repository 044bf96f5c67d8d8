package gateway

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/proxy"
)

// A Config configures a [Gateway]. The zero Config is one that serves nothing
// until [Gateway.Use] or the Admin API says what.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// File is Kong's declarative file, YAML or JSON. [New] reads it,
	// [Gateway.Reload] reads it again, [Gateway.Serve] follows it, and the Admin
	// API writes it where a request says ?save=true. "": there is none.
	File string

	// AdminToken must be sent by clients of the Admin API, as a bearer token or in
	// Kong-Admin-Token; 16 characters or more. "": no token is needed, but requests
	// must come from this machine and name a loopback host.
	AdminToken string

	// Proxies lists the trusted proxies in front of the gateway. They tell the
	// client's address, the scheme, the port (X-Forwarded-Port) and, if they are
	// listed in Prefixes, the id of a request. Routes go by Host, so a HostHeader
	// is a mistake.
	Proxies rampart.Proxies

	// Resolve maps the host names of upstreams to addresses, with or without a
	// port. Names that it does not have are for DNS.
	Resolve map[string]string

	// Redis sends a command to Redis, for limits of policy redis: several
	// gateways then share their counts. See throttleredis.DoFunc. nil: a file that
	// uses policy redis is refused.
	Redis func(ctx context.Context, args ...any) (any, error)

	// DB keeps what was used of quotas of policy local, so that a restart does not
	// renew them; Dialect says what it speaks. New makes the tables that are not there.
	// Other gateways may use the same: they then share those quotas. nil: quotas are
	// counted in memory.
	DB      *sql.DB
	Dialect rampart.Dialect

	// AccessLog gets a line of JSON for each request, within 200 ms; nil: there
	// is none.
	AccessLog io.Writer

	// BodyTimeout is how long the gateway waits for more of a request body; 0: 60 s.
	BodyTimeout time.Duration

	// Logger gets the security events and what becomes of changes; nil:
	// [slog.Default].
	Logger *slog.Logger
}

// A Mistake is one thing that is wrong with a declarative configuration: its
// fields are Line (0: unknown), Path (such as "services[0].port") and Reason.
type Mistake = conf.Mistake

// Mistakes are all things that are wrong with one, in the order of its lines: the
// error of [Gateway.Use] and [Gateway.Reload], and one of those of [New]. In(file)
// returns their text with the file's name before each line.
type Mistakes = conf.Mistakes //nolint:errname // they are many

// String returns "REDACTED" and the file's name: a Config may hold a secret.
func (c Config) String() string { return fmt.Sprintf("gateway.Config(%q REDACTED)", c.File) }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer] with what String returns.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler] with what String returns.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// minToken is the length below which a token might be guessed.
const minToken = 16

// mistakes returns what is wrong with c.
func (c Config) mistakes() (errs []error) {
	mistake := func(field, value, want string) {
		errs = append(errs, &rampart.ConfigError{Type: "gateway.Config", Field: field, Reason: rampart.ReasonInvalid, Value: value, Want: want})
	}
	if c.AdminToken != "" && len(c.AdminToken) < minToken {
		mistake("AdminToken", "", "use 16 random characters or more")
	}
	if _, err := c.Proxies.Checked(); err != nil {
		errs = append(errs, err)
	}
	if c.Proxies.HostHeader != "" { // routes go by Host
		mistake("Proxies.HostHeader", c.Proxies.HostHeader, "leave it empty: routes go by Host")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Resolve)) {
		if to := c.Resolve[name]; name == "" || !proxy.IsAddress(to) {
			mistake("Resolve", name+"="+to, `map a host name to an address with its port, such as "127.0.0.1:8080"`)
		}
	}
	if known := c.Dialect == rampart.SQLite || c.Dialect == rampart.PostgreSQL; known != (c.DB != nil) {
		mistake("Dialect", c.Dialect.String(), "say what DB speaks, rampart.SQLite or rampart.PostgreSQL; leave it out without a DB")
	}
	if c.BodyTimeout < 0 {
		mistake("BodyTimeout", c.BodyTimeout.String(), "use more than 0; 0 takes the default")
	}
	return errs
}
