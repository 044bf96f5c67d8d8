// Package weborigin reads origins as browsers send them, and patterns of origins, for
// the packages that let some of them in.
package weborigin
