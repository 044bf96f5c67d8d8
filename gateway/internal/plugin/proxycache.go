package plugin

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// ProxyCache serves from memory what an upstream has sent before, as RFC
// 9111 lets a shared cache do. Times are in seconds.
type ProxyCache struct {
	ResponseCode    []int        `k:"response_code"`
	RequestMethod   []string     `k:"request_method"`
	ContentType     []string     `k:"content_type"`
	CacheTTL        int          `k:"cache_ttl"`
	Strategy        string       `k:"strategy"`
	CacheControl    bool         `k:"cache_control"`
	IgnoreURICase   bool         `k:"ignore_uri_case"`
	StorageTTL      int          `k:"storage_ttl"` // 0: as long as it is fresh
	VaryQueryParams []string     `k:"vary_query_params"`
	VaryHeaders     []string     `k:"vary_headers"`
	ResponseHeaders CacheHeaders `k:"response_headers"`
	Memory          CacheMemory  `k:"memory"`
}

// CacheHeaders says which headers tell a client about the cache.
type CacheHeaders struct {
	Age    bool `k:"age"`
	Status bool `k:"X-Cache-Status"`
	Key    bool `k:"X-Cache-Key"`
}

// CacheMemory is where Kong's cache is.
type CacheMemory struct{}

// Inert names what Kong has and this gateway has not.
func (*CacheMemory) Inert() map[string]string { return map[string]string{"dictionary_name": "*"} }

func newProxyCache() any {
	return config(&ProxyCache{
		ResponseCode: []int{200, 301, 404}, RequestMethod: []string{"GET", "HEAD"}, ContentType: []string{"text/plain", "application/json"},
		CacheTTL: 300, ResponseHeaders: CacheHeaders{Age: true, Status: true, Key: true},
	})
}

// Check looks for mistakes.
func (p *ProxyCache) Check(c *conf.Checks, _ *conf.File) {
	c.Want(p.Strategy == "memory", "config.strategy", "memory is wanted: there is no other here")
	c.Want(len(p.ResponseCode) > 0, "config.response_code", "missing")
	for _, s := range p.ResponseCode {
		c.Want(s >= 200 && s <= 599 && s != http.StatusPartialContent && s != http.StatusNotModified, "config.response_code", "a status of a whole answer is wanted: %d", s)
	}
	c.Each("config.request_method", p.RequestMethod, func(s string) bool { return s == "GET" || s == "HEAD" },
		"GET or HEAD (the answer to another method depends on a body)")
	c.Each("config.content_type", p.ContentType, func(s string) bool { return mediaType(s) != "" }, "a media type")
	c.Within("config.cache_ttl", p.CacheTTL, 1, 1<<31-1)
	c.Within("config.storage_ttl", p.StorageTTL, 0, 1<<31-1)
	c.Each("config.vary_headers", p.VaryHeaders, conf.Token, "a header's name")
	c.Each("config.vary_query_params", p.VaryQueryParams, func(s string) bool { return s != "" }, "a parameter's name")
}

// Inert names what Kong has and this gateway has not.
func (*CacheHeaders) Inert() map[string]string { return map[string]string{"Age": "true"} } // an older name

// mediaType returns a media type in one form, "" if it is not one.
func mediaType(s string) string {
	kind, params, err := mime.ParseMediaType(s)
	if err != nil {
		return ""
	}
	return mime.FormatMediaType(kind, params)
}

// joined returns the lines of a header as one.
func joined(h http.Header, name string) string { return strings.Join(h.Values(name), ", ") }

// caching is a ProxyCache, ready for use.
type caching struct {
	*ProxyCache
	id    string
	store *Cache
	kinds map[string]bool
}

// layer serves from e.Cache, or fills it.
func (p *ProxyCache) layer(use *conf.Plugin, e *Env) (*Layer, error) {
	c := &caching{p, use.ID, e.Cache, map[string]bool{}}
	for _, kind := range p.ContentType {
		c.kinds[mediaType(kind)] = true
	}
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, next) })
	}}, nil
}

// tell writes a header about the cache.
func (c *caching) tell(w http.ResponseWriter, status string) {
	if c.ResponseHeaders.Status {
		w.Header().Set("X-Cache-Status", status)
	}
}

func (c *caching) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	asked := cacheControl(r.Header)
	if !c.mayAsk(r, asked) {
		c.tell(w, "Bypass")
		next.ServeHTTP(w, r)
		if s := call.From(r.Context()).Status; !safe(r.Method) && s >= 200 && s < 400 {
			c.store.invalidate(address(r))
		}
		return
	}
	now := time.Now()
	key := c.key(r)
	if c.ResponseHeaders.Key {
		w.Header().Set("X-Cache-Key", key)
	}
	found, status := c.store.find(key, r.Header, now), "Miss"
	if found != nil {
		if c.mayServe(found, asked, now) {
			c.answer(w, r, found, now)
			return
		}
		status = "Refresh"
	}
	if c.CacheControl && asked.has("only-if-cached") { // RFC 9111 section 5.2.1.7
		c.tell(w, status)
		(&rampart.Problem{Status: http.StatusGatewayTimeout, Code: "not_cached"}).Write(w)
		return
	}
	rec := &cacheRecorder{ResponseWriter: w, caching: c, status: status, header: http.Header{}, r: r}
	next.ServeHTTP(rec, r)
	rec.finish(key, now) // not after a panic: the response is not whole then
}

// mayAsk reports whether the cache may have a part in a request. What a client's
// own credentials or cookies have to do with is never shared.
func (c *caching) mayAsk(r *http.Request, asked directives) bool {
	h := r.Header
	if !slices.Contains(c.RequestMethod, r.Method) || r.ContentLength != 0 {
		return false
	}
	if len(h["Authorization"]) > 0 && !slices.Contains(call.From(r.Context()).HideHeaders, "Authorization") {
		return false
	}
	for _, name := range []string{"Range", "Upgrade", "If-Match", "If-Unmodified-Since", "If-Range"} {
		if len(h[name]) > 0 {
			return false
		}
	}
	if len(h["Cookie"]) > 0 && !slices.ContainsFunc(c.VaryHeaders, func(s string) bool { return strings.EqualFold(s, "cookie") }) {
		return false
	}
	return !c.CacheControl || !asked.has("no-store") && !asked.has("no-cache") && (asked != nil || h.Get("Pragma") != "no-cache")
}

// safe reports whether a method changes nothing (RFC 9110 section 9.2.1).
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// address names what a request is for, for any caller.
func address(r *http.Request) string {
	c := call.From(r.Context())
	return strings.ToLower(r.Host) + strings.ToLower(c.Path)
}

// key names what a response depends on.
func (c *caching) key(r *http.Request) string {
	one := call.From(r.Context())
	sum := sha256.New()
	put := func(s string) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(s)))
		sum.Write(length[:])
		sum.Write([]byte(s))
	}
	put(c.id)
	if one.Consumer != nil {
		put(one.Consumer.ID)
	} else {
		put("")
	}
	if one.Route != nil {
		put(one.Route.ID)
	}
	path := one.Path
	if c.IgnoreURICase {
		path = strings.ToLower(path)
	}
	for _, s := range []string{r.Method, one.Scheme, strings.ToLower(r.Host), one.Host, path, one.UpstreamPath} {
		put(s)
	}
	if len(c.VaryQueryParams) == 0 {
		put(call.Without(r.URL.RawQuery, one.HideQuery))
	} else {
		query, _ := url.ParseQuery(r.URL.RawQuery) // what can be read
		for _, name := range c.VaryQueryParams {
			put(name)
			put(strconv.Itoa(len(query[name])))
			for _, v := range query[name] {
				put(v)
			}
		}
	}
	for _, name := range c.VaryHeaders {
		put(name)
		put(joined(r.Header, name))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// mayServe reports whether a stored response is fresh enough (RFC 9111 section
// 4.2, and 5.2.1 for what the client asks).
func (c *caching) mayServe(found *Cached, asked directives, now time.Time) bool {
	age := now.Sub(found.Stored)
	left := found.TTL - age
	if !c.CacheControl {
		return left > 0
	}
	if most, ok := asked.seconds("max-age"); ok && age > most {
		return false
	}
	if least, ok := asked.seconds("min-fresh"); ok && left < least {
		return false
	}
	if left > 0 {
		return true
	}
	stale, ok := asked["max-stale"]
	most, _ := asked.seconds("max-stale")
	return ok && !found.revalidate && (stale == "" || -left <= most)
}

// answer sends a stored response.
func (c *caching) answer(w http.ResponseWriter, r *http.Request, found *Cached, now time.Time) {
	h := w.Header()
	merge(h, found.Header)
	c.tell(w, "Hit")
	h.Del("Age")
	if c.ResponseHeaders.Age {
		h.Set("Age", strconv.Itoa(int(now.Sub(found.Stored).Seconds())))
	}
	if matches(r.Header, found.Header) {
		h.Del("Content-Length")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(found.Status)
	_, _ = w.Write(found.Body) // a client that has gone
}

// merge adds what an upstream has answered to what layers outside have set.
func merge(to, from http.Header) {
	for name, values := range from {
		to[name] = append(to[name], values...)
	}
}

// matches reports whether the client has the response already (RFC 9110 section
// 13.2.2).
func matches(asked, stored http.Header) bool {
	if tags := asked["If-None-Match"]; len(tags) > 0 {
		weak := func(s string) string { return strings.TrimPrefix(strings.TrimSpace(s), "W/") }
		have := stored.Get("ETag")
		for tag := range strings.SplitSeq(strings.Join(tags, ","), ",") {
			if have != "" && (weak(tag) == weak(have) || weak(tag) == "*") {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(asked.Get("If-Modified-Since"))
	if err != nil {
		return false
	}
	at, err := http.ParseTime(stored.Get("Last-Modified"))
	return err == nil && !at.After(since)
}

// storable returns for how long a response is fresh; 0: it is not stored.
func (c *caching) storable(status int, h http.Header, now time.Time) (ttl time.Duration, d directives) {
	d = cacheControl(h)
	kinds := h["Content-Type"]
	switch {
	case !slices.Contains(c.ResponseCode, status), len(kinds) != 1, !c.kinds[mediaType(kinds[0])],
		len(h["Set-Cookie"]) > 0, len(h["Trailer"]) > 0, d.has("private"), d.has("no-store"), d.has("no-cache"),
		d == nil && strings.Contains(strings.ToLower(h.Get("Pragma")), "no-cache"):
		return 0, d
	}
	for name := range varied(h) {
		if name == "*" || call.Reserved(http.CanonicalHeaderKey(name)) {
			return 0, d
		}
	}
	if h.Get("Content-Encoding") != "" && !varied(h)["Accept-Encoding"] &&
		!slices.ContainsFunc(c.VaryHeaders, func(s string) bool { return strings.EqualFold(s, "accept-encoding") }) {
		return 0, d
	}
	ttl, said := d.freshness(h, now)
	switch {
	case said && ttl <= 0, c.CacheControl && !said:
		return 0, d
	case !c.CacheControl:
		ttl = time.Duration(c.CacheTTL) * time.Second
	}
	return ttl, d
}

// varied returns the names in Vary.
func varied(h http.Header) map[string]bool {
	names := map[string]bool{}
	for name := range strings.SplitSeq(strings.Join(h["Vary"], ","), ",") {
		if name = strings.TrimSpace(name); name != "" {
			names[http.CanonicalHeaderKey(name)] = true
		}
	}
	return names
}
