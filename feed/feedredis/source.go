package feedredis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/internal/redisx"
)

// A DoFunc sends one command to Redis: one for throttle/throttleredis serves here,
// too, and its documentation shows three.
type DoFunc = redisx.DoFunc

// ErrOpen is returned, wrapped, without asking while Redis is known to fail.
var ErrOpen = redisx.ErrOpen

// purge is how many entries each Publish looks at for expired ones. It is more
// than one, so that the stream shrinks faster than it grows.
const purge = 16

// seqBits of a sequence number count the changes of one millisecond; above them
// is the time. It lasts until the year 2248.
const seqBits = 20

// maxWait is how long a silent Redis is waited for: a log-out must not hang on a
// client that retries.
const maxWait = 500 * time.Millisecond

// source keeps the changes in one stream. Redis numbers the entries and
// runs one command at a time, so that they become visible in order.
type source struct {
	reads, writes *redisx.Client
	reports       *redisx.Client // apart: a user who may not run scripts can still publish

	key    string
	report redisx.Script

	sweeping sync.Mutex
	from     int64 // up to where it has been swept
	passed   int64 // how many entries before that have stayed
}

// New returns a source in the stream of that key, of Redis 5 or later; the instances
// are in the hash of the same key with ":instances" behind it, which a script updates. Entries
// are deleted after they have expired, a few with each Publish; expiry is judged
// by the clock of Redis when a change is made or deleted, and by the reader's when
// it is read. A change is as durable as the server's persistence makes it: with
// appendfsync everysec, a crash of the server may forget the last second. Do not
// let the server evict the key: use the policy noeviction, or a volatile one.
//
// A command waits until Redis has replied to none for half a second, and a second at most
// while it replies to others, whatever the client does. While Redis fails,
// most fail at once ([ErrOpen]) and ten a second try again; reads go on where only
// writes fail. The [feed.Feed] reports the outage.
func New(do DoFunc, key string) feed.Source {
	reads := redisx.New(do, maxWait, "", nil) // the Feed reports an outage
	return &source{reads: reads, writes: reads.Apart(), reports: reads.Apart(), key: key, report: redisx.NewScript(reportText)}
}

// Publish implements [feed.Source].
func (s *source) Publish(ctx context.Context, topic string, data []byte, keep time.Duration) error {
	reply, err := s.writes.Do(ctx, "XADD", s.key, "*", "topic", topic, "data", string(data), "keep", strconv.FormatInt(keep.Milliseconds(), 10))
	if err != nil {
		return fmt.Errorf("feedredis: %w", err)
	}
	id, _ := redisx.Text(reply)
	if _, now, ok := parseID(id); ok {
		s.sweep(ctx, now)
	}
	return nil
}

// sweep looks at the next few entries and deletes those that have expired by the
// clock of Redis, which says now. At the newest ones it begins anew. A failure harms
// nothing: a later Publish sweeps again.
func (s *source) sweep(ctx context.Context, now time.Time) {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	reply, err := s.writes.Do(ctx, "XLEN", s.key)
	if n, _ := reply.(int64); err != nil || n <= s.passed+purge+feed.Kept {
		s.from, s.passed = 0, 0
		return
	}
	entries, err := s.Since(ctx, s.from, purge)
	if err != nil {
		return
	}
	del := []any{"XDEL", s.key}
	for _, c := range entries {
		s.from = c.Seq
		if now.Before(c.Expires) {
			s.passed++
		} else {
			del = append(del, entryID(c.Seq))
		}
	}
	if len(del) > 2 {
		_, _ = s.writes.Do(ctx, del...)
	}
}

// page is how many entries are read at once: as large as they may be, they must
// come within maxWait.
const page = 64

// Since implements [feed.Source].
func (s *source) Since(ctx context.Context, seq int64, limit int) ([]feed.Change, error) {
	reply, err := s.reads.Do(ctx, "XRANGE", s.key, entryID(seq+1), "+", "COUNT", strconv.Itoa(min(limit, page)))
	if err != nil {
		return nil, fmt.Errorf("feedredis: %w", err)
	}
	entries, ok := reply.([]any)
	if !ok && reply != nil {
		return nil, errReply
	}
	changes := make([]feed.Change, 0, len(entries))
	for _, entry := range entries {
		if c, ok := parseEntry(entry); ok {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

var errReply = errors.New("feedredis: a reply of Redis that this command does not have")

// parseEntry reads [id [name value …]]. What somebody else has put into the stream
// must not stop what follows: a change that cannot be read has no topic, and ok is
// false for an entry whose id this package does not make.
func parseEntry(entry any) (c feed.Change, ok bool) {
	pair, _ := entry.([]any)
	if len(pair) != 2 {
		return feed.Change{}, false
	}
	id, _ := redisx.Text(pair[0])
	seq, made, ok := parseID(id)
	if !ok {
		return feed.Change{}, false
	}
	c = feed.Change{Seq: seq}
	fields, _ := redisx.Strings(pair[1])
	for i := 0; i+1 < len(fields); i += 2 {
		value := fields[i+1]
		switch fields[i] {
		case "topic":
			c.Topic = value
		case "data":
			c.Data = []byte(value)
		case "keep":
			keep, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return feed.Change{Seq: seq}, true
			}
			c.Expires = made.Add(time.Duration(keep) * time.Millisecond)
		}
	}
	return c, true
}

// entryID returns the id of the entry with that sequence number.
func entryID(seq int64) string {
	return strconv.FormatInt(seq>>seqBits, 10) + "-" + strconv.FormatInt(seq&(1<<seqBits-1), 10)
}

// parseID takes an id apart: milliseconds since 1970, and a count within them.
func parseID(id string) (seq int64, made time.Time, ok bool) {
	ms, n, _ := strings.Cut(id, "-")
	milli, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || milli < 0 || milli >= 1<<(63-seqBits) {
		return 0, time.Time{}, false
	}
	count, err := strconv.ParseUint(n, 10, seqBits)
	if err != nil {
		return 0, time.Time{}, false
	}
	return milli<<seqBits | int64(count), time.UnixMilli(milli), true
}
