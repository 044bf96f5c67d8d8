package server_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ecolaura/rampart/server"
)

// A client that heeds no setting: what holds is what the server counts itself.
func TestH2CKeepsTheLimitOfTheHeader(t *testing.T) {
	t.Parallel()
	var served atomic.Int32
	addr, _ := start(t, server.Config{Protocols: h2c(), MaxHeaderBytes: 8 << 10, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		served.Add(1)
	})})
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	require.NoError(t, framer.WriteSettings())
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	// header writes a request's with that many fields of a KiB.
	header := func(stream uint32, fields int, ends bool) {
		block.Reset()
		for _, pair := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}} {
			require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: pair[0], Value: pair[1]}))
		}
		for range fields {
			require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("\x7e", 1<<10-33), Sensitive: true}))
		}
		require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: ends}))
	}
	status := func() string {
		for {
			frame, err := framer.ReadFrame()
			require.NoError(t, err)
			if h, ok := frame.(*http2.MetaHeadersFrame); ok {
				return h.PseudoValue("status")
			}
		}
	}
	header(1, 7, true)
	assert.Equal(t, "200", status())
	header(3, 9, true)
	assert.Equal(t, "431", status())
	header(5, 7, false)
	for err == nil { // it never ends, so the server has to
		err = framer.WriteContinuation(5, false, block.Bytes())
	}
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.EqualValues(t, 1, served.Load(), "of the others no handler is told")
}

// Neither is the connection taken over by an Upgrade, which a proxy may have let
// through unseen (h2c smuggling).
func TestH2CIsNotBegunByAnUpgrade(t *testing.T) {
	t.Parallel()
	addr, _ := start(t, server.Config{Protocols: h2c(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	})})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr, nil)
	require.NoError(t, err)
	req.Header = http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c"}, "Http2-Settings": {"AAMAAABkAAQAAP__"}}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, "HTTP/1.1", string(body))
}

func TestAStreamOverHTTP2OutlivesTheTimeoutAndEndsWithoutAReader(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(600 * time.Millisecond):
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "late")
	})
	mux.HandleFunc("/unread", func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 32<<20)) // more than the windows of the client
		failed <- err
	})
	addr, _ := start(t, server.Config{Protocols: h2c(), ReadTimeout: 200 * time.Millisecond, WriteTimeout: 200 * time.Millisecond, HTTP2: &http.HTTP2Config{WriteByteTimeout: time.Minute}, Handler: server.Streaming(time.Second)(mux)})
	client := h2cClient(t)
	unread, err := client.Get("http://" + addr + "/unread")
	require.NoError(t, err)
	defer unread.Body.Close()
	resp, err := client.Get("http://" + addr + "/read")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "late", string(body))
	select {
	case err := <-failed:
		assert.Error(t, err)
	case <-time.After(10 * time.Second):
		t.Error("a client that reads nothing holds the handler")
	}
}
