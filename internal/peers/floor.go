package peers

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The floor is the least that anyone could write by hand with the standard
// library: constants into a map, a string comparison, a counter under a mutex,
// one HMAC. It is no advice: it checks next to nothing.

var (
	floorCSP         = []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
	floorHSTS        = []string{"max-age=31536000"}
	floorNosniff     = []string{"nosniff"}
	floorFrames      = []string{"DENY"}
	floorReferrer    = []string{"no-referrer"}
	floorResource    = []string{"same-origin"}
	floorCache       = []string{"no-store"}
	floorPermissions = []string{"camera=(), geolocation=(), microphone=(), payment=(), usb=()"}
	floorPolicies    = []string{"none"}
)

func floorHeaderLayer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Content-Security-Policy"] = floorCSP
		h["Strict-Transport-Security"] = floorHSTS
		h["X-Content-Type-Options"] = floorNosniff
		h["X-Frame-Options"] = floorFrames
		h["Referrer-Policy"] = floorReferrer
		h["Cross-Origin-Resource-Policy"] = floorResource
		h["Cache-Control"] = floorCache
		h["Permissions-Policy"] = floorPermissions
		h["X-Permitted-Cross-Domain-Policies"] = floorPolicies
		next.ServeHTTP(w, r)
	})
}

func floorCORS(next http.Handler) http.Handler {
	allow, vary := []string{origin}, []string{"Origin"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Vary"] = vary
		if o := r.Header["Origin"]; len(o) == 1 && o[0] == origin {
			h["Access-Control-Allow-Origin"] = allow
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "PUT")
				h.Set("Access-Control-Allow-Headers", "authorization,content-type")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func floorLimiter() layer {
	var mu sync.Mutex
	counts := map[string]int{}
	reset := time.Now().Add(time.Hour)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host, _, _ := strings.Cut(r.RemoteAddr, ":")
			mu.Lock()
			if now := time.Now(); now.After(reset) {
				clear(counts)
				reset = now.Add(time.Hour)
			}
			counts[host]++
			n := counts[host]
			mu.Unlock()
			if n > plenty {
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			w.Header()["X-Ratelimit-Remaining"] = []string{strconv.Itoa(plenty - n)}
			next.ServeHTTP(w, r)
		})
	}
}

// floorID gives each request an id.
func floorID(next http.Handler) http.Handler {
	type key struct{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strconv.FormatUint(rand.Uint64(), 16) //nolint:gosec // nobody has to guess it
		w.Header()["X-Request-Id"] = []string{id}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, id)))
	})
}

func floorRecover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// floorKey knows one API key by its hash.
func floorKey(text string) layer {
	owners := map[[sha256.Size]byte]string{sha256.Sum256([]byte(text)): "42"}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if owners[sha256.Sum256([]byte(r.Header.Get("X-Api-Key")))] == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func floorToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		dot := strings.LastIndexByte(raw, '.')
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(raw[:max(dot, 0)]))
		var sum [sha256.Size]byte
		var text [43]byte
		base64.RawURLEncoding.Encode(text[:], mac.Sum(sum[:0]))
		if dot < 0 || !hmac.Equal(text[:], []byte(raw[dot+1:])) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
