package throttle

// Algorithm is what a [Rate] means.
type Algorithm uint8

// algorithms is read-only. A new algorithm is a file like bucket.go, with its
// constant and its slot, and a line here.
var algorithms = [...]algorithm{ //nolint:gochecknoglobals // a table of functions is no constant
	SlidingWindow: {name: "SlidingWindow", spare: 10, keeper: newKeeper[window], take: takeStored[window], give: giveStored[window]},
	TokenBucket:   {name: "TokenBucket", bursts: true, spare: 2, keeper: newKeeper[bucket], take: takeStored[bucket], give: giveStored[bucket]},
}

type algorithm struct {
	name   string
	bursts bool // a bucket holds the rate's Burst, not its Count
	spare  int  // of the slots in a Memory: one for so many keys
	keeper func(shards, slots int) keeper

	// take and give are for a Step: what becomes of a state.
	take func(now moment, it *Item, state []byte, res *Result) (next []byte, ok bool)
	give func(now moment, it *Item, state []byte) (next []byte)
}

// entry returns what a is; of an unknown one only the name is set.
func (a Algorithm) entry() algorithm {
	if int(a) >= len(algorithms) {
		return algorithm{name: "unknown"}
	}
	return algorithms[a]
}

// known is entry, but of one that is unknown that of the zero one.
func (a Algorithm) known() algorithm {
	if int(a) >= len(algorithms) {
		a = 0
	}
	return algorithms[a]
}

// String returns the algorithm's name.
func (a Algorithm) String() string { return a.entry().name }

// Algorithms returns all there are.
func Algorithms() []Algorithm {
	all := make([]Algorithm, len(algorithms))
	for i := range all {
		all[i] = Algorithm(i)
	}
	return all
}
