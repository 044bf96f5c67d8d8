// Package feedredis keeps the changes of a feed.Feed in a stream of Redis. It
// links no client: it takes a function that sends a command ([DoFunc]).
//
// Use package feedsql where there is a shared SQL database: an order that must
// not be forgotten is safer there.
package feedredis
