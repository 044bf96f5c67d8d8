package feed

import (
	"time"

	"github.com/ecolaura/rampart"
)

// Samples yields how far this instance has come, how old that is, and how many
// instances there are. A Feed that New did not make has none.
func (f *Feed) Samples(yield func(rampart.Sample) bool) {
	if f == nil || f.source == nil {
		return
	}
	_ = yield(rampart.Sample{Name: "rampart_feed_sequence", Help: "Number of the last change that this instance has applied.", Value: float64(f.applied.Load())}) &&
		yield(rampart.Sample{Name: "rampart_feed_age_seconds", Help: "Time since the last good poll of the feed's source began.", Value: time.Since(*f.good.Load()).Seconds()}) &&
		yield(rampart.Sample{Name: "rampart_feed_instances", Help: "Instances that follow the feed, as of the last report.", Value: float64(f.Live())})
}
