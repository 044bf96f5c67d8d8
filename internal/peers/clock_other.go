//go:build !linux

package peers

import "time"

// processorTime is the time of day where a thread's own is not to be had.
func processorTime() time.Duration { return time.Duration(time.Now().UnixNano()) }
