// Package cputime measures processor time for tests on busy machines.
package cputime

import (
	"runtime"
	"syscall"
	"time"
)

// Spent returns how long f kept the processor busy, at most: on a machine that
// others use too, a clock on the wall says little. The processor's own clock can
// be a tick late; both err upwards only. The collector's threads do not count.
func Spent(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const thisThread = 1 // RUSAGE_THREAD
	now := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(thisThread, &u); err != nil {
			panic(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	const tick = 2 * time.Millisecond
	start, before := time.Now(), now()
	f()
	return min(time.Since(start), now()-before+tick)
}
