package incident

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// An Order is one call of an operator, as the audit trail keeps it.
type Order struct {
	ID     string          `json:"id"`               // of ASCII letters, digits and "-"; the ID of a later order sorts after it, byte by byte
	At     time.Time       `json:"at"`               // when it was given, to the microsecond
	Actor  string          `json:"actor"`            // who gave it
	Action string          `json:"action"`           // such as "block"
	Target string          `json:"target,omitempty"` // whom or what it concerns
	Note   string          `json:"note,omitempty"`   // why
	State  State           `json:"state"`            // how far it has come
	Answer json.RawMessage `json:"answer,omitempty"` // what the operator was told: one JSON object

	// Mark is the change of the feed up to which an instance must have read to
	// have carried the order out; 0: none is needed.
	Mark int64 `json:"mark,omitempty"`

	// Once identifies what must not be ordered twice: it is made of the actor and
	// their Idempotency-Key, and Request of what they asked for. "": the order has no
	// such key.
	Once    string `json:"once,omitempty"`
	Request string `json:"request,omitempty"`
}

// A State says how far an [Order] has come.
type State string

// The states. An order that stays Open is one whose process died.
const (
	Open    State = "open"
	Done    State = "done"
	Unknown State = "unknown" // nobody knows the target here
	Refused State = "refused" // a layer would not have it: it is not in force
	Failed  State = "failed"  // it may or may not be in force
)

// HoldsOnce reports whether another order with o's Once must not be given: true while o
// is open, or done.
func (o Order) HoldsOnce() bool {
	return o.Once != "" && o.State != Unknown && o.State != Refused && o.State != Failed
}

// Abandoned is after what time an order that is still [Open] does not keep another
// one with the same Once from being given.
const Abandoned = time.Minute

// ErrNoOrder is returned by [Store.Get].
var ErrNoOrder = errors.New("incident: no such order")

// A Store keeps the orders: the audit trail. It is safe for concurrent use, also by
// several processes; its errors are those of the backend. The contract is tested by
// incidenttest.TestStore.
type Store interface {
	// Begin adds an order, unless its Once is that of another one which holds it, and is
	// not one that is [Abandoned] by o.At. That one is then returned, and added is
	// false. An ID that is taken is an error.
	Begin(ctx context.Context, o Order) (other Order, added bool, err error)

	// Finish replaces the order of that ID. If o.HoldsOnce is false, its Once may be used again.
	// ErrNoOrder if there is no such order.
	Finish(ctx context.Context, o Order) error

	// Get returns an order, or ErrNoOrder.
	Get(ctx context.Context, id string) (Order, error)

	// List returns at most limit orders whose ID sorts before that one, the newest
	// first; "" begins with the newest of all.
	List(ctx context.Context, before string, limit int) ([]Order, error)
}
