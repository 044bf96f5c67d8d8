package peers

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
)

// Rows returns every row, freshly set up: ours, then the floor, then the peers.
func Rows() []Row {
	var rows []Row
	add := func(group, implementation string, status int, headers map[string]string, request *http.Request, layers ...layer) {
		rows = append(rows, Row{group, implementation, rampart.Chain(layers...)(served), request, status, headers})
		if strings.HasPrefix(group, "headers:") || strings.HasPrefix(group, "cors: actual") || group == "cors: no Origin" {
			// These look at the header once more only if the handler could have changed it.
			rows = append(rows, Row{group + ", handler sets none", implementation, rampart.Chain(layers...)(silent), request, status, headers})
		}
	}

	protected := map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
	const group1 = "headers: every header of an API answer"
	add(group1, "rampart", 204, protected, plainGet(), ourHeaders())
	add(group1, "floor", 204, protected, plainGet(), floorHeaderLayer)
	add(group1, "unrolled/secure", 204, protected, plainGet(), unrolled())

	shared := map[string]string{"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
	const group2 = "cors: actual request of an allowed origin"
	add(group2, "rampart", 204, shared, get(), ourCORS())
	add(group2, "floor", 204, shared, get(), floorCORS)
	add(group2, "rs/cors", 204, shared, get(), rsCORS())
	add(group2, "go-chi/cors", 204, shared, get(), chiCORS())

	const group3 = "cors: actual request of a denied origin"
	vary := map[string]string{"Vary": "Origin"}
	add(group3, "rampart", 204, vary, denied(), ourCORS())
	add(group3, "floor", 204, vary, denied(), floorCORS)
	add(group3, "rs/cors", 204, vary, denied(), rsCORS())
	add(group3, "go-chi/cors", 204, vary, denied(), chiCORS())

	const group4 = "cors: no Origin"
	add(group4, "rampart", 204, vary, plainGet(), ourCORS())
	add(group4, "floor", 204, vary, plainGet(), floorCORS)
	add(group4, "rs/cors", 204, vary, plainGet(), rsCORS())
	add(group4, "go-chi/cors", 204, vary, plainGet(), chiCORS())

	const group5 = "cors: preflight"
	allowed := map[string]string{"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": "PUT"}
	add(group5, "rampart", 204, allowed, preflight(), ourCORS())
	add(group5, "floor", 204, allowed, preflight(), floorCORS)
	add(group5, "rs/cors", 204, allowed, preflight(), rsCORS())
	add(group5, "go-chi/cors", 200, allowed, preflight(), chiCORS())

	const group6 = "throttle: one address, with response headers"
	add(group6, "rampart", 204, map[string]string{"RateLimit": "anon"}, plainGet(), ourThrottle(throttle.TokenBucket, 0))
	add(group6, "rampart, sliding window", 204, map[string]string{"RateLimit": "anon"}, plainGet(), ourThrottle(throttle.SlidingWindow, 0))
	remaining := map[string]string{"X-Ratelimit-Remaining": ""}
	add(group6, "floor", 204, remaining, plainGet(), floorLimiter())
	add(group6, "go-chi/httprate", 204, remaining, plainGet(), chiHTTPRate(plenty))
	add(group6, "ulule/limiter", 204, remaining, plainGet(), ulule(plenty))
	add(group6, "throttled/throttled", 204, remaining, plainGet(), throttledGCRA(1<<29))
	add(group6, "sethvargo/go-limiter", 204, remaining, plainGet(), sethvargo(plenty))
	add(group6, "didip/tollbooth", 204, map[string]string{"Ratelimit-Remaining": ""}, plainGet(), tollBooth(1<<30))

	const group6b = "throttle: 65 536 addresses in turn, with response headers"
	add(group6b, "rampart", 204, map[string]string{"RateLimit": "anon"}, plainGet(), after(1<<16), from(1<<16), ourThrottle(throttle.TokenBucket, 1<<16))
	add(group6b, "rampart, sliding window", 204, map[string]string{"RateLimit": "anon"}, plainGet(), after(1<<16), from(1<<16), ourThrottle(throttle.SlidingWindow, 1<<16))
	add(group6b, "floor", 204, remaining, plainGet(), after(1<<16), from(1<<16), floorLimiter())
	add(group6b, "go-chi/httprate", 204, remaining, plainGet(), after(1<<16), from(1<<16), chiHTTPRate(plenty))
	add(group6b, "ulule/limiter", 204, remaining, plainGet(), after(1<<16), from(1<<16), ulule(plenty))
	add(group6b, "throttled/throttled", 204, remaining, plainGet(), after(1<<16), from(1<<16), throttledGCRA(1<<29))
	add(group6b, "sethvargo/go-limiter", 204, remaining, plainGet(), after(1<<16), from(1<<16), sethvargo(plenty))
	add(group6b, "didip/tollbooth", 204, map[string]string{"Ratelimit-Remaining": ""}, plainGet(), after(1<<16), from(1<<16), tollBooth(1<<30))

	// Most of these addresses are new when they are measured, but not the first
	// thousands, for which a Memory takes its tables one after the other.
	const group6c = "throttle: 1 048 576 addresses in turn, with response headers"
	add(group6c, "rampart", 204, map[string]string{"RateLimit": "anon"}, plainGet(), after(1<<12), from(1<<20), ourThrottle(throttle.TokenBucket, 1<<20))
	add(group6c, "rampart, sliding window", 204, map[string]string{"RateLimit": "anon"}, plainGet(), after(1<<12), from(1<<20), ourThrottle(throttle.SlidingWindow, 1<<20))
	add(group6c, "floor", 204, remaining, plainGet(), after(1<<12), from(1<<20), floorLimiter())
	add(group6c, "throttled/throttled", 204, remaining, plainGet(), after(1<<12), from(1<<20), throttledGCRA(1<<29))
	add(group6c, "sethvargo/go-limiter", 204, remaining, plainGet(), after(1<<12), from(1<<20), sethvargo(plenty))

	const group7 = "token: HS256, verified anew"
	add(group7, "rampart", 204, nil, withToken(plainGet()), ourToken(false))
	add(group7, "rampart, cached", 204, nil, withToken(plainGet()), ourToken(true))
	add(group7, "floor", 204, nil, withToken(plainGet()), floorToken)
	add(group7, "golang-jwt/jwt", 204, nil, withToken(plainGet()), golangJWT)
	add(group7, "go-chi/jwtauth", 204, nil, withToken(plainGet()), chiJWTAuth())

	both := map[string]string{"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": origin}
	const group8 = "public chain: headers, cors, throttle"
	add(group8, "rampart", 204, both, get(), ourHeaders(), ourCORS(), ourThrottle(throttle.SlidingWindow, 0))
	add(group8, "floor", 204, both, get(), floorHeaderLayer, floorCORS, floorLimiter())
	add(group8, "unrolled/secure, rs/cors, go-chi/httprate", 204, both, get(), unrolled(), rsCORS(), chiHTTPRate(plenty))
	add(group8, "unrolled/secure, go-chi/cors, ulule/limiter", 204, both, get(), unrolled(), chiCORS(), ulule(plenty))

	const group9 = "token chain: headers, cors, throttle, token"
	add(group9, "rampart", 204, both, withToken(get()), ourHeaders(), ourCORS(), ourThrottle(throttle.SlidingWindow, 0), ourToken(false))
	add(group9, "rampart, cached token", 204, both, withToken(get()), ourHeaders(), ourCORS(), ourThrottle(throttle.SlidingWindow, 0), ourToken(true))
	add(group9, "floor", 204, both, withToken(get()), floorHeaderLayer, floorCORS, floorLimiter(), floorToken)
	add(group9, "unrolled/secure, rs/cors, go-chi/httprate, golang-jwt/jwt", 204, both, withToken(get()), unrolled(), rsCORS(), chiHTTPRate(plenty), golangJWT)
	add(group9, "unrolled/secure, go-chi/cors, ulule/limiter, go-chi/jwtauth", 204, both, withToken(get()), unrolled(), chiCORS(), ulule(plenty), chiJWTAuth())
	return slices.Concat(rows, inputRows(), fernetRows(), chainRows(), refusalRows(), growthRows())
}
