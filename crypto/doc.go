// Package crypto is a folder of three packages; it holds nothing itself. Package
// fernet encrypts values and tokens in the format of Python's
// cryptography.fernet, package column keeps encrypted values in SQL columns, and
// package tlsconf makes TLS configurations and reloads certificates.
package crypto
