package feed

import (
	"errors"
	"log/slog"
	"time"

	"github.com/ecolaura/rampart"
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
	// instance's change takes at most to arrive here while the source answers.
	// At least 10 ms; 0: 500 ms.
	Poll time.Duration

	// MaxStale is how old the last good poll may be until [Feed.Age] says so.
	// At least Poll; 0: 10 seconds, or 4 × Poll if that is longer.
	MaxStale time.Duration

	// Logger receives an event when the source stops and when it resumes to
	// answer. nil: slog.Default().
	Logger *slog.Logger
}

// Reasons of a [rampart.ConfigError] of this package.
const (
	ReasonMissing = "missing" // a required field is empty
	ReasonInvalid = "invalid" // a value that the field cannot take
)

func mistake(field, reason, value string) error {
	return &rampart.ConfigError{Package: "feed", Field: field, Reason: reason, Value: value}
}

func (c Config) withDefaults() Config {
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.MaxStale == 0 {
		c.MaxStale = max(defaultMaxStale, 4*c.Poll)
	}
	return c
}

// validate returns every mistake in c, whose defaults are set.
func (c Config) validate() error {
	var errs []error
	if c.Source == nil {
		errs = append(errs, mistake("Source", ReasonMissing, ""))
	}
	if c.Poll < minPoll {
		errs = append(errs, mistake("Poll", ReasonInvalid, c.Poll.String()))
	}
	if c.MaxStale < c.Poll {
		errs = append(errs, mistake("MaxStale", ReasonInvalid, c.MaxStale.String()))
	}
	return errors.Join(errs...)
}
