package apikey

import (
	"context"
	"strings"
	"time"
)

// feedTopic is where Keys tell each other what to forget. A change is text:
// "key <id>" or "owner <owner>". It may come twice, and for keys that were
// never here.
const feedTopic = "apikey.changed"

// announcePatience bounds how long a change that is in the store waits for the
// feed.
const announcePatience = 2 * time.Second

// Invalidate drops keys from the cache: call it when another process has told
// that they were revoked or rotated, if there is no [Config.Feed] to tell it.
func (ks *Keys) Invalidate(ids ...string) { ks.cache.drop(ids...) }

// announce tells every instance what has changed. The store has it already, so
// it is told even if the request that asked for it has gone.
func (ks *Keys) announce(ctx context.Context, what, name string) error {
	if ks.feed == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), announcePatience)
	defer cancel()
	// Whatever is cached now was read by then.
	return ks.feed.Publish(ctx, feedTopic, []byte(what+" "+name), ks.cacheTTL+time.Minute)
}

// apply takes in a change.
func (ks *Keys) apply(data []byte, _ time.Time) {
	what, name, _ := strings.Cut(string(data), " ")
	switch what {
	case "key":
		ks.cache.drop(name)
	case "owner":
		ks.cache.dropOwner(name)
	default: // of a later version
		ks.cache.clear()
	}
}
