package incidentredis

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/redisx"
)

const (
	defaultPrefix = "rampart:incident"
	defaultKeep   = 400 * 24 * time.Hour
	minKeep       = 24 * time.Hour
	defaultMax    = 10_000

	defaultTimeout = 400 * time.Millisecond
	maxTimeout     = time.Minute
)

// A DoFunc sends one command to Redis. The documentation of the same type in
// throttle/throttleredis shows one for go-redis, redigo and rueidis.
type DoFunc = redisx.DoFunc

// ErrOpen is returned, wrapped, without asking while Redis is known to fail.
var ErrOpen = redisx.ErrOpen

// A Config configures a [Store]. The zero Config is a good one.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Prefix begins the name of each key, in braces, so that a cluster keeps them
	// together: "{prefix}:…". One prefix is for one audit trail. It holds no brace.
	// "": "rampart:incident".
	Prefix string

	// Keep is for how long an order is kept. A day at least; 0: 400 days.
	Keep time.Duration

	// Max is how many orders are kept; beyond that the oldest go. 0: 10 000.
	Max int

	// Timeout is for how long Redis may reply to no call of this process before those
	// that wait fail. While it replies to others, a call goes on to wait, up to a second
	// or the Timeout if that is longer, whatever the client does. A minute at most; 0:
	// 400 ms.
	Timeout time.Duration

	// Logger receives an event when Redis begins and when it ceases to fail;
	// nil: [slog.Default].
	Logger *slog.Logger
}

// A Store is an [incident.Store] in Redis. It is safe for concurrent use, also by
// several processes. Create one with [New]; the zero Store refuses everything.
type Store struct {
	reads, writes *redisx.Client // nil: the zero Store

	ids         string // key of the sorted set of IDs
	order, once string // begin the keys of an order and of a Once
	keep        string // milliseconds
	max         string

	begin, finish, get, list redisx.Script
}

var _ incident.Store = (*Store)(nil)

// New returns a store that sends its commands with do, or every mistake in do and
// cfg, each a [rampart.ConfigError], joined. It sends none itself.
func New(do DoFunc, cfg Config) (*Store, error) {
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	if cfg.Keep == 0 {
		cfg.Keep = defaultKeep
	}
	if cfg.Max == 0 {
		cfg.Max = defaultMax
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	bad := conferr.For("incidentredis.Config")
	if do == nil {
		bad.Join(conferr.New("incidentredis.New", "do", rampart.ReasonMissing, nil, conferr.WantDo))
	}
	bad.If(strings.ContainsAny(cfg.Prefix, "{}"), "Prefix", rampart.ReasonInvalid, cfg.Prefix, "write the prefix without braces; the store adds them")
	bad.If(cfg.Keep < minKeep, "Keep", rampart.ReasonInvalid, cfg.Keep, "use 24h or more; 0 means 9600h (400 days)")
	bad.If(cfg.Max < 0, "Max", rampart.ReasonInvalid, cfg.Max, "use 1 or more; 0 means 10000")
	bad.If(cfg.Timeout < 0 || cfg.Timeout > maxTimeout, "Timeout", rampart.ReasonInvalid, cfg.Timeout, "use up to 1m; 0 means 400ms")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	reads := redisx.New(do, cfg.Timeout, "incident/incidentredis", cfg.Logger)
	tag := "{" + cfg.Prefix + "}:"
	return &Store{
		reads:  reads,
		writes: reads.Apart(),
		ids:    tag + "orders",
		order:  tag + "order:",
		once:   tag + "once:",
		keep:   strconv.FormatInt(cfg.Keep.Milliseconds(), 10),
		max:    strconv.Itoa(cfg.Max),
		begin:  redisx.NewScript(beginText),
		finish: redisx.NewScript(finishText),
		get:    redisx.NewScript(getText),
		list:   redisx.NewScript(listText),
	}, nil
}

// Samples yields whether the Store has stopped to ask Redis, since it does not respond.
func (s *Store) Samples(yield func(rampart.Sample) bool) { s.reads.Samples(yield) }

var (
	errReply = errors.New("a reply of Redis that this command does not have")
	errTaken = errors.New("there is an order with this ID")
)

// failed says in which call Redis failed, if that is why.
func failed(what string, err error) error {
	if err == nil || errors.Is(err, incident.ErrNoOrder) {
		return err
	}
	return fmt.Errorf("incidentredis: %s: %w", what, err)
}

func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// flag is a bool that a script compares as text.
func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// Begin implements [incident.Store]. An ID that is taken is an error. It removes a
// few of the oldest orders, where they are more than Config.Max.
func (s *Store) Begin(ctx context.Context, o incident.Order) (other incident.Order, added bool, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return incident.Order{}, false, failed("begin", err)
	}
	once := sha256.Sum256([]byte(o.Once))
	reply, err := s.writes.Run(ctx, s.begin, 3, s.ids, s.order+o.ID, s.once+base64.RawURLEncoding.EncodeToString(once[:]),
		s.order, o.ID, string(body), micros(o.At), flag(o.State == incident.Open), micros(o.At.Add(-incident.Abandoned)),
		s.keep, s.max, flag(o.HoldsOnce()))
	words, ok := redisx.Strings(reply)
	switch {
	case err != nil:
	case ok && len(words) == 1 && words[0] == "added":
		return incident.Order{}, true, nil
	case ok && len(words) == 1 && words[0] == "taken":
		err = errTaken
	case ok && len(words) == 2 && words[0] == "other":
		err = json.Unmarshal([]byte(words[1]), &other)
	default:
		err = errReply
	}
	return other, false, failed("begin", err)
}

// Finish implements [incident.Store]. An order that is not there, such as one that
// had to make room, is [incident.ErrNoOrder].
func (s *Store) Finish(ctx context.Context, o incident.Order) error {
	body, err := json.Marshal(o)
	if err != nil {
		return failed("finish", err)
	}
	reply, err := s.writes.Run(ctx, s.finish, 1, s.order+o.ID,
		o.ID, string(body), flag(o.State == incident.Open), flag(!o.HoldsOnce()))
	if err == nil {
		switch said, _ := redisx.Text(reply); said {
		case "finished":
			return nil
		case "gone":
			return incident.ErrNoOrder
		}
		err = errReply
	}
	return failed("finish", err)
}

// Get implements [incident.Store].
func (s *Store) Get(ctx context.Context, id string) (incident.Order, error) {
	reply, err := s.reads.Run(ctx, s.get, 1, s.order+id)
	found, err := read(reply, err)
	if err != nil {
		return incident.Order{}, failed("get", err)
	}
	if len(found) == 0 {
		return incident.Order{}, incident.ErrNoOrder
	}
	return found[0], nil
}

// List implements [incident.Store].
func (s *Store) List(ctx context.Context, before string, limit int) ([]incident.Order, error) {
	from := "(" + before
	if before == "" {
		from = "+"
	}
	reply, err := s.reads.Run(ctx, s.list, 1, s.ids, s.order, from, strconv.Itoa(limit))
	page, err := read(reply, err)
	return page, failed("list", err)
}

// read takes the reply of a script that returns orders.
func read(reply any, err error) ([]incident.Order, error) {
	if err != nil {
		return nil, err
	}
	bodies, ok := redisx.Strings(reply)
	if !ok {
		return nil, errReply
	}
	orders := make([]incident.Order, len(bodies))
	for i, body := range bodies {
		if err := json.Unmarshal([]byte(body), &orders[i]); err != nil {
			return nil, err
		}
	}
	return orders, nil
}
