package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
	"github.com/redis/go-redis/v9"
)

// quiet is the log of go-redis.
type quiet struct{}

// Printf drops a line.
func (quiet) Printf(context.Context, string, ...any) {}

// openShared returns the store for limits of policy redis; nil without a URL.
// A Redis that is down does not keep the gateway from starting: each plugin
// says what then becomes of requests.
func openShared(_ context.Context, url string, log *slog.Logger) (throttle.Store, func(), error) {
	if url == "" {
		return nil, func() {}, nil
	}
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, nil, fmt.Errorf("-redis: not a URL such as redis://host:6379/0") // the error may hold the password
	}
	opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout = time.Second, time.Second, time.Second
	opts.MaxRetries, opts.DialerRetries = -1, 1 // throttle asks once, and then goes by its outage policy
	redis.SetLogger(quiet{})                    // throttleredis reports when Redis fails, once
	client := redis.NewClient(opts)
	store, err := throttleredis.New(func(ctx context.Context, args ...any) (any, error) {
		return client.Do(ctx, args...).Result()
	}, throttleredis.Config{Prefix: "rampart:gateway", Logger: log})
	if err != nil {
		_ = client.Close()
		return nil, nil, err
	}
	return store, func() { _ = client.Close() }, nil
}
