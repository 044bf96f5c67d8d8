package incident

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// A SealedKey is a key that a service made itself, encrypted under one that it was
// given: in this form it is kept, and carried by the feed.
type SealedKey struct {
	Kind     string    `json:"kind"`               // what it is for: the Kind of its [Rotation]
	ID       string    `json:"id"`                 // such as a token's kid
	Sealed   string    `json:"sealed"`             // the key, encrypted
	Primary  bool      `json:"primary"`            // it is or was the key in use; else it has only been announced
	OldUntil time.Time `json:"old_until,omitzero"` // when the keys before it end, where they do
}

// A KeyStore keeps sealed keys. It is safe for concurrent use, also by several
// processes.
type KeyStore interface {
	// Keys returns those of a kind, in the order in which they were put last.
	Keys(ctx context.Context, kind string) ([]SealedKey, error)
	// PutKey adds a key, or replaces the one of that kind and ID, and makes it the last.
	PutKey(ctx context.Context, k SealedKey) error
}

// RotationConfig configures a [Rotation]. All but Logger is required.
type RotationConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Kind tells its keys apart from others in the store and the feed.
	Kind string
	// Store keeps the keys, and Feed and Instances bring them to every instance.
	Store     KeyStore
	Feed      rampart.Feed
	Instances func(ctx context.Context) ([]rampart.Instance, error)
	// Make makes a new key and seals it.
	Make func() (id, sealed string, err error)
	// Take makes a key known here, or the one in use if it is Primary: at most once each,
	// in the order in which they came, and one call at a time. It must not call the feed.
	Take func(k SealedKey) error
	// Logger receives what goes wrong. nil: slog.Default().
	Logger *slog.Logger
}

// A Rotation replaces keys that a service made itself, such that no instance meets one
// that it does not know: a new key is first made known to all, and only then used. It
// is safe for concurrent use. Create one with [NewRotation].
type Rotation struct {
	cfg   RotationConfig
	topic string
	turn  sync.Mutex // one rotation at a time here; another instance finds the pending key

	mu     sync.Mutex
	failed map[string]error // keys that Take would not have, by ID
	last   SealedKey        // the one that the feed put into use last
	taken  map[string]bool  // by ID, whether it was taken into use
}

// NewRotation takes over the keys that were made since, and follows the feed. The error
// is every mistake in cfg, each a [rampart.ConfigError], joined; or that of the store, or
// that of Take for a key that is or was in use.
func NewRotation(ctx context.Context, cfg RotationConfig) (*Rotation, error) {
	bad := conferr.For("incident.RotationConfig")
	bad.If(cfg.Kind == "", "Kind", rampart.ReasonMissing, nil, `name what the keys are for, such as "signing"`)
	bad.If(cfg.Store == nil, "Store", rampart.ReasonMissing, nil, "give a store, such as that of incidentsql")
	bad.If(cfg.Feed == nil || cfg.Instances == nil, "Feed", rampart.ReasonMissing, nil, "give a feed.Feed, and its method Instances")
	bad.If(cfg.Make == nil || cfg.Take == nil, "Make", rampart.ReasonMissing, nil, "give Make and Take")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	r := &Rotation{cfg: cfg, topic: "incident.keys." + cfg.Kind, failed: map[string]error{}, taken: map[string]bool{}}
	keys, err := cfg.Store.Keys(ctx, cfg.Kind)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		// A key that was never in use has done nothing: one that cannot be taken keeps
		// nobody from starting.
		if err := r.take(k); err != nil && k.Primary {
			return nil, fmt.Errorf("incident: %s key %s: %w", k.Kind, k.ID, err)
		}
	}
	cfg.Feed.Subscribe(r.topic, r.apply)
	return r, r.keepLast(ctx, keys)
}

// keepLast keeps the key that is in use by the feed, if it was never kept: the process
// that made it died in between, and the feed forgets it.
func (r *Rotation) keepLast(ctx context.Context, kept []SealedKey) error {
	r.mu.Lock()
	last := r.last
	r.mu.Unlock()
	if last.ID == "" || slices.ContainsFunc(kept, func(k SealedKey) bool { return k.ID == last.ID && k.Primary }) {
		return nil
	}
	return r.cfg.Store.PutKey(ctx, last)
}

func (r *Rotation) apply(data []byte, _ time.Time) {
	var k SealedKey
	err := json.Unmarshal(data, &k)
	if err == nil {
		err = r.take(k)
	}
	if err != nil {
		r.cfg.Logger.LogAttrs(context.Background(), slog.LevelError, "a key from another instance cannot be used: restart this one", slog.String("kind", r.cfg.Kind), slog.String("error", err.Error()))
		return
	}
	if k.Primary {
		r.mu.Lock()
		r.last = k
		r.mu.Unlock()
	}
}

// take takes a key, unless it was taken: from the store, or from the feed before.
func (r *Rotation) take(k SealedKey) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if used, known := r.taken[k.ID]; known && (used || !k.Primary) {
		return nil
	}
	delete(r.failed, k.ID)
	if err := r.cfg.Take(k); err != nil {
		r.failed[k.ID] = err
		return err
	}
	r.taken[k.ID] = k.Primary
	return nil
}

// Rotate makes a new key and takes it into use once every instance knows it. Those before
// it are told to end after overlap; with 0 the old one has leaked: then the new one is in
// use at once, and instances that do not know it yet refuse it for a moment. The error
// is a [rampart.Refusal] of status 409 while an instance does not hear of the key: nothing
// has changed then, and the next call goes on with that key.
func (r *Rotation) Rotate(ctx context.Context, overlap time.Duration) (id string, err error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	k, err := r.next(ctx, overlap)
	if err != nil {
		return "", err
	}
	k.OldUntil = time.Now().UTC().Add(overlap).Truncate(time.Second)
	if overlap > 0 {
		if err := r.announce(ctx, k); err != nil {
			return "", err
		}
	}
	k.Primary = true
	return k.ID, r.publish(ctx, k)
}

// next returns the key that an earlier call has left, or a new one.
func (r *Rotation) next(ctx context.Context, overlap time.Duration) (SealedKey, error) {
	if overlap > 0 { // else it may have leaked as well
		keys, err := r.cfg.Store.Keys(ctx, r.cfg.Kind)
		if err != nil {
			return SealedKey{}, err
		}
		var pending *SealedKey
		for _, k := range keys {
			switch {
			case k.Primary: // those before it were passed over when it was made
				pending = nil
			case r.failure(k.ID) == nil:
				pending = &k
			}
		}
		if pending != nil {
			return *pending, nil
		}
	}
	id, sealed, err := r.cfg.Make()
	return SealedKey{Kind: r.cfg.Kind, ID: id, Sealed: sealed}, err
}

// announce makes a key known to every instance.
func (r *Rotation) announce(ctx context.Context, k SealedKey) error {
	if err := r.publish(ctx, k); err != nil {
		return err
	}
	reach, _ := awaitReach(ctx, r.cfg.Instances, spreadTime)
	if reach.Of == 0 {
		return errors.New("incident: the registry of instances does not answer")
	}
	if n := len(reach.Behind); n > 0 {
		return &rampart.Problem{
			Status: http.StatusConflict, Code: "instances_behind", Detail: "An instance has not heard of the new key, which is not in use yet: send it again.",
			Extensions: map[string]any{"in_force": reach},
		}
	}
	return nil
}

// spreadTime is how long a key may take to every instance.
const spreadTime = 5 * time.Second

// publish makes a key known, to this instance first of all, and keeps it. In this order:
// a key that is known but not kept reaches those that start later through the feed; one
// that is kept but not known would split the instances.
func (r *Rotation) publish(ctx context.Context, k SealedKey) error {
	data, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := r.cfg.Feed.Publish(ctx, r.topic, data, MaxAhead); err != nil {
		return err
	}
	if err := r.failure(k.ID); err != nil {
		return err
	}
	return r.cfg.Store.PutKey(ctx, k)
}

// failure returns why Take would not have a key.
func (r *Rotation) failure(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed[id]
}
