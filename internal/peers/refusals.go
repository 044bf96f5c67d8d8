package peers

import (
	"net/http"
	"sync"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/cors"
	"github.com/ecolaura/rampart/throttle"
)

// refusalRows compares what a refusal costs with what serving does: a client that is
// refused can go on asking.
func refusalRows() []Row {
	var rows []Row
	add := func(group, implementation string, status int, headers map[string]string, request *http.Request, layers ...layer) {
		rows = append(rows, Row{group, implementation, rampart.Chain(layers...)(served), request, status, headers})
	}
	problem := map[string]string{"Content-Type": "application/problem+json"}

	const group1 = "refusals: bad host"
	elsewhere := plainGet()
	elsewhere.Host = "evil.example"
	add(group1, "rampart, served", 204, map[string]string{"X-Content-Type-Options": "nosniff"}, plainGet(), ourHeaders())
	add(group1, "rampart, refused", 400, problem, elsewhere, ourHeaders())
	add(group1, "unrolled/secure, refused", 500, nil, elsewhere, unrolled())

	const group2 = "refusals: denied origin, enforced" // rs/cors and go-chi/cors let the handler run
	policy := sharing()
	policy.Enforce = true
	enforced := must(cors.New(policy)).Handler
	add(group2, "rampart, served", 204, map[string]string{"Access-Control-Allow-Origin": origin}, get(), enforced)
	add(group2, "rampart, refused", 403, problem, denied(), enforced)

	const group3 = "refusals: 429, with response headers"
	once := throttle.Policy{Name: "anon", Rate: throttle.Rate{Count: 1, Period: unlimited.Period * 86400}, Key: throttle.ByIP(rampart.PeerAddr)}
	wait := map[string]string{"Retry-After": ""}
	add(group3, "rampart, served", 204, map[string]string{"RateLimit": "anon"}, plainGet(), ourThrottle(throttle.SlidingWindow, 0))
	add(group3, "rampart, refused", 429, wait, plainGet(), after(1), limited(0, once))
	add(group3, "go-chi/httprate, refused", 429, wait, plainGet(), after(1), chiHTTPRate(1))
	add(group3, "ulule/limiter, refused", 429, map[string]string{"X-Ratelimit-Remaining": "0"}, plainGet(), after(1), ulule(1))
	add(group3, "throttled/throttled, refused", 429, wait, plainGet(), after(1), throttledGCRA(1))
	add(group3, "sethvargo/go-limiter, refused", 429, wait, plainGet(), after(1), sethvargo(1))
	add(group3, "didip/tollbooth, refused", 429, nil, plainGet(), after(1), tollBooth(1.0/86400))

	challenge := map[string]string{"Www-Authenticate": "Bearer"}
	for _, bad := range []struct{ group, token string }{
		{"refusals: junk token", "junk"},
		{"refusals: token of another secret", token([]byte("another secret of forty-eight bytes, for measures"))},
	} {
		with := func() *http.Request { return asks(plainGet(), "Authorization", "Bearer "+bad.token) }
		add(bad.group, "rampart, served", 204, nil, withToken(plainGet()), ourToken(false))
		add(bad.group, "rampart, served, cached", 204, nil, withToken(plainGet()), ourToken(true))
		add(bad.group, "rampart, refused", 401, challenge, with(), ourToken(true))
		add(bad.group, "golang-jwt/jwt, refused", 401, nil, with(), golangJWT)
		add(bad.group, "go-chi/jwtauth, refused", 401, nil, with(), chiJWTAuth())
	}

	const group5 = "refusals: unknown API key"
	keys, texts := ourKeys(1, 0, apikey.NewMemoryStore())
	_, unknown := ourKeys(1, 0, apikey.NewMemoryStore())
	add(group5, "rampart, served", 204, nil, asks(plainGet(), "X-Api-Key", texts[0]), keys.Handler)
	add(group5, "rampart, refused", 401, map[string]string{"Www-Authenticate": "Api-Key"}, asks(plainGet(), "X-Api-Key", unknown[0]), keys.Handler)
	return rows
}

// after serves n requests before the first that is asked for.
func after(n int) layer {
	return func(h http.Handler) http.Handler {
		ready := sync.OnceFunc(func() {
			w, r := NewSink(), plainGet()
			for range n {
				w.Reset()
				h.ServeHTTP(w, r)
			}
		})
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ready()
			h.ServeHTTP(w, r)
		})
	}
}
