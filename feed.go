package rampart

import (
	"context"
	"time"
)

// A Feed carries small changes, such as a revoked session or a blocked address,
// to every instance of a service within a second. It is what the layers' Configs
// take, and what package feed makes; where a Config allows a nil one, that means
// this process only.
type Feed interface {
	// Subscribe has apply called with every change of topic that has not
	// expired: those that are retained before Subscribe returns, later ones as
	// they arrive; in order, one at a time. apply must not call the Feed.
	Subscribe(topic string, apply func(data []byte, expires time.Time))

	// Publish makes a change known, until keep has passed. When it returns nil,
	// the change is durable and has been applied in this process. After an
	// error it may or may not be; so a change is such that it can be published
	// twice.
	Publish(ctx context.Context, topic string, data []byte, keep time.Duration) error

	// Age is 0 while changes arrive as they should. Else it says for how long
	// they have not, and each layer follows its own outage policy.
	Age() time.Duration
}

// An Instance is what one process of a service says of itself to the others, by the
// source of its [Feed].
type Instance struct {
	ID      string    // random, new with each start
	Version string    // the release that it runs; "": not known
	Started time.Time // when it started, by its own clock, to the microsecond
	Seen    time.Time // when it last said so, by the clock of the source
	Seq     int64     // the number of the last change that it has applied; 0: none yet
	Self    bool      // it is the instance that was asked
}
