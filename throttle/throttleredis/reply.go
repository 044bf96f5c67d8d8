package throttleredis

import (
	"errors"
	"strconv"
	"time"

	"github.com/ecolaura/rampart/throttle"
)

var errReply = errors.New("throttleredis: a reply of Redis that the script does not make")

// maxMicros clamps what a reply says: no bucket takes longer to be full.
const maxMicros = 11 * 366 * 24 * int64(time.Hour/time.Microsecond)

// perItem is how many numbers of a reply belong to an item.
const perItem = 4

// parseReply fills out from the reply to items, and says whether they passed.
// Numbers out of their range are brought back into it.
func parseReply(reply any, items []throttle.Item, converted []item, out []throttle.Result) (bool, error) {
	list, _ := reply.([]any)
	if len(list) != 2+perItem*len(items) {
		return false, errReply
	}
	allowed, ok := number(list[0])
	now, ok2 := number(list[1])
	if !ok || !ok2 || allowed < 0 || allowed > 1 {
		return false, errReply
	}
	inWay := false
	for i := range items {
		var n [perItem]int64
		for j := range n {
			if n[j], ok = number(list[2+perItem*i+j]); !ok {
				return false, errReply
			}
			n[j] = min(max(n[j], 0), maxMicros)
		}
		x := &converted[i]
		out[i] = throttle.Result{
			Policy:     items[i].Policy,
			Limit:      x.limit,
			Remaining:  int(min(n[0], int64(x.limit))),
			RetryAfter: time.Duration(n[2]) * time.Microsecond,
			ResetAfter: time.Duration(n[3]) * time.Microsecond,
			At:         now,
		}
		if x.bucket {
			out[i].Remaining = refilled(n[0], n[1], items[i].Rate.Period, x.numbers[2], x.limit)
		}
		if x.never {
			out[i].RetryAfter = throttle.Never
		}
		inWay = inWay || x.never || x.charged && n[2] > 0
	}
	if inWay == (allowed == 1) { // refused for nothing, or passed in spite of it
		return false, errReply
	}
	return allowed == 1, nil
}

// number reads an integer of any type that a client may return.
func number(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case int:
		return int64(n), true
	case string:
		i, err := strconv.ParseInt(n, 10, 64)
		return i, err == nil
	case []byte:
		i, err := strconv.ParseInt(string(n), 10, 64)
		return i, err == nil
	default:
		return 0, false
	}
}
