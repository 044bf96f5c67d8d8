package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ecolaura/rampart"
)

// A Source keeps the changes until they expire. It is safe for concurrent use,
// also by several processes. The contract is tested by feedtest.TestSource.
//
// Sequence numbers are positive and rise with each change. One must never
// become visible after a higher one: a reader that has seen the higher one would
// miss it for good.
//
// A source that is restored from a backup goes back: that is found out by the last
// change that a reader has seen. So the newest [Kept] changes stay, though they have
// expired.
type Source interface {
	// Publish keeps a change for that long. When it returns nil, the change is
	// durable and every later Since sees it.
	Publish(ctx context.Context, topic string, data []byte, keep time.Duration) error

	// Since returns at most limit changes after seq, in order and none skipped,
	// expired ones too for as long as they stay. Where there are none, there is
	// nothing more.
	Since(ctx context.Context, seq int64, limit int) ([]Change, error)

	// Report notes for that long what an instance says of itself, in place of what
	// it said before; keep 0 removes it. It returns all that are noted and have not
	// expired, the oldest Started first and those of one time by ID; but at most
	// 1000, the most recently seen. The source's own clock judges that and sets
	// Seen. Times are kept to the microsecond, and Self is not kept. A failure may
	// leave it noted or not.
	Report(ctx context.Context, in rampart.Instance, keep time.Duration) ([]rampart.Instance, error)
}

// Kept is how many of the newest changes a [Source] keeps at least.
const Kept = 1000

// A Change is what a [Source] keeps.
type Change struct {
	Seq     int64     // its place in the order
	Topic   string    // who is concerned; "": it cannot be read
	Data    []byte    // what has changed, in the topic's own form
	Expires time.Time // from when on it means nothing
}

// Bounds of a change. The source is read whole by each instance that starts.
const (
	maxTopic = 255      // bytes
	maxData  = 64 << 10 // bytes
)

// checkChange returns why a change cannot be published.
func checkChange(topic string, data []byte, keep time.Duration) error {
	switch {
	case topic == "" || len(topic) > maxTopic:
		return errors.New("feed: a topic has 1 to 255 bytes")
	case len(data) > maxData:
		return fmt.Errorf("feed: %d bytes are more than the %d that a change may have", len(data), maxData)
	case keep < time.Millisecond:
		return fmt.Errorf("feed: a change cannot be kept for %v", keep)
	}
	return nil
}
