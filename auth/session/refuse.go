package session

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
)

// guardError is a refusal by [Config].Guard.
type guardError struct{ err error }

func (e *guardError) Error() string { return "session: guard: " + e.err.Error() }
func (e *guardError) Unwrap() error { return e.err }

// An endpointError is why an endpoint does not serve a request, with what it
// says: simplejwt's endpoints say less than its authentication class.
type endpointError struct {
	error
	problem *rampart.Problem
}

func (e *endpointError) Unwrap() error             { return e.error }
func (e *endpointError) Problem() *rampart.Problem { return e.problem }

// Denial is that of the cause, if it has one: else the code of the response.
func (e *endpointError) Denial() rampart.Denial {
	if r, ok := errors.AsType[rampart.Refusal](e.error); ok {
		return r.Denial()
	}
	return e.problem.Denial()
}

// refuse logs and responds to a request that an endpoint does not serve.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(err)
	s.report(r, err, p)
	maps.Copy(w.Header(), p.Header)
	s.errorHandler(w, r, &endpointError{err, p})
}

func (s *Service) report(r *http.Request, err error, p *rampart.Problem) {
	te, _ := errors.AsType[*auth.TokenError](err)
	ge, _ := errors.AsType[*guardError](err)
	own, _ := errors.AsType[*rampart.Problem](err)
	switch {
	case te != nil && te.Reason != auth.TokenUnverified:
		s.reporter.Refused(r, rampart.AuthzFail, "", slog.String("reason", string(te.Reason)))
	case errors.Is(err, ErrBadCredentials):
	case errors.Is(err, ErrCrossOrigin):
		s.reporter.Refused(r, rampart.MaliciousCSRF, "", rampart.Text("origin", r.Header.Get("Origin")))
	case ge != nil && p.Status == http.StatusTooManyRequests:
		s.reporter.Refused(r, rampart.ExcessRateLimit, "")
	case ge != nil && p.Status < http.StatusInternalServerError: // it keeps somebody out for another reason
		s.reporter.Refused(r, rampart.AuthzFail, "", slog.String("reason", p.Code))
	case own != nil && own.Code == "busy": // such as that of package password
		s.reporter.Refused(r, rampart.SysOverloaded, "log-in", slog.String("backend", "passwords"))
	case ge == nil && own != nil:
		s.reporter.Refused(r, rampart.InputValidationFail, "", slog.String("code", p.Code))
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil: // the client is gone
	default:
		s.reporter.Refused(r, rampart.SysBackendUnavailable, "auth", rampart.Text("error", err.Error()))
	}
}

// problem is the response of an endpoint.
func (s *Service) problem(err error) *rampart.Problem {
	p := *s.problemOf(err)
	if p.Header = p.Header.Clone(); p.Header == nil {
		p.Header = http.Header{}
	}
	ra, _ := errors.AsType[retryAfter](err)
	switch {
	case ra != nil && ra.RetryAfter() > 0:
		p.Header.Set("Retry-After", strconv.FormatInt(int64((ra.RetryAfter()+time.Second-1)/time.Second), 10))
	case p.Status == http.StatusServiceUnavailable && p.Header["Retry-After"] == nil:
		p.Header.Set("Retry-After", "1")
	case p.Status == http.StatusUnauthorized: // RFC 9110 section 15.5.2
		p.Header.Set("WWW-Authenticate", s.v.Challenge())
	}
	if s.style == StyleOAuth {
		asOAuth(&p)
	}
	return &p
}

func (s *Service) problemOf(err error) *rampart.Problem {
	if p, ok := errors.AsType[*rampart.Problem](err); ok {
		return p
	}
	if _, ok := errors.AsType[*guardError](err); ok {
		return &rampart.Problem{Status: http.StatusTooManyRequests, Code: "throttled", Detail: s.throttled()}
	}
	if errors.Is(err, ErrCrossOrigin) {
		return &rampart.Problem{Status: http.StatusForbidden, Code: "cross_origin"}
	}
	if errors.Is(err, ErrBadCredentials) {
		return &rampart.Problem{
			Status: http.StatusUnauthorized,
			Code:   "no_active_account",
			Detail: s.badCredentials(),
		}
	}
	te, _ := errors.AsType[*auth.TokenError](err)
	switch {
	case te == nil || te.Reason == auth.TokenUnverified:
		return unavailable()
	case te.Reason == auth.TokenInactive:
		return &rampart.Problem{Status: http.StatusUnauthorized, Code: "no_active_account", Detail: s.message(te)}
	default:
		return &rampart.Problem{Status: http.StatusUnauthorized, Code: "token_not_valid", Detail: s.message(te)}
	}
}

// unavailable is the response while a backend does not respond.
func unavailable() *rampart.Problem {
	return (&auth.TokenError{Reason: auth.TokenUnverified}).Problem()
}
