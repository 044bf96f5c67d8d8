package server_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/server"
)

// poster posts until it is refused a connection, and returns what else kept it from
// a response.
func poster(addr string, posted *atomic.Int64) error {
	for {
		conn, err := net.DialTimeout("tcp", addr, 20*time.Second)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		if err != nil {
			return err
		}
		err = postOn(conn, posted)
		_ = conn.Close()
		if err != nil {
			return err
		}
	}
}

// postOn posts on a connection until a response closes it.
func postOn(conn net.Conn, posted *atomic.Int64) error {
	answers := bufio.NewReader(conn)
	for {
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != "hello" {
			return fmt.Errorf("%q: %w", body, err)
		}
		posted.Add(1)
		if resp.Close {
			return nil
		}
	}
}

// Without the filter, or without the wait behind it, this fails nearly always.
func TestNoRequestIsLostWhileClientsPostUntilTheyAreRefused(t *testing.T) {
	t.Parallel()
	for _, busy := range []int64{0, 4} {
		t.Run(fmt.Sprintf("beside %d goroutines that compute", busy), func(t *testing.T) {
			var computing atomic.Int64
			var burners, servers sync.WaitGroup
			for range busy {
				burners.Go(func() {
					for computing.Load() >= 0 { // it computes
					}
				})
			}
			for range 8 {
				servers.Go(func() {
					addr, stop := start(t, server.Config{
						LameDuck: 500 * time.Millisecond, // idle connections are used up by then
						Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }),
					})
					var posted atomic.Int64
					var clients sync.WaitGroup
					for range 16 {
						clients.Go(func() { assert.NoError(t, poster(addr, &posted)) })
					}
					<-time.After(100 * time.Millisecond)
					assert.NoError(t, stop())
					clients.Wait()
					assert.Positive(t, posted.Load())
				})
			}
			servers.Wait()
			computing.Store(-1)
			burners.Wait()
		})
	}
}
