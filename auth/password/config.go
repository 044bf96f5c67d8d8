package password

import (
	"fmt"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
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

	// Format is how Hash writes. "": the PHC string format. While a Django uses the
	// table, too, write what it reads.
	Format Format

	// Iterations is the cost of [FormatDjangoPBKDF2]. Zero means what OWASP
	// recommends: 600000.
	Iterations int

	// Census says how dear the hashes of the table are, so that a name without an
	// account costs in [Hasher.Check] what one with an account may cost. Take it anew
	// from time to time ([Hasher.SetCensus]). nil: all are as Hash writes them.
	Census *Census

	// NameKey is a secret of 16 bytes or more that chooses what a name without an account
	// costs, where Census has several kinds. All instances need the same, and keep it.
	NameKey []byte

	// Parallel is how many hashes are computed at once, each with Memory of its
	// own. Zero means GOMAXPROCS.
	Parallel int

	// Queue is how many more may wait for their turn; beyond that the error is
	// [ErrBusy]. Zero means 32 for each one computed at once, negative none.
	Queue int

	// Wait is how long one of them waits; then the error is [ErrBusy], too: people give
	// up, and their place should go to somebody who has not. A minute at most; zero
	// means 5 s.
	Wait time.Duration
}

// A Format is how a hash is written.
type Format string

// Formats of [Config].
const (
	FormatPHC          Format = ""              // $argon2id$v=19$…
	FormatDjangoArgon2 Format = "argon2"        // argon2$argon2id$v=19$…: Django's Argon2PasswordHasher; it does not replace those of 102400 KiB, 2 passes and 8 lanes
	FormatDjangoPBKDF2 Format = "pbkdf2_sha256" // pbkdf2_sha256$…: Django's PBKDF2PasswordHasher; it replaces those whose iterations are not its own
)

// leastIterations is what OWASP asks for.
const leastIterations = 600_000

const (
	defaultWait = 5 * time.Second
	maxWait     = time.Minute
)

// Bounds of the cost of a hash, whether configured or read from a store:
// somebody who can write to the table of hashes must not be able to stop the server with it.
const (
	MaxMemory     = 256 << 10  // argon2, scrypt: KiB of memory
	MaxWork       = 1 << 20    // argon2, scrypt: memory in KiB × passes (scrypt's p); about a second, of scrypt some
	MaxThreads    = 16         // argon2: lanes
	MaxIterations = 10_000_000 // pbkdf2; Django 6 writes 1 200 000
	MaxRounds     = 15         // bcrypt: binary logarithm; Django writes 12
)

// maxCallers bounds Parallel and Queue: more would be a mistake of units.
const maxCallers = 1 << 16

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
	bad := conferr.For("password.Config")
	const wantNameKey = "give a secret of 16 bytes or more that all instances share"
	const wantCallers = "use up to 65536 hashes at a time; 0 takes the default"
	switch least := leastMemory(p.passes); {
	case p.memory < least:
		bad.Add("Memory", rampart.ReasonWeak, p.memory, fmt.Sprintf("OWASP asks for at least %d KiB with %d passes (Time)", least, p.passes))
	case p.memory > MaxMemory:
		bad.Add("Memory", rampart.ReasonInvalid, p.memory, "use up to 262144 KiB (256 MiB)")
	case uint64(p.memory)*uint64(p.passes) > MaxWork:
		bad.Add("Time", rampart.ReasonInvalid, p.passes, "Memory in KiB times Time is at most 1048576, about a second")
	}
	bad.If(c.Format != FormatPHC && c.Format != FormatDjangoArgon2 && c.Format != FormatDjangoPBKDF2, "Format", rampart.ReasonInvalid, string(c.Format), "use FormatPHC, FormatDjangoArgon2 or FormatDjangoPBKDF2")
	switch {
	case c.Iterations != 0 && c.Format != FormatDjangoPBKDF2:
		bad.Add("Iterations", rampart.ReasonPointless, c.Iterations, "set Format to FormatDjangoPBKDF2, or leave it 0")
	case c.Iterations < 0 || c.Iterations > MaxIterations:
		bad.Add("Iterations", rampart.ReasonInvalid, c.Iterations, "use up to 10000000; 0 means 600000")
	case c.Iterations != 0 && c.Iterations < leastIterations:
		bad.Add("Iterations", rampart.ReasonWeak, c.Iterations, "OWASP asks for at least 600000")
	}
	bad.If(len(c.NameKey) > 0 && len(c.NameKey) < leastNameKey, "NameKey", rampart.ReasonWeak, nil, wantNameKey)
	bad.If(len(c.NameKey) == 0 && c.Census.mixed(), "NameKey", rampart.ReasonMissing, nil, wantNameKey)
	bad.If(p.lanes > MaxThreads, "Threads", rampart.ReasonInvalid, p.lanes, "use up to 16 lanes; 0 means 1")
	bad.If(c.Parallel < 0 || c.Parallel > maxCallers, "Parallel", rampart.ReasonInvalid, c.Parallel, wantCallers)
	bad.If(c.Wait < 0 || c.Wait > maxWait, "Wait", rampart.ReasonInvalid, c.Wait, "use up to 1m; 0 means 5s")
	bad.If(c.Queue > maxCallers, "Queue", rampart.ReasonInvalid, c.Queue, wantCallers)
	return p, bad.Err()
}
