package peers

import (
	"io"
	"log/slog"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/throttle"
)

func ourHeaders() layer { return must(headers.New(headers.API("api.ecolaura.com"))).Handler }

// quiet takes events as a log does, and keeps none.
func quiet() *slog.Logger { return slog.New(slog.NewJSONHandler(io.Discard, nil)) } //nolint:sloglint // a DiscardHandler would switch the counting off

func ourCORS() layer {
	return must(cors.New(cors.Config{
		Logger:          quiet(),
		Origins:         []string{origin, "https://admin.ecolaura.com"},
		Methods:         []string{"GET", "POST", "PUT", "PATCH", "DELETE"},
		RequestHeaders:  []string{"Authorization", "Content-Type", "X-API-Key"},
		ResponseHeaders: []string{"Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "X-Request-ID"},
	})).Handler
}

func ourThrottle(a throttle.Algorithm, keys int) layer {
	return must(throttle.New(throttle.Config{Store: throttle.NewMemory(keys), Policies: []throttle.Policy{{
		Name: "anon", Rate: throttle.Rate{Count: 1 << 30, Period: time.Second}, Algorithm: a, Key: throttle.ByIP(rampart.PeerAddr),
	}}})).Handler
}

// ourToken verifies each token anew, or remembers verified ones.
func ourToken(cached bool) layer {
	cfg := auth.Simplejwt(secret)
	if !cached {
		cfg.CacheSize = -1
	}
	return must(auth.NewVerifier(cfg)).Handler
}
