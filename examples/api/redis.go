package main

import (
	"net/url"

	"github.com/redis/go-redis/v9"
)

// redisClient reads the URL of a Redis: one server, or with further servers in "addr"
// a cluster, or with a "master_name" the sentinels that know its master.
func redisClient(text string) (func() redis.UniversalClient, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	// A command that is sent twice would be counted twice.
	const once = -1
	switch query := u.Query(); {
	case query.Has("master_name"):
		o, err := redis.ParseFailoverURL(text)
		if err != nil {
			return nil, err
		}
		o.ContextTimeoutEnabled, o.MaxRetries = true, once
		return func() redis.UniversalClient { return redis.NewFailoverClient(o) }, nil
	case query.Has("addr"):
		o, err := redis.ParseClusterURL(text)
		if err != nil {
			return nil, err
		}
		o.ContextTimeoutEnabled, o.MaxRetries = true, once
		return func() redis.UniversalClient { return redis.NewClusterClient(o) }, nil
	}
	o, err := redis.ParseURL(text)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled, o.MaxRetries = true, once
	return func() redis.UniversalClient { return redis.NewClient(o) }, nil
}
