package throttleredis

import (
	"log/slog"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/redisx"
)

// A DoFunc sends one command to Redis (5 or later, or Valkey) and returns its
// reply. All args are strings, args[0] is the command: EVALSHA, EVAL or DEL. The
// keys of a script are args[3:3+n], where n is args[2]. A string in the reply may
// be a []byte. With go-redis it is
//
//	func(ctx context.Context, args ...any) (any, error) { return client.Do(ctx, args...).Result() }
//
// and with redigo
//
//	func(ctx context.Context, args ...any) (any, error) {
//		conn, err := pool.GetContext(ctx)
//		if err != nil {
//			return nil, err
//		}
//		defer conn.Close()
//		return redis.DoContext(conn, ctx, args[0].(string), args[1:]...)
//	}
//
// and with rueidis
//
//	func(ctx context.Context, args ...any) (any, error) {
//		words := make([]string, len(args))
//		for i, arg := range args {
//			words[i] = arg.(string)
//		}
//		return client.Do(ctx, client.B().Arbitrary(words...).Build()).ToAny()
//	}
//
// It should return when ctx ends. The Store waits no longer than that, but what
// is left behind holds a connection until the client's own timeout.
type DoFunc = redisx.DoFunc

// A Config configures a [Store]. The zero Config is a good one.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Prefix of all keys in Redis, without braces; "": "rampart:throttle".
	// Services that share a server but no limits need one each.
	Prefix string

	// Spread distributes the keys over the nodes of a cluster, by who pays. The
	// policies of each Limiter must then have the same Key function, as a call
	// cannot charge several nodes at once. Without it the prefix is the hash
	// tag of all keys, so that one node holds them. All processes that share a
	// prefix must agree.
	Spread bool

	// DenyFor is how long at most a refusal is remembered here, and so how long
	// a Reset or refund by another process may go unnoticed. At most a minute;
	// 0: one second; negative: not at all.
	DenyFor time.Duration

	// Timeout is for how long Redis may reply to no call of this process before those
	// that wait fail. While it replies to others, the wait is for this process: a call
	// goes on to wait, up to a second, and then is a [throttle.ErrBusy]. A minute at
	// most; 0: 400 ms.
	Timeout time.Duration

	// Logger receives an event when Redis begins and when it ceases to fail;
	// nil: [slog.Default].
	Logger *slog.Logger
}

const (
	defaultPrefix  = "rampart:throttle"
	maxPrefix      = 200
	defaultDenyFor = time.Second
	maxDenyFor     = time.Minute
	defaultTimeout = 400 * time.Millisecond
	maxTimeout     = time.Minute
)

func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	if c.DenyFor == 0 {
		c.DenyFor = defaultDenyFor
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	return c
}

// validate returns every mistake in do and c, whose defaults are set.
func (c Config) validate(do DoFunc) error {
	bad := conferr.For("throttleredis.Config")
	if do == nil {
		bad.Join(conferr.New("throttleredis.New", "do", rampart.ReasonMissing, nil, conferr.WantDo))
	}
	bad.If(strings.ContainsAny(c.Prefix, "{}\r\n") || len(c.Prefix) > maxPrefix, "Prefix", rampart.ReasonInvalid, c.Prefix,
		"use at most 200 bytes without braces and line ends; the store adds the braces")
	bad.If(c.DenyFor > maxDenyFor, "DenyFor", rampart.ReasonInvalid, c.DenyFor, "use up to 1m; 0 means 1s, less than 0 not at all")
	bad.If(c.Timeout < 0 || c.Timeout > maxTimeout, "Timeout", rampart.ReasonInvalid, c.Timeout, "use up to 1m; 0 means 400ms")
	return bad.Err()
}
