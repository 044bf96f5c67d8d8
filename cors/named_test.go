package cors_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
)

// Each of these is a hole in a widely used middleware. The answer must carry no
// CORS header.
func TestNamedCases(t *testing.T) {
	only := func(origins ...string) cors.Config { return cors.Config{Origins: origins} }
	anyHeader := cors.Config{Origins: []string{"https://app.example.com"}, RequestHeaders: []string{"*"}}
	anyMethod := cors.Config{Origins: []string{"https://app.example.com"}, Methods: []string{"*"}, Credentials: true}
	tests := []struct {
		desc   string
		cfg    cors.Config
		method string
		lines  lines
		reason rampart.Denial
	}{
		{
			"two Origin lines, the first listed", only("https://app.example.com"), "GET",
			lines{"Origin", "https://app.example.com", "Origin", "https://evil.example"},
			cors.OriginMalformed,
		},
		{
			"two Origin lines, the second listed", only("https://app.example.com"), "GET",
			lines{"Origin", "https://evil.example", "Origin", "https://app.example.com"},
			cors.OriginMalformed,
		},
		{"brackets round a listed name", only("https://app.example.com"), "GET", lines{"Origin", "https://[app.example.com]"}, cors.OriginMalformed},
		{"a fragment in front of a wildcard's ending", only("https://*.shop.example"), "GET", lines{"Origin", "https://evil.example#.shop.example"}, cors.OriginMalformed},
		{"a query in front of a wildcard's ending", only("https://*.shop.example"), "GET", lines{"Origin", "https://evil.example?.shop.example"}, cors.OriginMalformed},
		{"userinfo in front of a wildcard's ending", only("https://*.shop.example"), "GET", lines{"Origin", "https://evil.example:x@a.shop.example"}, cors.OriginMalformed},
		{"the Kelvin sign folds to k", only("https://book.example"), "GET", lines{"Origin", "https://boo\u212a.example"}, cors.OriginMalformed},
		{"barfoo.com against foo.com and bar.com", only("https://foo.com", "https://bar.com"), "GET", lines{"Origin", "https://barfoo.com"}, cors.OriginNotAllowed},
		{"barfoo.com below *.foo.com and bar.com", only("https://*.foo.com", "https://bar.com"), "GET", lines{"Origin", "https://barfoo.com"}, cors.OriginNotAllowed},
		{"the base of a subdomain pattern", only("https://*.shop.example"), "GET", lines{"Origin", "https://shop.example"}, cors.OriginNotAllowed},
		{
			"Authorization under a header wildcard without credentials", anyHeader, "OPTIONS",
			asks("https://app.example.com", "GET", "authorization"), cors.HeaderNotAllowed,
		},
		{
			"Authorization among others under a header wildcard", anyHeader, "OPTIONS",
			asks("https://app.example.com", "GET", "accept,authorization,x-a"), cors.HeaderNotAllowed,
		},
		{
			"a method of 8 KB under a method wildcard", anyMethod, "OPTIONS",
			asks("https://app.example.com", strings.Repeat("X", 8<<10), ""), cors.MethodNotAllowed,
		},
		{"a method of 65 bytes under a method wildcard", anyMethod, "OPTIONS", asks("https://app.example.com", strings.Repeat("X", 65), ""), cors.MethodNotAllowed},
		{"a forbidden method under a method wildcard", anyMethod, "OPTIONS", asks("https://app.example.com", "Trace", ""), cors.MethodNotAllowed},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			c := mustNew(t, tt.cfg)
			r := tt.lines.request(t, tt.method)
			w, ran := serve(c, r)
			assertNoCORS(t, w.Header())
			assert.Equal(t, tt.method == "GET", ran, "next ran")
			_, err := c.Check(r)
			denied, ok := errors.AsType[*cors.DeniedError](err)
			require.True(t, ok)
			assert.Equal(t, tt.reason, denied.Reason)
			assert.LessOrEqual(t, len(denied.Value), 256)
		})
	}
}

func TestASameOriginPOSTIsNoAffair(t *testing.T) {
	log := new(eventLog)
	cfg := full()
	cfg.Enforce, cfg.Logger = true, log.logger()
	c := mustNew(t, cfg)
	for _, own := range []lines{
		{"Origin", "https://api.example.com"},
		{"Origin", "https://api.example.com", "Sec-Fetch-Site", "same-origin"},
		{"Origin", "null", "Sec-Fetch-Site", "same-origin"},
	} {
		w, ran := serve(c, own.request(t, "POST"))
		assert.True(t, ran)
		assert.Equal(t, 200, w.Code)
		assertNoCORS(t, w.Header())
	}
	assert.Empty(t, log.all(t))
}

func TestHeaderListsAtTheirBounds(t *testing.T) {
	names := make([]string, 0, 800)
	for i := range 800 {
		names = append(names, fmt.Sprintf("x-%03d", i))
	}
	long := strings.Join(names, ",")
	almost := long[:4091] // ends with a name
	echo := cors.Config{Origins: []string{"https://app.example.com"}, RequestHeaders: []string{"*"}, Credentials: true}
	anyHeader := cors.Config{Origins: []string{"https://app.example.com"}, RequestHeaders: []string{"*"}}
	wide := full()
	wide.RequestHeaders = []string{strings.Repeat("x", 300)}
	empties := func(n int) string { return strings.Repeat(",", n) + "authorization" }

	tests := []struct {
		desc  string
		cfg   cors.Config
		lists []string
		want  bool
	}{
		{"16 empty elements", full(), []string{empties(16)}, true},
		{"17 empty elements", full(), []string{empties(17)}, false},
		{"17 empty elements in lines", full(), make([]string, 17), false},
		{"two blanks before", full(), []string{"  authorization"}, true},
		{"two blanks after", full(), []string{"authorization \t,content-type"}, true},
		{"three blanks before", full(), []string{"   authorization"}, false},
		{"three blanks round it", full(), []string{" authorization  "}, false},
		{"blanks in an empty element", full(), []string{"  ,authorization"}, true},
		{"a name twice, in two lines", full(), []string{"authorization", "authorization"}, false},
		{"lines out of order", full(), []string{"content-type", "authorization"}, false},
		{"a name of 300 bytes in the policy", wide, []string{strings.Repeat("x", 300)}, true},
		{"a name of 300 bytes not in the policy", full(), []string{strings.Repeat("x", 300)}, false},
		{"4 KB echoed", echo, []string{almost + ",yyyy"}, true},
		{"over 4 KB echoed", echo, []string{almost + ",yyyyy"}, false},
		{"4 KB echoed in lines", echo, []string{almost, "yyyyy"}, true},
		{"over 4 KB echoed in lines", echo, []string{almost, "yyyyyy"}, false},
		{"8 KB under a constant answer", anyHeader, []string{strings.Repeat("a,", 4<<10)}, true},
		{"8 KB in order under a constant answer", anyHeader, []string{strings.ReplaceAll(long, "x-", "a-")}, true},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			c := mustNew(t, tt.cfg)
			r := asks("https://app.example.com", "GET", "").request(t, "OPTIONS")
			r.Header["Access-Control-Request-Headers"] = tt.lists
			verdict, err := c.Check(r)
			assert.Equal(t, tt.want, verdict.Allowed, "%v", err)
		})
	}
}

// tenants is n origins and patterns of every form.
func tenants(n int) []string {
	forms := []string{"https://t%d.tenants.example", "https://*.t%d.example", "http://t%d.dev.example:*", "https://*.t%d.dev.example:*"}
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(forms[i%len(forms)], i)
	}
	return list
}

// oneOf is an origin that only the i-th of tenants covers.
func oneOf(i int) string {
	forms := []string{"https://t%d.tenants.example", "https://shop.t%d.example", "http://t%d.dev.example:3000", "https://a.b.t%d.dev.example:3000"}
	return fmt.Sprintf(forms[i%len(forms)], i)
}

func TestEachOfTenThousandOriginsCountsAlone(t *testing.T) {
	const n = 10_000
	all, err := cors.New(cors.Config{Origins: tenants(n), Logger: quiet()})
	require.NoError(t, err)
	allowed := func(origin string) bool {
		verdict, _ := all.Check(lines{"Origin", origin}.request(t, "GET"))
		return verdict.Allowed
	}
	for i := 0; i < n; i += 7 {
		assert.True(t, allowed(oneOf(i)), oneOf(i))
		assert.False(t, allowed(oneOf(n+i)), oneOf(n+i))
	}
}

// Ten thousand entries cost what ten cost, and a hostile list costs what a
// short one costs. The bars with numbers are benchmarks; these bounds are wide
// enough for a busy machine, and far below anything linear.
func TestCostDoesNotGrow(t *testing.T) {
	cost := func(c *cors.CORS, r *http.Request) time.Duration {
		best := time.Hour
		for range 30 {
			start := time.Now()
			for range 40 {
				_, _ = c.Check(r)
			}
			best = min(best, time.Since(start))
		}
		return best / 40
	}
	few, many := mustNew(t, cors.Config{Origins: tenants(10)}), mustNew(t, cors.Config{Origins: tenants(10_000)})
	for _, origin := range []string{oneOf(0), oneOf(1), oneOf(2), oneOf(3), "https://a.b.c.evil.example"} {
		r := lines{"Origin", origin}.request(t, "GET")
		assert.Less(t, cost(many, r), 4*cost(few, r)+2*time.Microsecond, origin)
	}

	c := mustNew(t, full())
	short := cost(c, asks("https://app.example.com", "PUT", "x-other").request(t, "OPTIONS"))
	for name, list := range hostileLists() {
		long := cost(c, asks("https://app.example.com", "PUT", list).request(t, "OPTIONS"))
		assert.Less(t, long, 4*short+2*time.Microsecond, name)
	}
}

func hostileLists() map[string]string {
	return map[string]string{
		"commas": strings.Repeat(",", 8<<10),
		"name":   strings.Repeat("a", 8<<10),
		"blanks": "authorization" + strings.Repeat(" ", 8<<10) + ",content-type",
		"names":  strings.Repeat("authorization,", 8<<10/len("authorization,")),
	}
}
