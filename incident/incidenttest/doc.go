// Package incidenttest holds the contract of [incident.Store] as a test, for the
// stores of this module and for those of its users. It stops nothing and stands in
// no chain: import it from tests only.
package incidenttest
