package incident

import (
	"context"
	"slices"
	"time"

	"github.com/ecolaura/rampart"
)

// Reach tells on how many instances an order is in force.
type Reach struct {
	Instances int      `json:"instances"`        // that have it in force, this one among them
	Of        int      `json:"of,omitempty"`     // live ones; 0: that cannot be told now
	Behind    []Behind `json:"behind,omitempty"` // the others
}

// Behind is an instance that has not got so far: it is on its way, paused, cut off from
// the feed's source, or dead for less than half a minute.
type Behind struct {
	ID      string    `json:"id"`                // random, new with each start
	Version string    `json:"version,omitempty"` // the release that it runs
	Started time.Time `json:"started"`           // by its own clock
	Seen    time.Time `json:"seen"`              // when it was last heard of
}

// awaitReach waits until every instance has applied what this one has, or that long. The
// mark is up to where that is in the feed.
func awaitReach(ctx context.Context, instances instances, most time.Duration) (*Reach, int64) {
	if instances == nil {
		return nil, 0
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(reachTick)
	defer tick.Stop()
	var mark int64
	reach := &Reach{Instances: 1} // this one
	for {
		if all, err := instances(ctx); err == nil {
			if self := slices.IndexFunc(all, isSelf); self >= 0 { // else nothing can be told
				if mark == 0 {
					mark = all[self].Seq
				}
				if now := reachOf(all, mark); now != nil {
					reach = now
				}
				if len(reach.Behind) == 0 && reach.Of > 0 {
					return reach, mark
				}
			}
		}
		select {
		case <-ctx.Done():
			return reach, mark
		case <-tick.C:
		}
	}
}

// instances is what a feed.Feed tells of the instances of the service.
type instances = func(ctx context.Context) ([]rampart.Instance, error)

const reachTick = 100 * time.Millisecond

func isSelf(in rampart.Instance) bool { return in.Self }

// reachOf tells which of the instances have come as far as mark. It returns nil if none
// has: the source of the feed has gone back since, and its numbers tell nothing of that.
func reachOf(all []rampart.Instance, mark int64) *Reach {
	reach := &Reach{Of: len(all)}
	for _, in := range all {
		if in.Seq >= mark {
			reach.Instances++
			continue
		}
		reach.Behind = append(reach.Behind, Behind{ID: in.ID, Version: in.Version, Started: in.Started, Seen: in.Seen})
	}
	if reach.Instances == 0 {
		return nil
	}
	return reach
}

// reachNow tells how far an order has come.
func (o *Operator) reachNow(ctx context.Context, order Order) *Reach {
	if o.cfg.Instances == nil || order.Mark == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	all, err := o.cfg.Instances(ctx)
	if err != nil {
		return &Reach{Instances: 1}
	}
	return reachOf(all, order.Mark)
}
