package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// printed is what a command prints, which is read while it runs.
type printed struct {
	mu    sync.Mutex
	text  bytes.Buffer
	first chan struct{}
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text.Len() == 0 {
		close(p.first)
	}
	return p.text.Write(b)
}

func TestItServesAWeakServiceAndItsTwin(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		status int // of a file that should not be served
		says   string
	}{
		{"all weaknesses", nil, http.StatusOK, "weaknesses"},
		{"one", []string{"-weak", "env-exposed"}, http.StatusOK, "with 1 weaknesses"},
		{"none", []string{"-hardened"}, http.StatusNotFound, "with 0 weaknesses"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			out := &printed{first: make(chan struct{})}
			done := make(chan error, 1)
			go func() { done <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, tt.args...), out, io.Discard) }()
			select {
			case <-out.first:
			case err := <-done:
				t.Fatal(err)
			case <-time.After(time.Minute):
				t.Fatal("it does not listen")
			}
			out.mu.Lock()
			said := out.text.String()
			out.mu.Unlock()
			assert.Contains(t, said, tt.says)
			url := regexp.MustCompile(`http://[\d.:]+`).FindString(said)
			resp, err := http.Get(url + "/.env")
			require.NoError(t, err)
			_ = resp.Body.Close()
			assert.Equal(t, tt.status, resp.StatusCode)
			cancel()
			require.NoError(t, <-done)
		})
	}
}

func TestItServesNobodyElse(t *testing.T) {
	for _, addr := range []string{":8089", "0.0.0.0:8089", "192.0.2.1:80", "localhost", ""} {
		require.ErrorContains(t, run(t.Context(), []string{"-addr", addr}, io.Discard, io.Discard), "of this machine", addr)
	}
	require.ErrorContains(t, run(t.Context(), []string{"-weak", "nosuch"}, io.Discard, io.Discard), "is no weakness")
}
