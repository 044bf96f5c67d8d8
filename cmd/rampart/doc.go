// Command rampart attacks a service as package attack does, audits its headers, and
// handles tokens, keys and secrets:
//
//	rampart attack http://127.0.0.1:8080            what an obvious attack gets through
//	rampart attack -config target.yml -format sarif the whole suite, for a code host
//	rampart audit https://www.example.com           headers, cookies, CORS and TLS, with a score
//	rampart token decode < token                    what a token says
//	rampart token verify -issuer https://… < token  whether it is good, or why not
//	rampart keys make -alg ES256 -out key.pem       a signing key; rotate, publish, convert
//	rampart fernet encrypt < text                   as Python's cryptography.fernet does
//	rampart apikey scan -prefix shop_live .         keys that leaked into a tree
//
// It exits with 0 if all is well, with 1 if it found something or refuses a token or
// key, and with 2 if it could not do what it was asked.
package main
