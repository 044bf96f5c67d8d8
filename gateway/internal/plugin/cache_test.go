package plugin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

func TestACacheIsBounded(t *testing.T) {
	s := NewCache()
	for i := range 200 {
		s.store(&Cached{Key: fmt.Sprint(i), address: fmt.Sprint(i), Body: make([]byte, maxBody), Stored: time.Now(), Keep: time.Hour})
		s.find("0", nil, time.Now()) // so that it is used
	}
	assert.LessOrEqual(t, s.bytes, maxCache)
	assert.Len(t, s.at, len(s.byKey))
	assert.Greater(t, len(s.byKey), 100)
	assert.NotNil(t, s.Get("0"), "what is used stays")
	assert.Nil(t, s.Get("1"), "the oldest goes")
	for i := range 200 {
		s.Purge(fmt.Sprint(i))
	}
	assert.Zero(t, s.bytes)
	assert.Empty(t, s.at)
	assert.Empty(t, s.byKey)
}

func TestACachedResponseGrowsOld(t *testing.T) {
	for _, c := range []struct {
		name    string
		config  ProxyCache
		headers []string // of the response
		asked   string
		after   time.Duration
		want    string
	}{
		{"fresh", ProxyCache{CacheTTL: 10}, nil, "", 9 * time.Second, "Hit"},
		{"stale", ProxyCache{CacheTTL: 10}, nil, "", 10 * time.Second, "Miss"},
		{"stale but kept", ProxyCache{CacheTTL: 10, StorageTTL: 60}, nil, "", 11 * time.Second, "Refresh"},
		{"the upstream's time does not count", ProxyCache{CacheTTL: 10}, []string{"Cache-Control", "max-age=60"}, "", 11 * time.Second, "Miss"},
		{"the upstream's time counts", ProxyCache{CacheControl: true}, []string{"Cache-Control", "max-age=60"}, "", 59 * time.Second, "Hit"},
		{"s-maxage comes first", ProxyCache{CacheControl: true}, []string{"Cache-Control", "max-age=60, s-maxage=10"}, "", 11 * time.Second, "Miss"},
		{"too old for the client", ProxyCache{CacheControl: true}, []string{"Cache-Control", "max-age=60"}, "max-age=5", 6 * time.Second, "Refresh"},
		{"stale, and the client does not mind", ProxyCache{CacheControl: true, StorageTTL: 60}, []string{"Cache-Control", "max-age=10"}, "max-stale=5", 14 * time.Second, "Hit"},
		{"stale for too long", ProxyCache{CacheControl: true, StorageTTL: 60}, []string{"Cache-Control", "max-age=10"}, "max-stale=5", 16 * time.Second, "Refresh"},
		{"stale, and the upstream minds", ProxyCache{CacheControl: true, StorageTTL: 60}, []string{"Cache-Control", "max-age=10, must-revalidate"}, "max-stale", 11 * time.Second, "Refresh"},
		{"half of it spent elsewhere", ProxyCache{CacheControl: true}, []string{"Cache-Control", "max-age=60", "Age", "30"}, "", 31 * time.Second, "Miss"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := newProxyCache().(*ProxyCache) //nolint:forcetypeassert // of a test
				cfg.CacheTTL, cfg.CacheControl, cfg.StorageTTL = c.config.CacheTTL, c.config.CacheControl, c.config.StorageTTL
				l, err := cfg.layer(&conf.Plugin{}, &Env{Cache: NewCache()})
				require.NoError(t, err)
				h := l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "text/plain")
					for i := 0; i < len(c.headers); i += 2 {
						w.Header().Set(c.headers[i], c.headers[i+1])
					}
				}))
				ask := func(cc string) string {
					r := httptest.NewRequest(http.MethodGet, "/", nil)
					if cc != "" {
						r.Header.Set("Cache-Control", cc)
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r.WithContext(call.With(r.Context(), &call.Call{})))
					return w.Header().Get("X-Cache-Status")
				}
				require.Equal(t, "Miss", ask(""))
				time.Sleep(c.after)
				assert.Equal(t, c.want, ask(c.asked))
			})
		})
	}
}

func FuzzCacheControl(f *testing.F) {
	for _, s := range []string{"", "max-age=60", `private="a, b", no-store`, "a=,", `a="`, "a b", "\xff=\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := cacheControl(http.Header{"Cache-Control": {s}})
		for name := range d {
			assert.NotContains(t, name, ",")
		}
		both := cacheControl(http.Header{"Cache-Control": {s, "private"}})
		assert.True(t, both.has("private") || both.has("no-store"), "%q", s)
	})
}
