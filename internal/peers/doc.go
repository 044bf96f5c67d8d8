// Package peers measures rampart's layers beside popular Go modules and beside
// a floor written with the standard library alone, all in one run on the same
// requests; refusals also beside what is served, and large sets beside small
// ones. It is a module of its own, so that no peer enters the requirements
// of rampart's users. Every row is checked for what it answers before it is
// timed: a layer that sets nothing is fast.
package peers
