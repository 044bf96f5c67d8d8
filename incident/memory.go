package incident

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
)

// defaultLimit is how many orders a MemoryStore keeps unless it is told.
const defaultLimit = 1000

var errTaken = errors.New("incident: begin: there is an order with this ID")

// A MemoryStore is a [Store] for one process; its orders end with it. It is safe
// for concurrent use. Create one with [NewMemoryStore].
type MemoryStore struct {
	limit int

	mu     sync.Mutex
	orders []Order           // by ID
	taken  map[string]string // Once → ID of the order that holds it
}

var _ Store = (*MemoryStore)(nil)

// NewMemoryStore returns an empty store that keeps the newest limit orders; 0 or
// less: 1000.
func NewMemoryStore(limit int) *MemoryStore {
	if limit <= 0 {
		limit = defaultLimit
	}
	return &MemoryStore{limit: limit, taken: map[string]string{}}
}

// find returns where the order of that ID is, or belongs, and whether it is there.
func (m *MemoryStore) find(id string) (int, bool) {
	return slices.BinarySearchFunc(m.orders, id, func(o Order, id string) int { return strings.Compare(o.ID, id) })
}

// clone shares no memory with o.
func clone(o Order) Order {
	o.Answer = slices.Clone(o.Answer)
	return o
}

// Begin implements [Store]. An ID that is taken is an error.
func (m *MemoryStore) Begin(ctx context.Context, o Order) (other Order, added bool, err error) {
	if err := ctx.Err(); err != nil {
		return Order{}, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if id, ok := m.taken[o.Once]; ok {
		i, _ := m.find(id)
		if other := m.orders[i]; other.State != Open || o.At.Before(other.At.Add(Abandoned)) {
			return clone(other), false, nil
		}
	}
	i, found := m.find(o.ID)
	if found {
		return Order{}, false, errTaken
	}
	m.orders = slices.Insert(m.orders, i, clone(o))
	if o.HoldsOnce() {
		m.taken[o.Once] = o.ID
	}
	if len(m.orders) > m.limit {
		m.free(m.orders[0])
		m.orders = slices.Delete(m.orders, 0, 1)
	}
	return Order{}, true, nil
}

// free gives up the Once of an order, unless another one holds it by now.
func (m *MemoryStore) free(o Order) {
	if m.taken[o.Once] == o.ID {
		delete(m.taken, o.Once)
	}
}

// Finish implements [Store]. An order that is not there, such as one that had to
// make room, is ErrNoOrder.
func (m *MemoryStore) Finish(ctx context.Context, o Order) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, found := m.find(o.ID)
	if !found {
		return ErrNoOrder
	}
	m.orders[i] = clone(o)
	if !o.HoldsOnce() {
		m.free(o)
	}
	return nil
}

// Get implements [Store].
func (m *MemoryStore) Get(ctx context.Context, id string) (Order, error) {
	if err := ctx.Err(); err != nil {
		return Order{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, found := m.find(id)
	if !found {
		return Order{}, ErrNoOrder
	}
	return clone(m.orders[i]), nil
}

// List implements [Store].
func (m *MemoryStore) List(ctx context.Context, before string, limit int) ([]Order, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	end := len(m.orders)
	if before != "" {
		end, _ = m.find(before)
	}
	page := slices.Clone(m.orders[max(0, end-max(0, limit)):end])
	slices.Reverse(page)
	for i, o := range page {
		page[i] = clone(o)
	}
	return page, nil
}
