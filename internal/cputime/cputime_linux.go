// Package cputime measures processor time for tests on busy machines.
package cputime

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// Spent returns how long f kept the processor busy: on a machine that others use
// too, a clock on the wall says little. The collector's threads do not count.
func Spent(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := now()
	f()
	return now() - before
}

// now returns this thread's processor time, to the nanosecond (clock_gettime(2)).
func now() time.Duration {
	const thisThread = 3 // CLOCK_THREAD_CPUTIME_ID
	var ts syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, thisThread, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 { //nolint:gosec // the system call takes an address
		panic(errno)
	}
	return time.Duration(ts.Nano())
}
