// Package instance is what a feed and its sources share about the instances of a
// service.
package instance
