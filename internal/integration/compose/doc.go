// Package compose tests rampart's layers inside and outside of other middleware,
// over HTTP/1.1 and HTTP/2.
package compose
