package server_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/server"
)

// Both over TLS and in the clear the owner keeps what its connection can do, and the
// end of the server closes it though the peer neither reads nor answers.
func TestATakenConnectionKeepsItsMethodsAndIsClosedAtTheEnd(t *testing.T) {
	t.Parallel()
	certs := httptest.NewUnstartedServer(nil)
	certs.StartTLS()
	certs.Close()
	for desc, secure := range map[string]*tls.Config{"TCP": nil, "TLS": {Certificates: certs.TLS.Certificates}} {
		t.Run(desc, func(t *testing.T) {
			t.Parallel()
			taken := make(chan net.Conn, 1)
			addr, stop := start(t, server.Config{TLSConfig: secure, ShutdownTimeout: 300 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if assert.NoError(t, err) {
					taken <- conn
				}
			})})
			var client net.Conn
			var err error
			if secure == nil {
				client, err = net.Dial("tcp", addr)
			} else {
				client, err = tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
			}
			require.NoError(t, err)
			defer client.Close()
			_, err = io.WriteString(client, plainGet)
			require.NoError(t, err)
			conn := <-taken
			assert.Implements(t, (*interface{ CloseWrite() error })(nil), conn)
			if secure == nil {
				assert.Implements(t, (*io.ReaderFrom)(nil), conn)
			} else {
				assert.Implements(t, (*interface{ ConnectionState() tls.ConnectionState })(nil), conn)
			}
			require.NoError(t, conn.SetDeadline(time.Time{}))
			assert.Error(t, stop(), "its owner kept it")
			_, err = conn.Write([]byte("x"))
			require.ErrorIs(t, err, net.ErrClosed)
			_, err = io.ReadAll(client)
			assert.NoError(t, err)
		})
	}
}

func TestWhatIsTakenAfterTheEndIsClosed(t *testing.T) {
	e := server.NewDrain()
	before, client := net.Pipe()
	_ = e.Take(before)
	e.CloseTaken()
	assert.Zero(t, e.Holds())
	_, err := client.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	after, client := net.Pipe()
	_ = e.Take(after)
	assert.Zero(t, e.Holds())
	_ = client.SetDeadline(time.Now().Add(time.Second)) // fails where it is closed already
	_, err = client.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}
