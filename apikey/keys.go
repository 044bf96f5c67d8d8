package apikey

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
)

// Keys issues, checks, rotates and revokes API keys. It is safe for concurrent
// use. The zero Keys refuses everything. Create one with [New], and end it
// with [Keys.Close].
type Keys struct {
	store        Store
	prefix       string
	hasher       hasher
	legacy       []Legacy
	sources      []source
	challenge    string // of a 401
	vary         string // headers that a response depends on, for caches
	clientIP     func(*http.Request) netip.Addr
	errorHandler func(http.ResponseWriter, *http.Request, error)
	rep          *rampart.Reporter
	now          func() time.Time
	touch        *toucher
	cache        *cache // nil: none
	cacheTTL     time.Duration
	feed         rampart.Feed // nil: this process only
	ownerScopes  func(context.Context, string) ([]string, error)
	malformed    *Error // shared: refusing nonsense costs no allocation
}

// New returns Keys that behave as cfg says, or every mistake in cfg, each a
// [*rampart.ConfigError] with the reason [rampart.ReasonMissing] or
// [rampart.ReasonInvalid], joined. Changing cfg afterwards has no effect.
func New(cfg Config) (*Keys, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	k := &Keys{
		store:        cfg.Store,
		prefix:       cfg.Prefix,
		hasher:       newHasher(cfg.Peppers),
		legacy:       slices.Clone(cfg.Legacy),
		sources:      cfg.sources(),
		challenge:    defaultScheme,
		clientIP:     cfg.ClientIP,
		errorHandler: cfg.ErrorHandler,
		rep:          rampart.NewReporter(cfg.Logger, "apikey"),
		now:          cfg.Now,
		ownerScopes:  cfg.OwnerScopes,
		malformed:    &Error{Reason: KeyMalformed},
	}
	var vary []string
	for _, s := range k.sources {
		if s.scheme != "" {
			k.challenge = s.scheme
		}
		if s.name != "Authorization" { // shared caches know that one (RFC 9111 section 3.5)
			vary = append(vary, s.name)
		}
	}
	k.vary = strings.Join(vary, ", ")
	k.cache, k.cacheTTL, k.feed = newCache(cfg.CacheTTL), cfg.CacheTTL, cfg.Feed
	k.touch = newToucher(cfg.Store, cfg.TouchEvery, k.rep)
	if k.feed != nil {
		k.feed.Subscribe(feedTopic, k.apply)
	}
	return k, nil
}

const defaultScheme = "Api-Key"

// errZero is the cause of every refusal of a zero Keys.
var errZero = errors.New("not made by New")

// Create makes a key with the name, owner, plan, scopes, addresses, metadata
// and expiry of k; what else k holds is set anew. The secret is returned here
// and never again. A key that cannot be stored is an [*InvalidError]; a store
// that fails is an [*Error].
func (ks *Keys) Create(ctx context.Context, k Key) (Key, Secret, error) {
	if ks.store == nil {
		return Key{}, Secret{}, unavailable("", errZero)
	}
	now := instant(ks.clock())
	k = clone(k)
	if err := k.validate(now); err != nil {
		return Key{}, Secret{}, err
	}
	k.Successor, k.Revoked, k.LastUsed = "", time.Time{}, time.Time{}
	text := ks.mint(&k, now)
	if err := ks.store.Insert(ctx, k, ks.hasher.sum(0, text)); err != nil {
		return Key{}, Secret{}, unavailable(k.ID, err)
	}
	ks.report(ctx, rampart.AuthnTokenCreated, k.ID)
	return k, newSecret(text), nil
}

// mint gives k an id and a text.
func (ks *Keys) mint(k *Key, now time.Time) (text string) {
	k.ID, text = mint(ks.prefix, now)
	k.Created = now
	if !k.Expires.IsZero() {
		k.Expires = instant(k.Expires)
	}
	return text
}

// Rotate replaces a key by a new one, for a program that gets the new one while
// the old one still runs. The old key ends after overlap, or when it would
// have ended anyway if that is sooner. The new one has its name, owner, plan,
// scopes, addresses and metadata, and its expiry too: a rotation changes the
// secret, not what was granted and until when.
//
// A key is rotated once; after that, rotate its successor. The [*Error] for a
// key that cannot be rotated has the reason [KeyUnknown], [KeyRevoked],
// [KeyExpired] or [KeyRotated].
func (ks *Keys) Rotate(ctx context.Context, id string, overlap time.Duration) (Key, Secret, error) {
	if overlap < 0 {
		return Key{}, Secret{}, errors.New("apikey: negative overlap")
	}
	old, err := ks.lookup(ctx, id)
	if err != nil {
		return Key{}, Secret{}, err
	}
	now := instant(ks.clock())
	if reason := old.rotatable(now); reason != "" {
		return Key{}, Secret{}, &Error{Reason: reason, KeyID: id}
	}
	next := clone(old)
	next.LastUsed = time.Time{}
	text := ks.mint(&next, now)
	err = ks.store.Rotate(ctx, id, now.Add(overlap), next, ks.hasher.sum(0, text))
	ks.cache.drop(id)                // after an error, too: who knows what the store has done
	if errors.Is(err, ErrConflict) { // somebody was faster: say what happened
		return Key{}, Secret{}, ks.lost(ctx, id, now)
	}
	if err != nil {
		return Key{}, Secret{}, asError(id, err)
	}
	if err := ks.announce(ctx, "key", id); err != nil { // the new secret must reach its owner all the same
		ks.report(ctx, rampart.SysBackendUnavailable, id, rampart.Text("error", err.Error()))
	}
	ks.report(ctx, rampart.AuthnTokenCreated, next.ID, slog.String("replaces", id))
	return next, newSecret(text), nil
}

func (k *Key) rotatable(now time.Time) rampart.Denial {
	reason := k.state(now)
	if reason == "" && k.Successor != "" {
		return KeyRotated
	}
	return reason
}

// lost says why a rotation that seemed possible was not.
func (ks *Keys) lost(ctx context.Context, id string, now time.Time) error {
	k, err := ks.lookup(ctx, id)
	if err != nil {
		return err
	}
	if reason := k.rotatable(now); reason != "" {
		return &Error{Reason: reason, KeyID: id}
	}
	return unavailable(id, ErrConflict) // the new id was taken, which chance does not bring about
}

// lookup reads a key; its error is an [*Error].
func (ks *Keys) lookup(ctx context.Context, id string) (Key, error) {
	if ks.store == nil {
		return Key{}, unavailable(id, errZero)
	}
	k, _, err := ks.store.Lookup(ctx, id)
	return k, asError(id, err)
}

// asError turns what a store says of one key into an [*Error].
func asError(id string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound):
		return &Error{Reason: KeyUnknown, KeyID: id}
	default:
		return unavailable(id, err)
	}
}

// Revoke refuses a key from now on, for good. Revoking it again changes
// nothing. An unknown id is an [*Error] with [KeyUnknown]. After one with
// [KeyUnavailable] the store or the [Config.Feed] may not have taken it:
// revoke again; until then another instance's cache may know the key as good
// for as long as [Config.CacheTTL].
func (ks *Keys) Revoke(ctx context.Context, id string) error {
	if ks.store == nil {
		return unavailable(id, errZero)
	}
	err := ks.store.Revoke(ctx, id, instant(ks.clock()))
	ks.cache.drop(id) // after an error, too: who knows what the store has done
	if err != nil {
		return asError(id, err)
	}
	ks.report(ctx, rampart.AuthnTokenRevoked, id)
	if err := ks.announce(ctx, "key", id); err != nil {
		return unavailable(id, err)
	}
	return nil
}

// RevokeOwner revokes every key of owner and says how many there were, revoked
// ones not counted. An empty owner is refused: it would name all keys that
// belong to nobody. After an error do it again, as after one of [Keys.Revoke].
func (ks *Keys) RevokeOwner(ctx context.Context, owner string) (int, error) {
	if owner == "" {
		return 0, errors.New("apikey: no owner")
	}
	if ks.store == nil {
		return 0, unavailable("", errZero)
	}
	ids, err := ks.store.RevokeOwner(ctx, owner, instant(ks.clock()))
	ks.cache.drop(ids...)
	for _, id := range ids { // those revoked before an error are revoked
		ks.report(ctx, rampart.AuthnTokenRevoked, id)
	}
	if err != nil {
		ks.cache.dropOwner(owner) // more may be revoked than it says
		return len(ids), unavailable("", err)
	}
	if err := ks.announce(ctx, "owner", owner); err != nil {
		return len(ids), unavailable("", err)
	}
	return len(ids), nil
}

// Bounds of [Filter.Limit].
const (
	defaultLimit = 50
	maxLimit     = 500
)

// List returns a page of keys, without their secrets, oldest first. The next
// page has the last one's ID as its [Filter.Cursor].
func (ks *Keys) List(ctx context.Context, f Filter) ([]Key, error) {
	if ks.store == nil {
		return nil, unavailable("", errZero)
	}
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	f.Limit = min(f.Limit, maxLimit)
	keys, err := ks.store.List(ctx, f)
	if err != nil {
		return nil, unavailable("", err)
	}
	return keys, nil
}

// Close writes the last-used times and log records that are pending, and ends
// the timer that would have. It waits 5 seconds at most for the store. Last-used
// times of later requests are dropped.
func (ks *Keys) Close() error {
	if ks.store == nil {
		return nil
	}
	err := ks.touch.close()
	ks.rep.Flush()
	return err
}

// report logs a step in a key's life.
func (ks *Keys) report(ctx context.Context, e rampart.Event, id string, attrs ...slog.Attr) {
	ks.rep.Report(ctx, e, id, append(attrs, slog.String("kind", kind), slog.String("key_id", id))...)
}

// kind tells this package's events from those of other credentials.
const kind = "api_key"

// clock returns the time that expiry is held against.
func (ks *Keys) clock() time.Time {
	if ks.now == nil {
		return time.Now()
	}
	return ks.now()
}
