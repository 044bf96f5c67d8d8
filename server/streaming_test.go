package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/server"
)

// A drip gives 8 KiB a second, more than net/http holds back, n times.
type drip struct{ n int }

func (d *drip) Read(p []byte) (int, error) {
	if d.n == 0 {
		return 0, io.EOF
	}
	d.n--
	time.Sleep(time.Second)
	return min(len(p), 8<<10), nil
}

func TestASlowSourceDoesNotEndAStreamThatIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serveBubble(t, server.Config{WriteTimeout: time.Second, Handler: server.Streaming(2 * time.Second)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n, err := io.Copy(w, &drip{5})
			assert.NoError(t, err)
			assert.EqualValues(t, 5*8<<10, n)
			n, err = io.Copy(w, &io.LimitedReader{R: &drip{5}, N: 20_000})
			assert.NoError(t, err)
			assert.EqualValues(t, 20_000, n)
		}))})
		_, answers := b.open(plainGet)
		_, body := b.answer(answers)
		assert.Len(t, body, 5*8<<10+20_000)
	})
}

// What a program writes comes through a file that is a pipe.
func TestASlowPipeDoesNotEndAStreamThatIsRead(t *testing.T) {
	t.Parallel()
	const stall = 50 * time.Millisecond
	from, to, err := os.Pipe()
	require.NoError(t, err)
	defer from.Close()
	time.AfterFunc(4*stall, func() {
		_, _ = to.Write(make([]byte, 20_000))
		_ = to.Close()
	})
	addr, _ := start(t, server.Config{Handler: server.Streaming(stall)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.CopyN(w, from, 20_000)
		assert.NoError(t, err)
	}))})
	_, body := get(t, "http://"+addr)
	assert.Len(t, body, 20_000)
}

// A file goes out in pieces, each with its own time.
func TestAFileIsStreamedWhole(t *testing.T) {
	name := t.TempDir() + "/f"
	require.NoError(t, os.WriteFile(name, make([]byte, 200_000), 0o600))
	addr, _ := start(t, server.Config{Handler: server.Streaming(0)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, name)
	}))})
	resp, body := get(t, "http://"+addr)
	assert.Len(t, body, 200_000)
	assert.EqualValues(t, 200_000, resp.ContentLength)
}

// A countedDeadlines is a response whose deadlines are counted.
type countedDeadlines struct {
	*httptest.ResponseRecorder
	reads int
}

func (d *countedDeadlines) SetReadDeadline(time.Time) error  { d.reads++; return nil }
func (d *countedDeadlines) SetWriteDeadline(time.Time) error { return nil }

// By then the connection serves another request, or in HTTP/2 the response is gone.
func TestABodyThatIsReadAfterItsHandlerMovesNoDeadline(t *testing.T) {
	for _, late := range []bool{false, true} {
		w := &countedDeadlines{ResponseRecorder: httptest.NewRecorder()}
		var body io.Reader
		server.Streaming(0)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if body = r.Body; !late {
				_, err := io.ReadAll(body)
				assert.NoError(t, err)
			}
		})).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", io.LimitReader(&drip{}, 0)))
		_, err := io.ReadAll(body)
		require.NoError(t, err)
		assert.Equal(t, !late, w.reads > 0, fmt.Sprint("late: ", late))
	}
}
