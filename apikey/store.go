package apikey

import (
	"context"
	"errors"
	"time"
)

// Errors of a [Store] that are results, not failures.
var (
	ErrNotFound = errors.New("apikey: no such key")                           // no key has this id or hash
	ErrConflict = errors.New("apikey: the key is not in the state asked for") // see the method that returns it
)

// A Store keeps keys. Every method is one atomic step, also among several
// processes, and is safe for concurrent use. Times are exact to the
// microsecond. What a method returns shares nothing with the store. An error
// other than [ErrNotFound] and [ErrConflict] means that the store failed.
// Package apikeytest holds the contract as a test.
type Store interface {
	// Insert adds a key; ErrConflict if its id or hash is taken.
	Insert(ctx context.Context, k Key, hash []byte) error

	// Lookup returns a key and its hash by its id, revoked and expired ones
	// too; ErrNotFound if there is none. It is one read by primary key.
	Lookup(ctx context.Context, id string) (Key, []byte, error)

	// LookupHash returns the key with this hash: imported keys carry no id.
	LookupHash(ctx context.Context, hash []byte) (Key, error)

	// UpdateHash replaces the hash of a key if it is old, else
	// ErrConflict; ErrNotFound if there is no such key.
	UpdateHash(ctx context.Context, id string, old, hash []byte) error

	// Rotate adds the key next, and gives the key old that successor and ends
	// its life at expires, unless it ends sooner: both or neither. It returns
	// ErrConflict if old is revoked or has a successor, or if next's id or
	// hash is taken; ErrNotFound if there is no key old.
	Rotate(ctx context.Context, old string, expires time.Time, next Key, hash []byte) error

	// Revoke revokes a key for good. One that is revoked stays as it is.
	// ErrNotFound if there is none.
	Revoke(ctx context.Context, id string, at time.Time) error

	// RevokeOwner revokes every key of owner that is not revoked yet, and
	// returns their ids. Afterwards no successor of a rotation that was under
	// way meanwhile is left over.
	RevokeOwner(ctx context.Context, owner string, at time.Time) ([]string, error)

	// Touch sets when keys were last used, by id. A later time stays; an
	// unknown id is passed over.
	Touch(ctx context.Context, used map[string]time.Time) error

	// List returns the keys that f selects, ordered by the bytes of their ids.
	List(ctx context.Context, f Filter) ([]Key, error)
}

// A Filter selects keys for [Keys.List].
type Filter struct {
	Owner  string // whose keys; empty: everybody's
	Cursor string // ID of the last key of the page before; empty: the first page
	Limit  int    // keys on a page; 0: 50; at most 500. A Store always gets 1 or more
}
