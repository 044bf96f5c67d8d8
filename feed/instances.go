package feed

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
)

const (
	// tellEvery is how often an instance says that it lives where nothing happens.
	// It is a write to the source, so not with each poll.
	tellEvery = 5 * time.Second

	// tellFor is how long it is believed. A killed instance is listed for that long;
	// one that lives may miss some reports, and reports are later where Poll is long.
	tellFor      = 30 * time.Second
	tellForPolls = 4
)

func newInstance(version string) rampart.Instance {
	return rampart.Instance{
		ID:      strings.ToLower(rand.Text()[:12]),
		Version: version,
		Started: time.Now().UTC().Truncate(time.Microsecond), // what every source keeps
	}
}

// Instances returns the instances that are live, this one among them: the oldest
// first, and at most 1000. Each said within the last 30 seconds, or four times its
// Poll if that is longer, that it lives; one that was killed is still listed for so
// long. Another instance has applied all that this one has if its Seq is not lower.
// It asks the source, for as long as ctx allows, and returns its error.
func (f *Feed) Instances(ctx context.Context) ([]rampart.Instance, error) {
	if err := f.usable(); err != nil {
		return nil, err
	}
	all, err := f.tell(ctx)
	if err != nil {
		return nil, fmt.Errorf("feed: instances: %w", err)
	}
	for i := range all {
		all[i].Self = all[i].ID == f.self.ID
	}
	return all, nil
}

// Live returns how many instances were live when this one last heard of them, which
// is seconds ago while the source responds. It is 1 at least, also of the zero Feed. It
// asks nobody: who shares a limit among the instances can go by it during an outage.
func (f *Feed) Live() int {
	if f == nil {
		return 1
	}
	return int(max(f.live.Load(), 1))
}

// tell says what this instance has applied. One call at a time, so that no older
// number overwrites a newer one.
func (f *Feed) tell(ctx context.Context) ([]rampart.Instance, error) {
	select {
	case <-f.telling:
	case <-f.done:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { f.telling <- struct{}{} }()
	self := f.self
	self.Seq = f.applied.Load()
	all, err := f.source.Report(ctx, self, max(tellFor, tellForPolls*f.poll))
	if err == nil {
		f.live.Store(int64(len(all)))
	}
	return all, err
}

// tellIfDue tells what has been applied since the last time, or else that this
// instance lives. Only the polling goroutine calls it, and New before: Publish need
// not wait for it.
func (f *Feed) tellIfDue(ctx context.Context) {
	now, applied := time.Now(), f.applied.Load()
	if applied == f.told && now.Sub(f.toldAt) < tellEvery {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, max(patience, f.poll))
	defer cancel()
	if _, err := f.tell(ctx); err == nil { // else after the next poll, which reports an outage
		f.told, f.toldAt = applied, now
	}
}

// leave takes this instance off the list. If that fails, it expires. It keeps the
// token: nothing puts the instance back.
func (f *Feed) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-f.telling:
		_, _ = f.source.Report(ctx, f.self, 0)
	case <-ctx.Done():
	}
}
