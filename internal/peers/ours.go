package peers

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/throttle"
)

func ourHeaders() layer {
	cfg := headers.API("api.ecolaura.com")
	cfg.Logger = quiet()
	return must(headers.New(cfg)).Handler
}

// quiet takes events as a log does, and keeps none.
func quiet() *slog.Logger { return slog.New(slog.NewJSONHandler(io.Discard, nil)) } //nolint:sloglint // a DiscardHandler would switch the counting off

func ourCORS() layer { return must(cors.New(sharing())).Handler }

// sharing is the policy of the cors rows.
func sharing() cors.Config {
	return cors.Config{
		Logger:          quiet(),
		Origins:         []string{origin, "https://admin.ecolaura.com"},
		Methods:         []string{"GET", "POST", "PUT", "PATCH", "DELETE"},
		RequestHeaders:  []string{"Authorization", "Content-Type", "X-API-Key"},
		ResponseHeaders: []string{"Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "X-Request-ID"},
	}
}

// unlimited is a rate that no run reaches.
var unlimited = throttle.Rate{Count: 1 << 30, Period: time.Second}

func ourThrottle(a throttle.Algorithm, keys int) layer {
	return limited(keys, throttle.Policy{Name: "anon", Rate: unlimited, Algorithm: a, Key: throttle.ByIP(rampart.PeerAddr)})
}

func limited(keys int, policies ...throttle.Policy) layer {
	return must(throttle.New(throttle.Config{Store: throttle.NewMemory(keys), Policies: policies, Logger: quiet()})).Handler
}

// ourToken verifies each token anew, or remembers verified ones.
func ourToken(cached bool) layer {
	cfg := auth.Simplejwt(secret)
	cfg.Logger = quiet()
	if !cached {
		cfg.CacheSize = -1
	}
	return must(auth.NewVerifier(cfg)).Handler
}

// ourKeys returns API keys that are believed for cacheTTL, and n of them.
func ourKeys(n int, cacheTTL time.Duration, store apikey.Store) (*apikey.Keys, []string) {
	keys := must(apikey.New(apikey.Config{Store: store, Prefix: "eco_live", CacheTTL: cacheTTL, Logger: quiet()}))
	texts := make([]string, n)
	for i := range texts {
		_, secret, err := keys.Create(context.Background(), apikey.Key{Name: "partner", Owner: "42"})
		texts[i] = must(secret, err).Reveal()
	}
	return keys, texts
}
