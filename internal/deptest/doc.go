// Package deptest holds the rules of the house as tests: what each package may
// import and link, how it is documented, and what its code never does.
package deptest
