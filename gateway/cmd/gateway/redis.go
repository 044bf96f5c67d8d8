package main

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// quiet is the log of go-redis.
type quiet struct{}

// Printf drops a line.
func (quiet) Printf(context.Context, string, ...any) {}

// openRedis returns the Redis of Config.Redis, and what ends it; nil without a
// URL. A Redis that is down does not keep the gateway from starting: each plugin
// says what then becomes of requests.
func openRedis(url string) (do func(ctx context.Context, args ...any) (any, error), end func(), err error) {
	if url == "" {
		return nil, func() {}, nil
	}
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, nil, errors.New("-redis: not a URL such as redis://host:6379/0") // the error may hold the password
	}
	opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout = time.Second, time.Second, time.Second
	opts.MaxRetries, opts.DialerRetries = -1, 1 // throttle asks once, and then goes by its outage policy
	redis.SetLogger(quiet{})                    // throttleredis reports when Redis fails, once
	client := redis.NewClient(opts)
	return func(ctx context.Context, args ...any) (any, error) { return client.Do(ctx, args...).Result() },
		func() { _ = client.Close() }, nil
}
