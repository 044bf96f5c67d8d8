package feed

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"log/slog"
	"time"

	"github.com/ecolaura/rampart"
)

// held is a change that has been applied. Its data is what its publisher gave; in
// the source an id stands before that, by which it is known again.
type held struct {
	Change
	id    string
	again bool // published by restore, and no new order
}

const idLength = 16

// What stands between the id and the data.
const (
	first = '\n'
	again = '\t'
)

func newID() string { return rand.Text()[:idLength] }

// seal puts the id before the data.
func seal(id string, sep byte, data []byte) []byte {
	return append(append([]byte(id), sep), data...)
}

// open takes them apart. A change that was not published by a Feed gets an id that is
// the same on every instance.
func open(c Change) held {
	if len(c.Data) <= idLength || c.Data[idLength] != first && c.Data[idLength] != again || bytes.ContainsFunc(c.Data[:idLength], notBase32) {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %q %s", c.Seq, c.Expires.UnixMicro(), c.Topic, c.Data))
		return held{Change: c, id: base32.StdEncoding.EncodeToString(sum[:])[:idLength]}
	}
	h := held{c, string(c.Data[:idLength]), c.Data[idLength] == again}
	h.Data = c.Data[idLength+1:]
	return h
}

func notBase32(r rune) bool { return (r < 'A' || r > 'Z') && (r < '2' || r > '7') }

// is reports whether both are one change, not two with one number.
func (c Change) is(d Change) bool {
	return c.Seq == d.Seq && c.Topic == d.Topic && bytes.Equal(c.Data, d.Data)
}

func (f *Feed) has(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ids[id]
}

// resume finds the place to go on from in a source that no longer has the change
// that was read last: it was restored from a backup, or is empty. What is new there
// is applied. What it lacks stays in force here, and is put on the list of what is to
// be published again. The caller has the turn.
func (f *Feed) resume(ctx context.Context, timeout time.Duration) error {
	var all []Change
	for at := int64(0); ; at = all[len(all)-1].Seq {
		page, err := f.ask(ctx, timeout, at)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
	}
	lost := f.missingIn(all)
	f.apply(ctx, all)
	if len(all) == 0 {
		all = []Change{{}}
	}
	f.reached(all[len(all)-1])
	if len(lost) > 0 { // else the place only was too old
		f.reporter.Report(ctx, rampart.SysStateLost, "lost", slog.String("backend", "feed"), slog.String("reason", "went_back"), slog.Int("changes", len(lost)))
	}
	return nil
}

// missingIn returns what is in force here and not among all, and has it published
// again.
func (f *Feed) missingIn(all []Change) (lost []held) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	there := map[string]bool{}
	for _, c := range all {
		there[open(c).id] = true
	}
	for _, h := range f.lost {
		there[h.id] = true // it will be
	}
	for _, h := range f.retained {
		if !there[h.id] && now.Before(h.Expires) {
			lost = append(lost, h)
		}
	}
	f.lost = append(f.lost, lost...)
	if len(f.sent) > 0 { // whether they stand before newer ones is not known any more
		f.lost, f.newer = append(f.lost, f.newer...), nil
	}
	f.sent = map[string]bool{}
	f.restoring = map[string]bool{}
	for _, h := range f.lost {
		f.restoring[h.Topic] = true
	}
	return lost
}

// overtake notes what is to be repeated: a new order of a topic whose older ones are
// being published again, since the last one counts. The caller holds f.mu.
func (f *Feed) overtake(h held) {
	switch {
	case f.sent[h.id]: // behind those that came before it
		f.lost, f.newer = append(f.lost, f.newer...), nil
	case f.restoring[h.Topic] && !f.ids[h.id] && !h.again:
		h.id = newID() // else nobody would apply it a second time
		f.newer = append(f.newer, h)
	}
}

// restore publishes again what the source has lost, a part with each poll: other
// instances may have lost it all. The caller has just read the source.
func (f *Feed) restore(ctx context.Context) {
	f.mu.Lock()
	clear(f.sent)
	if len(f.lost) > 0 {
		f.lost = append(f.lost, f.newer...)
	} else {
		f.restoring = nil
	}
	f.newer = nil
	f.mu.Unlock()
	for began := time.Now(); time.Since(began) < f.poll/2; {
		f.mu.Lock()
		if len(f.lost) == 0 {
			f.mu.Unlock()
			return
		}
		next := f.lost[0]
		f.sent[next.id] = true
		f.mu.Unlock()
		if keep := time.Until(next.Expires); keep >= time.Millisecond {
			ctx, cancel := context.WithTimeout(ctx, max(patience, f.poll))
			err := f.source.Publish(ctx, next.Topic, seal(next.id, again, next.Data), keep)
			cancel()
			if err != nil {
				return // the next poll reports it, or this tries again
			}
		}
		f.mu.Lock()
		f.lost = f.lost[1:]
		f.mu.Unlock()
	}
}
