package plugin

import (
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/throttle"
)

// RateLimiting limits requests per period.
type RateLimiting struct {
	Second            int    `k:"second,unset"`
	Minute            int    `k:"minute,unset"`
	Hour              int    `k:"hour,unset"`
	Day               int    `k:"day,unset"`
	Month             int    `k:"month,unset"`
	Year              int    `k:"year,unset"`
	LimitBy           string `k:"limit_by"`
	HeaderName        string `k:"header_name"`
	Path              string `k:"path"`
	Policy            string `k:"policy"`
	FaultTolerant     bool   `k:"fault_tolerant"`
	HideClientHeaders bool   `k:"hide_client_headers"`
	HeaderStyle       string `k:"header_style"` // ours: ietf or kong
	ErrorCode         int    `k:"error_code"`
	ErrorMessage      string `k:"error_message"`
}

func newRateLimiting() any {
	return config(&RateLimiting{LimitBy: "consumer", Policy: "local", FaultTolerant: true, HeaderStyle: "ietf", ErrorCode: http.StatusTooManyRequests})
}

// Inert names what Kong has and this gateway has not.
func (*RateLimiting) Inert() map[string]string {
	return map[string]string{
		"redis": "host=", "redis_host": "", "redis_port": "6379", "redis_password": "", "redis_username": "",
		"redis_timeout": "2000", "redis_database": "0", "redis_ssl": "false", "redis_ssl_verify": "false",
		"redis_server_name": "", "sync_rate": "-1",
	}
}

// Noted says what becomes of fields that have no effect.
func (*RateLimiting) Noted() map[string]string {
	const redis = "counts of policy redis are in the Redis of -redis (GATEWAY_REDIS), whatever is written here"
	return map[string]string{
		"redis": redis, "redis_host": redis, "redis_port": redis, "redis_password": redis, "redis_username": redis, "redis_timeout": redis,
		"redis_database": redis, "redis_ssl": redis, "redis_ssl_verify": redis, "redis_server_name": redis,
	}
}

// Check looks for mistakes.
func (l *RateLimiting) Check(c *conf.Checks, _ *conf.File) {
	periods := []struct {
		name  string
		count int
	}{{"second", l.Second}, {"minute", l.Minute}, {"hour", l.Hour}, {"day", l.Day}, {"month", l.Month}, {"year", l.Year}}
	last := 0
	for _, p := range periods {
		c.Within("config."+p.name, p.count, 0, 1<<31-1)
		if p.count > 0 {
			c.Want(p.count >= last, "config."+p.name, "less than the limit of a shorter period")
			last = p.count
		}
	}
	c.Want(last > 0, "config", "at least one of second, minute, hour, day, month and year is wanted")
	c.OneOf("config.limit_by", l.LimitBy, "consumer", "credential", "ip", "service", "header", "path")
	c.Want(l.LimitBy != "header" || conf.Token(l.HeaderName), "config.header_name", "limit_by header needs one")
	c.Want(l.LimitBy != "path" || conf.Path(l.Path), "config.path", "limit_by path needs one")
	c.Want(l.Policy == "local" || l.Policy == "redis", "config.policy", "must be local or redis; there is no cluster here")
	c.OneOf("config.header_style", l.HeaderStyle, "ietf", "kong")
	c.Within("config.error_code", l.ErrorCode, 400, 599)
}

// layer is package throttle with Kong's words. A period slides, where
// Kong's begins anew with the clock and so lets twice as much pass around its
// turn. A month has 30 days, a year 365.
func (l *RateLimiting) layer(p *conf.Plugin, e *Env) (*Layer, error) {
	var policies []throttle.Policy
	key := l.key()
	for _, of := range []struct {
		name   string
		count  int
		period time.Duration
	}{
		{"second", l.Second, time.Second},
		{"minute", l.Minute, time.Minute},
		{"hour", l.Hour, time.Hour},
		{"day", l.Day, day},
		{"month", l.Month, 30 * day},
		{"year", l.Year, 365 * day},
	} {
		if of.count > 0 {
			policies = append(policies, throttle.Policy{Name: of.name, Rate: throttle.Rate{Count: of.count, Period: of.period}, Key: key})
		}
	}
	tc := throttle.Config{Policies: policies, Headers: throttle.Both, Logger: e.Log}
	kong := l.HeaderStyle == "kong"
	if l.HideClientHeaders || kong {
		tc.Headers = throttle.None
	}
	if l.ErrorCode != http.StatusTooManyRequests || l.ErrorMessage != "" {
		tc.ErrorHandler = l.refuse()
	}
	lim, err := limiter(p, tc, l.Policy, l.FaultTolerant, e)
	switch {
	case err != nil:
		return nil, err
	case kong:
		return &Layer{Handler: kongStyle(lim, tc.ErrorHandler, l.HideClientHeaders, e.Events)}, nil
	}
	return &Layer{Handler: lim.Handler}, nil
}

// refuse writes the response that the configuration asks for.
func (l *RateLimiting) refuse() func(http.ResponseWriter, *http.Request, error) {
	problem := &rampart.Problem{Status: l.ErrorCode, Code: "throttled", Detail: l.ErrorMessage}
	return func(w http.ResponseWriter, _ *http.Request, err error) {
		if denied, ok := err.(*throttle.DeniedError); ok && denied.Reason != throttle.QuotaExceeded { //nolint:errorlint // as documented
			(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "limits_unavailable"}).Write(w)
			return
		}
		problem.Write(w)
	}
}

// key says who pays. Who cannot be told as asked pays by address, as in
// Kong.
func (l *RateLimiting) key() throttle.KeyFunc {
	byIP := throttle.ByIP(clientAddr)
	or := func(name string, f func(*http.Request, *call.Call) string) throttle.KeyFunc {
		return func(dst []byte, r *http.Request) ([]byte, bool) {
			if v := f(r, call.From(r.Context())); v != "" {
				return append(append(dst, name+":"...), v...), true
			}
			return byIP(dst, r)
		}
	}
	switch l.LimitBy {
	case "consumer":
		return or("consumer", consumerOf)
	case "credential":
		return or("credential", func(_ *http.Request, c *call.Call) string { return c.Credential })
	case "service":
		return or("service", func(_ *http.Request, c *call.Call) string {
			if c.Service == nil {
				return ""
			}
			return c.Service.ID
		})
	case "header":
		return or("header", func(r *http.Request, _ *call.Call) string { return r.Header.Get(l.HeaderName) })
	case "path":
		return or("path", func(_ *http.Request, c *call.Call) string {
			if c.Path == l.Path {
				return c.Path
			}
			return ""
		})
	}
	return byIP
}

func consumerOf(_ *http.Request, c *call.Call) string {
	if c.Consumer == nil {
		return ""
	}
	return c.Consumer.ID
}
