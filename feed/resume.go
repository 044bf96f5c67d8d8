package feed

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"time"

	"github.com/ecolaura/rampart"
)

// held is a change that has been applied. Its data is what its publisher gave; in
// the source an id stands before that, by which it is known again.
type held struct {
	Change
	id string // "": it was not published by a Feed
}

const idLength = 16

func newID() string { return rand.Text()[:idLength] }

// seal puts the id before the data.
func seal(id string, data []byte) []byte {
	if id == "" {
		return data
	}
	return append([]byte(id+"\n"), data...)
}

// open takes them apart.
func open(c Change) held {
	if len(c.Data) <= idLength || c.Data[idLength] != '\n' || bytes.ContainsFunc(c.Data[:idLength], notBase32) {
		return held{Change: c}
	}
	id := string(c.Data[:idLength])
	c.Data = c.Data[idLength+1:]
	return held{c, id}
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
	f.at = Change{}
	if len(all) > 0 {
		f.at = all[len(all)-1]
	}
	if len(lost) > 0 { // else the place only was too old
		f.reporter.Report(ctx, rampart.SysStateLost, "lost", slog.String("backend", "feed"), slog.String("reason", "went_back"), slog.Int("changes", len(lost)))
	}
	return nil
}

// missingIn returns what is in force here and not among all. It is to be published
// again, and after it, where the source has newer changes of its topics, those: the
// last order counts.
func (f *Feed) missingIn(all []Change) []held {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	there, topics := map[string]bool{}, map[string]bool{}
	var newer []held
	for _, c := range all {
		h := open(c)
		there[h.id] = true
		if !f.ids[h.id] && c.Topic != "" {
			h.id = newID() // else nobody would apply it a second time
			newer = append(newer, h)
		}
	}
	var lost []held
	for _, h := range f.retained {
		if !there[h.id] && now.Before(h.Expires) {
			lost = append(lost, h)
			topics[h.Topic] = true
		}
	}
	newer = slices.DeleteFunc(newer, func(h held) bool { return !topics[h.Topic] })
	f.lost = slices.Concat(f.lost, lost, newer)
	return lost
}

// restore publishes again what the source has lost, a part with each poll: other
// instances may have lost it all.
func (f *Feed) restore(ctx context.Context) {
	for began := time.Now(); time.Since(began) < f.poll/2; {
		f.mu.Lock()
		if len(f.lost) == 0 {
			f.mu.Unlock()
			return
		}
		next := f.lost[0]
		f.mu.Unlock()
		if keep := time.Until(next.Expires); keep >= time.Millisecond {
			ctx, cancel := context.WithTimeout(ctx, max(patience, f.poll))
			err := f.source.Publish(ctx, next.Topic, seal(next.id, next.Data), keep)
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
