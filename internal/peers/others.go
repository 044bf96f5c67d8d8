package peers

import (
	"net/http"
	"strings"
	"time"

	chicors "github.com/go-chi/cors"
	"github.com/go-chi/httprate"
	"github.com/go-chi/jwtauth/v5"
	"github.com/golang-jwt/jwt/v5"
	rscors "github.com/rs/cors"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/middleware/stdlib"
	"github.com/ulule/limiter/v3/drivers/store/memory"
	"github.com/unrolled/secure"
)

// Each peer is set up as its documentation tells, with the same policy as ours
// where it can express it.

// plenty is a limit that no run reaches.
const plenty = 1 << 40

func unrolled() layer {
	return secure.New(secure.Options{
		STSSeconds: 31536000, ForceSTSHeader: true, ContentTypeNosniff: true, FrameDeny: true, ReferrerPolicy: "no-referrer",
		ContentSecurityPolicy: "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		PermissionsPolicy:     "camera=(), geolocation=(), microphone=(), payment=(), usb=()", CrossOriginResourcePolicy: "same-origin",
		XPermittedCrossDomainPolicies: "none", SSLRedirect: true, AllowedHosts: []string{"api.ecolaura.com"},
		CustomBrowserXssValue: "0", XDNSPrefetchControl: "off",
	}).Handler
}

func rsCORS() layer { return rsCORSFor(origin, "https://admin.ecolaura.com") }

func rsCORSFor(origins ...string) layer {
	return rscors.New(rscors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{"GET", "POST", "PUT", "PATCH", "DELETE"},
		AllowedHeaders: []string{"Authorization", "Content-Type", "X-API-Key"},
		ExposedHeaders: []string{"Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "X-Request-ID"},
	}).Handler
}

func chiCORS() layer {
	return chicors.Handler(chicors.Options{
		AllowedOrigins: []string{origin, "https://admin.ecolaura.com"},
		AllowedMethods: []string{"GET", "POST", "PUT", "PATCH", "DELETE"},
		AllowedHeaders: []string{"Authorization", "Content-Type", "X-API-Key"},
		ExposedHeaders: []string{"Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate", "X-Request-ID"},
	})
}

func chiHTTPRate(limit int) layer {
	return httprate.LimitBy(limit, time.Hour, httprate.KeyByIP) //nolint:staticcheck // the TCP peer, as in ours
}

func ulule(limit int64) layer {
	rate := limiter.Rate{Period: time.Hour, Limit: limit}
	return stdlib.NewMiddleware(limiter.New(memory.NewStore(), rate)).Handler
}

// golangJWT is the middleware that its users write by hand.
func golangJWT(next http.Handler) http.Handler {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding())
	key := func(*jwt.Token) (any, error) { return secret, nil }
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		claims := jwt.MapClaims{}
		if tok, err := parser.ParseWithClaims(raw, claims, key); err != nil || !tok.Valid || claims["token_type"] != "access" || claims["user_id"] == nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func chiJWTAuth() layer {
	ja := jwtauth.New("HS256", secret, nil)
	return func(next http.Handler) http.Handler {
		return jwtauth.Verifier(ja)(jwtauth.Authenticator(ja)(next))
	}
}
