package conf

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Active health checks ask the targets by themselves. Times are in seconds.
type Active struct {
	Type        string              `k:"type"` // http, https or tcp
	HTTPPath    string              `k:"http_path"`
	Timeout     float64             `k:"timeout"`
	Concurrency int                 `k:"concurrency"`
	VerifyTLS   bool                `k:"https_verify_certificate"`
	SNI         string              `k:"https_sni"` // "": the target's name
	Headers     map[string][]string `k:"headers"`
	Healthy     ActiveHealthy       `k:"healthy"`
	Unhealthy   ActiveUnhealthy     `k:"unhealthy"`
}

// ActiveHealthy says how often targets are asked that are well, and when one that
// is not counts as well again; 0 switches it off.
type ActiveHealthy struct {
	Interval  float64 `k:"interval"`
	Statuses  []int   `k:"http_statuses"`
	Successes int     `k:"successes"`
}

// ActiveUnhealthy says how often targets are asked that are not well, and when one
// gets no more requests; 0 switches a count off.
type ActiveUnhealthy struct {
	Interval     float64 `k:"interval"`
	Statuses     []int   `k:"http_statuses"`
	HTTPFailures int     `k:"http_failures"`
	TCPFailures  int     `k:"tcp_failures"`
	Timeouts     int     `k:"timeouts"`
}

// newActive returns Kong's defaults: the checks are off.
func newActive() Active {
	return Active{
		Type: "http", HTTPPath: "/", Timeout: 1, Concurrency: 10, VerifyTLS: true,
		Healthy:   ActiveHealthy{Statuses: []int{200, 302}},
		Unhealthy: ActiveUnhealthy{Statuses: []int{429, 404, 500, 501, 502, 503, 504, 505}},
	}
}

// Every returns how long after a response a target is asked again: one that is
// well, and one that is not. 0: never.
func (a *Active) Every() (healthy, unhealthy time.Duration) {
	return Seconds(a.Healthy.Interval), Seconds(a.Unhealthy.Interval)
}

// Seconds is a time of a document.
func Seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (a *Active) check(c *Checks) {
	const at = "healthchecks.active."
	c.OneOf(at+"type", a.Type, "http", "https", "tcp")
	c.Want(Path(a.HTTPPath), at+"http_path", "must begin with / and hold no // and no %% that is not an escape: %q", a.HTTPPath)
	c.Want(a.Timeout >= 0.01 && a.Timeout <= 65535, at+"timeout", "must be from 0.01 to 65535")
	c.Within(at+"concurrency", a.Concurrency, 1, 1000)
	c.Want(a.SNI == "" || hostname(a.SNI), at+"https_sni", "a host name is wanted")
	for name, values := range a.Headers {
		c.Want(Token(name) && !strings.EqualFold(name, "host") && !slices.ContainsFunc(values, func(v string) bool { return !Printable(v) }),
			at+"headers."+name, "a header's name and printable ASCII are wanted; for Host there is host_header")
	}
	for name, every := range map[string]float64{"healthy": a.Healthy.Interval, "unhealthy": a.Unhealthy.Interval} {
		c.Want(every == 0 || every >= 0.01 && every <= 65535, at+name+".interval", "must be 0, or from 0.01 to 65535")
	}
	c.Within(at+"healthy.successes", a.Healthy.Successes, 0, 255)
	c.Within(at+"unhealthy.http_failures", a.Unhealthy.HTTPFailures, 0, 255)
	c.Within(at+"unhealthy.tcp_failures", a.Unhealthy.TCPFailures, 0, 255)
	c.Within(at+"unhealthy.timeouts", a.Unhealthy.Timeouts, 0, 255)
	for i, s := range a.Healthy.Statuses {
		c.Within(fmt.Sprintf("%shealthy.http_statuses[%d]", at, i), s, 100, 999)
	}
	for i, s := range a.Unhealthy.Statuses {
		c.Within(fmt.Sprintf("%sunhealthy.http_statuses[%d]", at, i), s, 100, 999)
	}
}
