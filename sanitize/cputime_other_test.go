//go:build !linux

package sanitize_test

import "time"

// spent returns how long f took.
func spent(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
