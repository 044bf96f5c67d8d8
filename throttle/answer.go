package throttle

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/request"
)

// Names of header fields in canonical form.
const (
	fieldRateLimit       = "Ratelimit"
	fieldRateLimitPolicy = "Ratelimit-Policy"
	fieldLegacyLimit     = "X-Ratelimit-Limit"
	fieldLegacyRemaining = "X-Ratelimit-Remaining"
	fieldLegacyReset     = "X-Ratelimit-Reset"
	fieldRetryAfter      = "Retry-After"
)

// unavailableRetry is the Retry-After of a 503: stores come back within seconds.
const unavailableRetry = "1"

// fields are what a response tells the client of the policies that apply.
type fields struct {
	request.Base
	draft  [2]string  // RateLimit and RateLimit-Policy; "": none
	legacy *[3]string // X-RateLimit-Limit, -Remaining and -Reset; nil: none
	text   [24]byte   // of RateLimit, if it is short
}

// tells reports whether the client learns what is left.
func (c *compiled) tells(q *call) bool {
	return q.enforced > 0 && q.modes[0] != uncharged && c.headers != None
}

// fill writes what is left of each policy that applies.
func (f *fields) fill(c *compiled, q *call) {
	if c.headers != Legacy {
		limits, retry := q.draftLimits(), q.results[q.tightest()].RetryAfter
		n := len(limits)
		if q.reason == QuotaExceeded && retry > 0 { // one allocation for two fields: a refusal is not to be dear
			limits = strconv.AppendInt(limits, seconds(retry), 10)
		}
		text := f.keep(limits)
		q.retryAfter = text[n:]
		f.draft = [2]string{text[:n], c.draftPolicies(q)}
	}
	if c.headers != Draft {
		res := &q.results[q.tightest()]
		f.legacy = &[3]string{strconv.Itoa(res.Limit), strconv.Itoa(res.Remaining), strconv.FormatInt(seconds(res.ResetAfter), 10)}
	}
}

// keep returns text as a string: in f if there is room, so that a response costs
// one allocation. Nothing writes there again.
func (f *fields) keep(text []byte) string {
	if len(text) == 0 || len(text) > len(f.text) {
		return string(text)
	}
	return unsafe.String(&f.text[0], copy(f.text[:], text)) //nolint:gosec // see above
}

// Final implements [request.Layer].
func (f *fields) Final(_ *request.Writer, h http.Header, _ int, look request.Look) {
	for i, name := range [...]string{fieldRateLimit, fieldRateLimitPolicy} {
		if f.draft[i] != "" {
			f.add(h, name, i, look)
		}
	}
	if f.legacy != nil {
		for i, name := range [...]string{fieldLegacyLimit, fieldLegacyRemaining, fieldLegacyReset} {
			h[name] = f.legacy[i : i+1 : i+1]
		}
	}
}

// add puts our member of a list before those of a limiter further in, or of a
// backend.
func (f *fields) add(h http.Header, name string, i int, look request.Look) {
	var others []string
	if look != request.Quiet {
		others = h[name]
	}
	switch {
	case len(others) == 0:
		h[name] = f.draft[i : i+1 : i+1]
	case others[0] != f.draft[i]:
		others = slices.DeleteFunc(slices.Clone(others), func(s string) bool { return s == f.draft[i] })
		h[name] = append([]string{f.draft[i]}, others...)
	}
}

// draftLimits returns the RateLimit field: remaining quota and seconds until
// it is whole again.
func (q *call) draftLimits() []byte {
	b := q.text[:0]
	for i := range q.enforced {
		if q.results[i].Unknown {
			continue
		}
		if len(b) > 0 {
			b = append(b, ", "...)
		}
		b = append(b, q.policies[i].draftName...)
		b = append(b, ";r="...)
		b = strconv.AppendInt(b, int64(q.results[i].Remaining), 10)
		b = append(b, ";t="...)
		b = strconv.AppendInt(b, seconds(q.results[i].ResetAfter), 10)
	}
	q.text = b
	return b
}

// draftPolicies returns the RateLimit-Policy field.
func (c *compiled) draftPolicies(q *call) string {
	if q.asConfigured() {
		switch {
		case q.enforced == c.enforced && c.draftPolicy != "":
			return c.draftPolicy
		case q.enforced == 1 && q.policies[0].draftPolicy != "": // such as one for strangers of two
			return q.policies[0].draftPolicy
		}
	}
	b := q.text[:0]
	for i := range q.enforced {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendDraftPolicy(b, q.policies[i], &q.items[i])
	}
	q.text = b
	return string(b)
}

// asConfigured reports whether the rates are those of the policies: not overridden,
// nor those of one process among many.
func (q *call) asConfigured() bool {
	for i := range q.enforced {
		if q.items[i].Rate != q.policies[i].Rate {
			return false
		}
	}
	return true
}

// appendDraftPolicy appends p's quota and its window in seconds: what a bucket
// holds and how long that takes to fill.
func appendDraftPolicy(b []byte, p *policy, it *Item) []byte {
	window, _ := share(it.Limit(), it.Rate)
	b = append(b, p.draftName...)
	b = append(b, ";q="...)
	b = strconv.AppendInt(b, int64(it.Limit()), 10)
	b = append(b, ";w="...)
	return strconv.AppendInt(b, seconds(time.Duration(window)), 10)
}

// joinDraftPolicies returns the field for when all of ps apply; "" if one of
// them depends on the request.
func joinDraftPolicies(ps []*policy) string {
	fields := make([]string, len(ps))
	for i, p := range ps {
		if p.draftPolicy == "" {
			return ""
		}
		fields[i] = p.draftPolicy
	}
	return strings.Join(fields, ", ")
}

// field returns a list of one value for a header map. Its space comes out of a
// larger allocation and is handed out once.
func (q *call) field(value string) []string {
	if len(q.fields) == 0 {
		q.fields = make([]string, 32)
	}
	f := q.fields[:1:1]
	q.fields = q.fields[1:]
	f[0] = value
	return f
}

// seconds rounds up: a client that waits so long has waited long enough.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// refuse responds to a request that is denied.
func (c *compiled) refuse(w http.ResponseWriter, r *http.Request, q *call) {
	if key := q.foldKey(); !c.reporter.Counted(r.Context(), rampart.ExcessRateLimit, key) {
		c.reporter.Refused(r, rampart.ExcessRateLimit, key, q.attrs()...)
	}
	switch q.reason {
	case QuotaExceeded:
		if q.retryAfter == "" {
			if wait := q.results[q.tightest()].RetryAfter; wait > 0 {
				q.retryAfter = strconv.FormatInt(seconds(wait), 10)
			}
		}
		if q.retryAfter != "" {
			w.Header()[fieldRetryAfter] = q.field(q.retryAfter)
		}
	case CallerUnknown: // no waiting helps
	default:
		w.Header()[fieldRetryAfter] = q.field(unavailableRetry)
	}
	if c.errorHandler != nil {
		_, err := q.outcome()
		c.errorHandler(w, r, err)
		return
	}
	c.answer(w, q)
}
