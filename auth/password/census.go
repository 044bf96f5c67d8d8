package password

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
)

const (
	leastNameKey = 16
	maxKinds     = 64 // of a table; more would be a mistake, or an attack
)

// A Census counts the hashes of a table by what they cost to verify. Add them all to a
// new one; the zero Census is an empty one. It is not safe for concurrent use, and not
// to be changed once a [Hasher] has it.
type Census struct {
	kinds map[string]*kind
}

type kind struct {
	dummy stored
	count uint64
}

// Add counts a hash. It passes over what no password can match, and keeps neither the
// hash nor its salt.
func (c *Census) Add(encoded string) {
	s, err := parse(encoded)
	if err != nil || s == nil {
		return
	}
	if c.kinds == nil {
		c.kinds = map[string]*kind{}
	}
	k := c.kinds[s.cost()]
	switch {
	case k != nil:
		k.count++
	case len(c.kinds) < maxKinds:
		c.kinds[s.cost()] = &kind{dummy: s.blank(), count: 1}
	}
}

func (c *Census) mixed() bool { return c != nil && len(c.kinds) > 1 }

// dummy returns the hash that a name without an account has: of each kind in the
// proportion of the table, and always the same for one name. nil: the table is empty.
func (c *Census) dummy(key []byte, name string) stored {
	if c == nil || len(c.kinds) == 0 {
		return nil
	}
	var total uint64
	for _, k := range c.kinds {
		total += k.count
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(name))
	place := binary.BigEndian.Uint64(mac.Sum(nil)) % total
	for _, cost := range slices.Sorted(maps.Keys(c.kinds)) {
		k := c.kinds[cost]
		if place < k.count {
			return k.dummy
		}
		place -= k.count
	}
	return nil // place is below total
}
