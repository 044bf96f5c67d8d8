package column

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// BackgroundConfig configures a [Background].
type BackgroundConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Jobs run one after the other. Required.
	Jobs []Reencrypt

	// Delay is how long a run waits before it looks at the first value: until every
	// instance encrypts with the newest key. 0: a second.
	Delay time.Duration

	// Logger receives what goes wrong. nil: slog.Default().
	Logger *slog.Logger
}

// A Background brings encrypted columns under the newest key beside the requests. Start
// it whenever there is a new key, and when a program starts whose last run may have been
// cut off: values that are under the newest key are passed over. It is safe for
// concurrent use. Create one with [NewBackground].
type Background struct {
	cfg BackgroundConfig

	mu     sync.Mutex
	cancel context.CancelFunc // nil: never started
	ended  chan struct{}
	again  bool // a newer key came meanwhile
	closed bool
	state  BackgroundState
}

// A BackgroundState says how far a [Background] has come.
type BackgroundState struct {
	Failed  bool                `json:"failed"`            // the last run could not be ended: the log has why
	Running bool                `json:"running"`           // a run has not ended
	Columns map[string]Progress `json:"columns,omitempty"` // by column, of the last run
}

// NewBackground returns a Background that has not been started, or every mistake in cfg,
// each a [rampart.ConfigError], joined.
func NewBackground(cfg BackgroundConfig) (*Background, error) {
	bad := conferr.For("column.BackgroundConfig")
	bad.If(len(cfg.Jobs) == 0, "Jobs", rampart.ReasonMissing, nil, "give a Reencrypt for each encrypted column")
	bad.If(cfg.Delay < 0, "Delay", rampart.ReasonInvalid, cfg.Delay, "use a positive time; 0 means 1s")
	for _, job := range cfg.Jobs {
		bad.Join(job.check())
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if cfg.Delay == 0 {
		cfg.Delay = time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Background{cfg: cfg}, nil
}

// Start begins a run, or has one follow that which runs.
func (b *Background) Start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if b.state.Running {
		b.again = true
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel, b.ended, b.state.Running = cancel, make(chan struct{}), true
	go func() {
		defer close(b.ended)
		for b.run(ctx) {
		}
	}()
}

// run goes through the columns once and reports whether to do so again.
func (b *Background) run(ctx context.Context) (again bool) {
	b.set(func() { b.again, b.state.Failed, b.state.Columns = false, false, map[string]Progress{} })
	select {
	case <-ctx.Done():
	case <-time.After(b.cfg.Delay):
	}
	var errs []error
	for _, job := range b.cfg.Jobs {
		_, err := job.Run(ctx, func(p Progress) { b.set(func() { b.state.Columns[job.Column] = p }) })
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil && ctx.Err() == nil {
		b.set(func() { b.state.Failed = true })
		b.cfg.Logger.LogAttrs(ctx, slog.LevelError, "re-encryption has not ended: start it again", slog.String("error", err.Error()))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state.Running = b.again && ctx.Err() == nil
	return b.state.Running
}

func (b *Background) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// State tells how far it has come.
func (b *Background) State() BackgroundState {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state
	s.Columns = maps.Clone(s.Columns)
	return s
}

// Close ends what runs, and waits for that. What is written stays; the next start of the
// program goes on.
func (b *Background) Close() error {
	b.mu.Lock()
	b.closed = true
	cancel, ended := b.cancel, b.ended
	b.mu.Unlock()
	if cancel != nil {
		cancel()
		<-ended
	}
	return nil
}
