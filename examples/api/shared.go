package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/feed/feedsql"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

// shared is the state that every instance of the service has in common: what
// has changed reaches each of them through the feed within a second, and is
// asked of its memory, not of a backend, by the requests.
type shared struct {
	feed        *feed.Feed
	revocations *auth.Revocations
	redis       redis.UniversalClient // of the limits; nil: instances share the database only
	limits      throttle.Store        // nil: each limiter counts in this process
}

// openShared reads all that the feed retains, so that a fresh instance knows
// what was revoked or blocked before it began.
func openShared(ctx context.Context, s *settings, db *database, log *slog.Logger) (_ *shared, err error) {
	sh := new(shared)
	defer func() { //nolint:contextcheck // what is pending belongs to no request
		if err != nil {
			sh.close()
		}
	}()
	// The changes are kept in the database, which all instances share and which
	// outlives Redis; so do those with Redis and those without see the same.
	source, err := feedsql.New(db.DB, db.dialect)
	if err != nil {
		return nil, err
	}
	if sh.feed, err = feed.New(ctx, feed.Config{Source: source, Logger: log}); err != nil {
		return nil, err
	}
	if s.redis != nil {
		sh.redis = s.redis()
		if err := sh.redis.Ping(ctx).Err(); err != nil {
			return nil, fmt.Errorf("redis: %w", err) // names the address, no password
		}
		if sh.limits, err = throttleredis.New(sh.do, throttleredis.Config{Prefix: "ecolaura:throttle", Logger: log}); err != nil {
			return nil, err
		}
	}
	// While the database is down nothing can be revoked anywhere, and what was is known:
	// going by that lets tokens through for their five minutes, and no refresh token.
	sh.revocations, err = auth.NewRevocations(auth.RevocationsConfig{Feed: sh.feed, Outage: rampart.FailOpen, Logger: log})
	return sh, err
}

// do sends a command for the packages that share state.
func (sh *shared) do(ctx context.Context, args ...any) (any, error) {
	reply, err := sh.redis.Do(ctx, args...).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return reply, err
}

func (sh *shared) close() {
	if sh.revocations != nil {
		_ = sh.revocations.Close()
	}
	if sh.feed != nil {
		_ = sh.feed.Close()
	}
	if sh.redis != nil {
		_ = sh.redis.Close()
	}
}
