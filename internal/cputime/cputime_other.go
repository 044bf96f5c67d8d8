//go:build !linux

// Package cputime measures processor time for tests on busy machines.
package cputime

import "time"

// Spent returns how long f took.
func Spent(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
