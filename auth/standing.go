package auth

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// StandingConfig configures a [Standing].
type StandingConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Active asks, such as a database, whether a subject may act. Required.
	Active func(ctx context.Context, subject string) (bool, error)

	// Fresh is for how long a result is good: who is barred in the database is served
	// for so long at most. 0: 10 s.
	Fresh time.Duration

	// Stale is for how long a result is used while Active fails; then a subject gets
	// its error. At least Fresh; 0: an hour.
	Stale time.Duration

	// Timeout bounds a question. 0: 1 s.
	Timeout time.Duration

	// MaxSubjects is how many results are remembered, some 100 bytes each. 0: 100 000.
	MaxSubjects int

	// Logger receives an event when Active begins and when it ceases to fail. nil:
	// slog.Default().
	Logger *slog.Logger
}

// A Standing remembers whether subjects may act, so that not every request asks the
// database, and those who are known are served while it is down. To bar somebody at
// once, end their sessions: [Revocations] reach every instance. It is safe for
// concurrent use. Create one with [NewStanding]; the zero Standing knows nobody.
type Standing struct {
	cfg      StandingConfig
	reporter *rampart.Reporter

	mu      sync.Mutex
	known   map[string]standing
	asking  map[string]chan struct{} // by subject; closed when the result is there
	failing time.Time                // until then nobody is asked about
	down    bool                     // so it was told
}

type standing struct {
	active bool
	asked  time.Time // when that was true
}

// retryStanding is how long nobody is asked about after a failure: a database that
// hangs would hold each request for the Timeout.
const retryStanding = time.Second

// errNoStanding is the error while nobody is asked.
var errNoStanding = errors.New("auth: whether the subject may act is not known now")

// NewStanding returns a Standing for cfg, or every mistake in cfg, each a
// [rampart.ConfigError], joined.
func NewStanding(cfg StandingConfig) (*Standing, error) {
	if cfg.Fresh == 0 {
		cfg.Fresh = 10 * time.Second
	}
	if cfg.Stale == 0 {
		cfg.Stale = max(time.Hour, cfg.Fresh)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Second
	}
	if cfg.MaxSubjects == 0 {
		cfg.MaxSubjects = 100_000
	}
	bad := conferr.For("auth.StandingConfig")
	bad.If(cfg.Active == nil, "Active", rampart.ReasonMissing, nil, "give a function that tells whether a subject may act")
	bad.If(cfg.Fresh < 0, "Fresh", rampart.ReasonInvalid, cfg.Fresh, "use a positive time; 0 means 10s")
	bad.If(cfg.Stale < cfg.Fresh, "Stale", rampart.ReasonInvalid, cfg.Stale, "use at least Fresh; 0 means 1h")
	bad.If(cfg.Timeout < 0, "Timeout", rampart.ReasonInvalid, cfg.Timeout, "use a positive time; 0 means 1s")
	bad.If(cfg.MaxSubjects < 0, "MaxSubjects", rampart.ReasonInvalid, cfg.MaxSubjects, "use 1 or more; 0 means 100000")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return &Standing{cfg: cfg, reporter: rampart.NewReporter(cfg.Logger, "auth"), known: map[string]standing{}, asking: map[string]chan struct{}{}}, nil
}

// Active reports whether a subject may act. The error is that of the Config's Active,
// about a subject of whom nothing is known, or nothing of late.
func (s *Standing) Active(ctx context.Context, subject string) (bool, error) {
	if s == nil || s.known == nil {
		return false, errNoStanding
	}
	for {
		was, answer, err := s.recall(subject, time.Now())
		switch {
		case answer == nil:
			return was.active, err
		case answer.ours:
			return s.ask(ctx, subject, was, answer.there)
		}
		select {
		case <-answer.there:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// ask asks about a subject for everybody who wants to know.
func (s *Standing) ask(ctx context.Context, subject string, was standing, there chan struct{}) (bool, error) {
	asked := time.Now()
	asking, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	active, err := s.cfg.Active(asking, subject)
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.asking, subject)
		close(there)
	}()
	switch {
	case err == nil:
		s.learn(ctx, subject, standing{active: active, asked: asked})
		return active, nil
	case ctx.Err() == nil: // else the caller is gone, which says nothing
		s.fail(ctx, err)
	}
	if time.Since(was.asked) < s.cfg.Stale {
		return was.active, nil
	}
	return false, err
}

// An awaited is a result that somebody waits for.
type awaited struct {
	there chan struct{} // closed when it is there
	ours  bool          // it is for the caller to ask
}

// recall returns what is remembered of a subject, or what to wait for. Of many requests
// of one subject one asks; the others go by what was known until now, or wait for it.
func (s *Standing) recall(subject string, now time.Time) (was standing, answer *awaited, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.known[subject]
	age := now.Sub(was.asked)
	there := s.asking[subject]
	switch {
	case ok && age < s.cfg.Fresh:
		return was, nil, nil
	case now.Before(s.failing):
		if ok && age < s.cfg.Stale {
			return was, nil, nil
		}
		return standing{}, nil, errNoStanding
	case there != nil && ok && age < s.cfg.Fresh+s.cfg.Timeout:
		return was, nil, nil
	case there != nil:
		return was, &awaited{there: there}, nil
	}
	there = make(chan struct{})
	s.asking[subject] = there
	return was, &awaited{there: there, ours: true}, nil
}

func (s *Standing) learn(ctx context.Context, subject string, now standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing = (time.Time{}); s.down {
		s.down = false
		s.reporter.Report(ctx, rampart.SysBackendRecovered, "standing", slog.String("backend", "standing"))
	}
	if was, ok := s.known[subject]; ok && was.asked.After(now.asked) {
		return // another request has asked since
	} else if !ok && len(s.known) >= s.cfg.MaxSubjects {
		for other := range s.known { // any one: iteration begins anywhere
			delete(s.known, other)
			break
		}
	}
	s.known[subject] = now
}

func (s *Standing) fail(ctx context.Context, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = time.Now().Add(retryStanding)
	if !s.down {
		s.down = true
		s.reporter.Report(ctx, rampart.SysBackendUnavailable, "standing", slog.String("backend", "standing"), rampart.Text("error", err.Error()))
	}
}
