package sanitize_test

import (
	"runtime"
	"syscall"
	"time"
)

// spent returns how long f kept the processor busy: on a machine that others use
// too, a clock on the wall says nothing. The collector's threads do not count.
func spent(f func()) time.Duration {
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
	before := now()
	f()
	return now() - before
}
