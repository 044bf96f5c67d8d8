package feed

import (
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/instance"
)

const (
	defaultPoll     = 500 * time.Millisecond
	minPoll         = 10 * time.Millisecond
	defaultMaxStale = 10 * time.Second
)

// A Config configures a [Feed].
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Source keeps the changes. Required: [Memory] is one for a single process.
	Source Source

	// Poll is how often the source is asked, and so how long another
	// instance's change takes at most to arrive here while the source responds.
	// At least 10 ms; 0: 500 ms.
	Poll time.Duration

	// MaxStale is how old the last good poll may be until [Feed.Age] says so.
	// At least Poll; 0: 10 seconds, or 4 × Poll if that is longer.
	MaxStale time.Duration

	// Version is the release that this instance runs, which it tells the others
	// ([Feed.Instances]). At most 64 bytes, printable; "": the version of the
	// program's main module, or else its VCS revision, as far as the build knows.
	Version string

	// Logger receives an event when the source stops responding, and when it
	// responds again. nil: slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.MaxStale == 0 {
		c.MaxStale = max(defaultMaxStale, 4*c.Poll)
	}
	if info, ok := debug.ReadBuildInfo(); ok && c.Version == "" {
		c.Version = instance.Version(info)
	}
	return c
}

// validate returns every mistake in c, whose defaults are set.
func (c Config) validate() error {
	bad := conferr.For("feed.Config")
	bad.If(c.Source == nil, "Source", rampart.ReasonMissing, nil, "give a Source, such as that of feedsql, or Memory for one process")
	bad.If(c.Poll < minPoll, "Poll", rampart.ReasonInvalid, c.Poll, "use 10ms or more; 0 means 500ms")
	bad.If(c.MaxStale < c.Poll, "MaxStale", rampart.ReasonInvalid, c.MaxStale, "use at least Poll; 0 means 10s, or 4 × Poll if that is longer")
	bad.If(!instance.IsVersion(c.Version), "Version", rampart.ReasonInvalid, c.Version, "use at most 64 bytes of printable text")
	return bad.Err()
}
