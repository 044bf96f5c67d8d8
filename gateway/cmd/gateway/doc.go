// Command gateway is package gateway with flags: a reverse proxy that reads
// Kong's declarative files and serves its Admin API.
//
//	go run ./gateway/cmd/gateway -config kong.yml
//
// It follows the file, reads it again on SIGHUP, and ends on SIGTERM once every
// request has its response. docs/gateway.md explains the flags.
package main
