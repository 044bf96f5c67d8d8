package password

import (
	"errors"
	"strconv"

	"github.com/ecolaura/rampart"
)

// A Config configures a [Hasher]. The zero Config is right for most servers: it
// takes about 20 ms and 19 MiB for each hash.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Memory, Time and Threads are argon2id's parameters: the memory in KiB, the
	// passes over it, the lanes. Zero means what OWASP recommends: 19456 (19 MiB),
	// 2 and 1. Weaker pairs of Memory and Time than OWASP lists are refused, and
	// so is what a [Hasher] would not verify (see [MaxMemory], [MaxWork],
	// [MaxThreads]).
	Memory  uint32
	Time    uint32
	Threads uint8

	// Parallel is how many hashes are computed at once, each with Memory of its
	// own. Zero means GOMAXPROCS.
	Parallel int

	// Queue is how many more may wait for their turn; beyond that the answer is
	// [ErrBusy]. Zero means four for each one computed at once, negative none.
	Queue int
}

// Bounds of the cost of a hash, whether configured or read from a store: whoever
// can write to the table of hashes shall not be able to stop the server with it.
const (
	MaxMemory     = 256 << 10  // argon2: KiB of memory
	MaxWork       = 1 << 20    // argon2: memory in KiB × passes; about a second
	MaxThreads    = 16         // argon2: lanes
	MaxIterations = 10_000_000 // pbkdf2; Django 6 writes 1 200 000
	MaxRounds     = 15         // bcrypt: binary logarithm; Django writes 12
)

// maxCallers bounds Parallel and Queue: more would be a mistake of units.
const maxCallers = 1 << 16

// Reasons of a [rampart.ConfigError] of this package.
const (
	ReasonTooWeak  = "too_weak"  // under the OWASP Password Storage Cheat Sheet's least
	ReasonTooLarge = "too_large" // above a bound of this package
	ReasonInvalid  = "invalid"   // a negative number
)

func mistake(field, reason string, value int64) error {
	return &rampart.ConfigError{Package: "password", Field: field, Reason: reason, Value: strconv.FormatInt(value, 10)}
}

// leastMemory returns the KiB that OWASP asks for with that many passes.
func leastMemory(passes uint32) uint32 {
	switch passes {
	case 1:
		return 47104
	case 2:
		return 19456
	case 3:
		return 12288
	case 4:
		return 9216
	default:
		return 7168
	}
}

// params returns the parameters with the defaults filled in, or all mistakes.
func (c *Config) params() (params, error) {
	p := params{memory: c.Memory, passes: c.Time, lanes: c.Threads}
	if p.passes == 0 {
		p.passes = 2
	}
	if p.memory == 0 {
		p.memory = max(19456, leastMemory(p.passes))
	}
	if p.lanes == 0 {
		p.lanes = 1
	}
	var errs []error
	switch {
	case p.memory < leastMemory(p.passes):
		errs = append(errs, mistake("Memory", ReasonTooWeak, int64(p.memory)))
	case p.memory > MaxMemory:
		errs = append(errs, mistake("Memory", ReasonTooLarge, int64(p.memory)))
	case uint64(p.memory)*uint64(p.passes) > MaxWork:
		errs = append(errs, mistake("Time", ReasonTooLarge, int64(p.passes)))
	}
	if p.lanes > MaxThreads {
		errs = append(errs, mistake("Threads", ReasonTooLarge, int64(p.lanes)))
	}
	if c.Parallel < 0 {
		errs = append(errs, mistake("Parallel", ReasonInvalid, int64(c.Parallel)))
	}
	if c.Parallel > maxCallers {
		errs = append(errs, mistake("Parallel", ReasonTooLarge, int64(c.Parallel)))
	}
	if c.Queue > maxCallers {
		errs = append(errs, mistake("Queue", ReasonTooLarge, int64(c.Queue)))
	}
	return p, errors.Join(errs...)
}
