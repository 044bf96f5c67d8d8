// Package tlsconf makes the TLS configuration of a server and keeps it current:
// certificates, keys and client CAs are files, and a [Reloader] follows them, so
// that a renewed certificate is served without a restart and without a dropped
// connection.
//
// It stops old protocol versions and weak ciphers (Mozilla's server side TLS
// guidelines, "intermediate" or "modern"), a broken renewal that would take the
// service down (what cannot be used is refused, and what was served before stays),
// a key file that everyone on the machine can read, and a certificate that
// expires unnoticed. It is no layer of the handler chain: the server's listener
// has it.
//
//	tlsc, err := tlsconf.New(tlsconf.Config{CertFile: "tls.crt", KeyFile: "tls.key"})
//	…
//	defer tlsc.Close()
//	srv := &http.Server{Handler: h, TLSConfig: tlsc.TLSConfig()}
//	err = srv.ListenAndServeTLS("", "")
//
// # What it does not do
//
// It fetches no certificate (an ACME client does, and writes the files), staples
// no OCSP responses, and checks no revocation of client certificates: give clients
// short-lived ones. Connections that are open keep the certificate with which
// they began. Strict-Transport-Security is a header (package headers).
package tlsconf
