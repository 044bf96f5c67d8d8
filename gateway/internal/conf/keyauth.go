package conf

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// A KeyAuth is an API key of a Consumer.
type KeyAuth struct {
	base     `k:",inline"`
	Consumer Ref    `k:"consumer"`
	Key      string `k:"key,auto"`
	TTL      int64  `k:"ttl,unset"`   // seconds from CreatedAt; 0: it does not end
	Enabled  *bool  `k:"enabled,own"` // nil: true
}

func (k *KeyAuth) check(*File) Mistakes {
	c := Checks{m: k.at()}
	c.Want(Printable(k.Key) && !strings.Contains(k.Key, " ") && len(k.Key) >= 16 && len(k.Key) <= 128, "key",
		"16 to 128 printable ASCII characters are wanted: a shorter key can be guessed")
	c.Within("ttl", int(k.TTL), 0, 1<<31-1)
	c.Want(k.TTL == 0 || k.CreatedAt > 0, "ttl", "write created_at (Unix time) beside it: the seconds count from there, not from each start")
	if k.Enabled != nil && *k.Enabled {
		k.Enabled = nil
	}
	return c.ms
}

// Expires returns when the key ends; the zero Time: it does not.
func (k *KeyAuth) Expires() time.Time {
	if k.TTL == 0 {
		return time.Time{}
	}
	return time.Unix(k.CreatedAt+k.TTL, 0)
}

// rotation is what the body of one may hold.
type rotation struct {
	Overlap int64 `k:"overlap"` // seconds for which both keys are good
}

// Rotate returns f with one more key for the consumer of the key that c names, and
// that key. The old one ends after the seconds overlap of c's body, or when it would
// have if that is sooner, which is when the new one ends, too. The error is as that
// of Apply.
func (f *File) Rotate(c Change) (*File, Entity, error) {
	found, err := c.find(f)
	old, ok := found.(*KeyAuth)
	if !ok || err != nil {
		return nil, nil, ErrNotFound
	}
	var asked rotation
	d := decoder{known: f.known}
	d.into(c.Body, reflect.ValueOf(&asked).Elem(), "", "", nil)
	ended, ends := *old, c.Now+asked.Overlap
	if ended.CreatedAt == 0 {
		ended.CreatedAt = c.Now // TTL needs one
	}
	fresh := map[string]any{"tags": old.Tags}
	switch {
	case asked.Overlap < 0 || asked.Overlap > 100_000_000:
		d.mistakes = append(d.mistakes, Mistake{Path: "overlap", Reason: "must be from 0 to 100000000 seconds"})
	case old.Enabled != nil || old.TTL > 0 && old.Expires().Unix() <= c.Now:
		d.mistakes = append(d.mistakes, Mistake{Path: "key", Reason: "it has ended, or is not enabled: make a new one"})
	case old.TTL > 0 && old.Expires().Unix() < ends:
		ends = old.Expires().Unix()
	}
	if err := d.mistakes.Err(); err != nil {
		return nil, nil, err
	}
	if old.TTL > 0 {
		fresh["ttl"] = old.Expires().Unix() - c.Now
	}
	ended.TTL, ended.UpdatedAt = ends-ended.CreatedAt, c.Now
	if asked.Overlap == 0 {
		ended.TTL, ended.Enabled = old.TTL, new(false)
	}
	out := f.share()
	x := out.own(c.Kind)
	x.remove(old)
	_ = x.add(c.Kind, &ended) // all of it is its own
	c.Kind.put(out, old, &ended)
	text, err := json.Marshal(fresh)
	if err != nil {
		return nil, nil, err
	}
	if c.Body, err = JSONNode(text); err != nil {
		return nil, nil, err
	}
	c.Entity, c.Replace = "", false
	return out.Apply(c)
}
