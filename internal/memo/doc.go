// Package memo keeps what is looked up by each request and rarely added to.
package memo
