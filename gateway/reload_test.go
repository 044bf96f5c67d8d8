package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// watch has the gateway look at its file, as Serve does.
func (e *edge) watch() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.g.Follow(ctx)
	}()
	e.t.Cleanup(func() { stop(); <-done })
}

func TestFiftyReloadsUnderLoadLoseNoRequest(t *testing.T) {
	e := start(t, one(""))
	good, err := os.ReadFile(e.file)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var asked, failed atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				resp, err := client.Get(e.url + "/api/x")
				asked.Add(1)
				if err != nil {
					failed.Add(1)
					continue
				}
				if resp.StatusCode != 200 {
					failed.Add(1)
				}
				_ = resp.Body.Close()
			}
		})
	}
	refused := 0
	for i := range 50 {
		text := strings.ReplaceAll(string(good), "strip_path: false", fmt.Sprintf("strip_path: %t", i%2 == 0)) +
			fmt.Sprintf("  - {name: rate-limiting, config: {second: %d}}\n", 1_000_000+i)
		if i%5 == 4 {
			text = strings.ReplaceAll(text, "paths", "paht")
		}
		require.NoError(t, os.WriteFile(e.file, []byte(text), 0o600))
		if before := e.g.Current(); e.g.Reload(context.Background()) != nil {
			refused++
			assert.Same(t, before, e.g.Current(), "the old one stays")
		}
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	wg.Wait()
	assert.Equal(t, 10, refused)
	assert.Zero(t, failed.Load())
	t.Logf("%d requests during 50 reloads, %d failed", asked.Load(), failed.Load())
}

func TestAFileThatIsStillBeingWrittenIsNotRead(t *testing.T) {
	e := start(t, one("  - {name: key-auth}\n"))
	text, err := os.ReadFile(e.file)
	require.NoError(t, err)
	look := func() { e.g.Look(t.Context()) }
	look()
	next := strings.ReplaceAll(string(text), "/api", "/second")
	half, _, _ := strings.Cut(next, "plugins:")
	require.NoError(t, os.WriteFile(e.file, []byte(half), 0o600))
	look()
	assert.Equal(t, 401, e.get("/api").status, "half of it has no plugins")
	require.NoError(t, os.WriteFile(e.file, []byte(next), 0o600))
	look()
	assert.Equal(t, []string{"/api"}, e.g.Current().Routes[0].Paths)
	look()
	assert.Equal(t, []string{"/second"}, e.g.Current().Routes[0].Paths)
	assert.Equal(t, 401, e.get("/second").status)
}

func TestAChangedFileIsFollowed(t *testing.T) {
	t.Parallel() // most of it is waiting
	e := start(t, one(""))
	e.watch()
	change := func(from, to string) {
		text, err := os.ReadFile(e.file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(e.file, []byte(strings.ReplaceAll(string(text), from, to)), 0o600))
	}
	require.Equal(t, 200, e.get("/api").status)
	change("/api", "/second")
	require.Eventually(t, func() bool { return e.get("/second").status == 200 }, 20*time.Second, 50*time.Millisecond)
	change("/second", "nonsense")
	require.Eventually(t, func() bool { return strings.Contains(e.log.String(), "kong.yml:6") }, 20*time.Second, 50*time.Millisecond)
	assert.Contains(t, e.log.String(), "refused, the old one stays")
	assert.Equal(t, 200, e.get("/second").status)
	change("nonsense", "/third")
	require.Eventually(t, func() bool { return e.get("/third").status == 200 }, 20*time.Second, 50*time.Millisecond)

	require.Equal(t, 201, e.form("POST", "/services", "name", "only-in-memory", "host", "a").status)
	require.Equal(t, 200, do(t, "POST", e.admin+"/reload", "").status)
	assert.Equal(t, 404, do(t, "GET", e.admin+"/services/only-in-memory", "").status)
}
