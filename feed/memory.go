package feed

import (
	"context"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/instance"
)

// memory is the source of one process.
type memory struct {
	mu        sync.Mutex
	last      int64            // the newest sequence number
	changes   []Change         // by Seq
	instances map[string]noted // by ID
}

// noted is an instance until it expires.
type noted struct {
	rampart.Instance
	expires time.Time
}

// Memory returns a source for the feeds of one process; its changes end with it.
func Memory() Source { return &memory{instances: map[string]noted{}} }

// Publish implements [Source].
func (m *memory) Publish(ctx context.Context, topic string, data []byte, keep time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.changes = slices.DeleteFunc(m.changes, func(c Change) bool { return c.Seq <= m.last-Kept && !now.Before(c.Expires) })
	m.last++
	m.changes = append(m.changes, Change{Seq: m.last, Topic: topic, Data: slices.Clone(data), Expires: now.Add(keep)})
	return nil
}

// Since implements [Source].
func (m *memory) Since(ctx context.Context, seq int64, limit int) ([]Change, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rest := m.changes[sort.Search(len(m.changes), func(i int) bool { return m.changes[i].Seq > seq }):]
	rest = slices.Clone(rest[:min(limit, len(rest))])
	for i := range rest {
		rest[i].Data = slices.Clone(rest[i].Data)
	}
	return rest, nil
}

// Report implements [Source].
func (m *memory) Report(ctx context.Context, in rampart.Instance, keep time.Duration) ([]rampart.Instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	in.Seen, in.Self = now.UTC(), false
	m.instances[in.ID] = noted{in, now.Add(keep)} // with keep 0 it has expired
	var live []rampart.Instance
	for id, n := range m.instances {
		if now.Before(n.expires) {
			live = append(live, n.Instance)
		} else {
			delete(m.instances, id)
		}
	}
	return instance.Newest(live), nil
}
