package throttleredis

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/ecolaura/rampart/internal/redisx"
	"github.com/ecolaura/rampart/throttle"
)

var errReply = errors.New("throttleredis: a reply of Redis that the script does not make")

// What a reply can say: no bucket takes longer to be full, and no clock shows a
// later year than 2255.
const (
	maxMicros = 11 * 366 * 24 * int64(time.Hour/time.Microsecond)
	maxTime   = 1 << 53
)

// Numbers of a reply: two, and four for each item.
const (
	headNumbers = 2
	itemNumbers = 4
)

// parseReply fills out from the reply to items, and reports whether they passed.
// Numbers out of their range are brought back into it.
func parseReply(reply any, items []throttle.Item, converted []item, out []throttle.Result) (bool, error) {
	s, _ := redisx.Text(reply)
	text := []byte(s)
	if len(text) != 8*(headNumbers+itemNumbers*len(items)) {
		return false, errReply
	}
	next := func(limit int64) int64 {
		f := math.Float64frombits(binary.LittleEndian.Uint64(text))
		text = text[8:]
		if !(f > 0) { // nor is it not a number
			return 0
		}
		return int64(min(f, float64(limit)))
	}
	allowed, now := next(1) == 1, next(maxTime)
	inWay := false
	for i := range items {
		x := &converted[i]
		left, rest, wait, full := next(maxMicros), next(maxMicros), next(maxMicros), next(maxMicros)
		remaining, full := algorithms[x.kind].result(*x, items[i].Rate.Period, left, rest, full)
		out[i] = throttle.Result{
			Policy:     items[i].Policy,
			Limit:      x.limit,
			Remaining:  remaining,
			RetryAfter: time.Duration(wait) * time.Microsecond,
			ResetAfter: time.Duration(full) * time.Microsecond,
			At:         now,
		}
		if x.never {
			out[i].RetryAfter = throttle.Never
		}
		inWay = inWay || x.never || x.charged && wait > 0
	}
	if inWay == allowed { // refused for nothing, or passed in spite of it
		return false, errReply
	}
	return allowed, nil
}
