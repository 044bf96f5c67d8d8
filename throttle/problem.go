package throttle

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/request"
)

// answer responds to a request that is denied, in the default way.
func (c *compiled) answer(w http.ResponseWriter, q *call) {
	switch q.reason {
	case QuotaExceeded:
		q.answerExceeded(w)
	case CallerUnknown:
		callerUnknown().Write(w)
	default:
		unavailable().Write(w)
	}
}

func callerUnknown() *rampart.Problem {
	return &rampart.Problem{Status: http.StatusForbidden, Code: "caller_unknown", Detail: "The caller of this request cannot be told."}
}

func unavailable() *rampart.Problem {
	return &rampart.Problem{Status: http.StatusServiceUnavailable, Code: "limits_unavailable", Detail: "Request limits cannot be checked right now."}
}

// exceeded is the problem type of draft-ietf-httpapi-ratelimit-headers-10, with
// the code and the text of Django REST framework.
func exceeded(wait time.Duration, violated []string) *rampart.Problem {
	detail := "Request was throttled."
	switch s := seconds(wait); {
	case wait == Never:
	case s == 1:
		detail += " Expected available in 1 second."
	default:
		detail += " Expected available in " + strconv.FormatInt(s, 10) + " seconds."
	}
	return &rampart.Problem{
		Type:       "https://iana.org/assignments/http-problem-types#quota-exceeded",
		Title:      "Request cannot be satisfied as assigned quota has been exceeded",
		Status:     http.StatusTooManyRequests,
		Detail:     detail,
		Code:       "throttled",
		Extensions: map[string]any{"violated-policies": violated},
	}
}

// answerExceeded fills the number into a body made beforehand where it can: a
// refusal must not cost more than what it spares.
func (q *call) answerExceeded(w http.ResponseWriter) {
	t, violated := q.tightest(), 0
	for i := range q.enforced {
		if q.violated(i) {
			violated++
		}
	}
	wait := q.results[t].RetryAfter
	if violated > 1 || seconds(wait) <= 1 {
		var names []string
		for i := range q.enforced {
			if q.violated(i) {
				names = append(names, q.results[i].Policy)
			}
		}
		exceeded(wait, names).Write(w)
		return
	}
	body := &q.policies[t].exceeded
	q.text = append(q.text[:0], body.before...)
	q.text = strconv.AppendInt(q.text, seconds(wait), 10)
	q.text = append(q.text, body.after...)
	request.WriteProblem(w, http.StatusTooManyRequests, q.text)
}

// violated reports whether the policy of item i stood in the way.
func (q *call) violated(i int) bool { return q.results[i].RetryAfter != 0 && q.items[i].Cost > 0 }

// template is a body around a number of seconds.
type template struct{ before, after []byte }

func exceededTemplate(policy string) template {
	const number = 9012345678                                               // occurs nowhere before its place
	body, _ := exceeded(number*time.Second, []string{policy}).MarshalJSON() // strings always marshal
	before, after, _ := bytes.Cut(body, strconv.AppendInt(nil, number, 10))
	return template{before, append(after, '\n')}
}
