package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/ecolaura/rampart"
)

// guardError is a refusal by [ServiceConfig].Guard.
type guardError struct{ err error }

func (e *guardError) Error() string { return "auth: guard: " + e.err.Error() }
func (e *guardError) Unwrap() error { return e.err }

// refuse logs and answers a request that an endpoint does not serve.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	te, _ := errors.AsType[*TokenError](err)
	ge, _ := errors.AsType[*guardError](err)
	p, _ := errors.AsType[*rampart.Problem](err)
	status := serviceProblem(err).Status
	switch {
	case errors.Is(err, ErrBadCredentials), te != nil && te.Reason != TokenUnverified:
		if te != nil {
			s.reporter.Refused(r, rampart.AuthzFail, "", slog.String("reason", string(te.Reason)))
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="api"`) // RFC 9110 section 15.5.2
	case errors.Is(err, ErrCrossOrigin):
		s.reporter.Refused(r, rampart.MaliciousCSRF, "", rampart.Text("origin", r.Header.Get("Origin")))
	case ge != nil && status == http.StatusTooManyRequests:
		s.reporter.Refused(r, rampart.ExcessRateLimit, "")
	case ge != nil && status < http.StatusInternalServerError: // it keeps somebody out for another reason
		s.reporter.Refused(r, rampart.AuthzFail, "", slog.String("reason", p.Code))
	case ge == nil && p != nil:
		s.reporter.Refused(r, rampart.InputValidationFail, "", slog.String("code", p.Code))
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil: // the client is gone
	default:
		s.reporter.Refused(r, rampart.SysBackendUnavailable, "auth", rampart.Text("error", err.Error()))
	}
	s.errorHandler(w, r, err)
}

// answerService is the default ErrorHandler of a [Service].
func answerService(w http.ResponseWriter, _ *http.Request, err error) {
	p := serviceProblem(err)
	if after := retryAfterOf(err, p.Status); after > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
	}
	p.Write(w)
}

func serviceProblem(err error) *rampart.Problem {
	if p, ok := errors.AsType[*rampart.Problem](err); ok {
		return p
	}
	if _, ok := errors.AsType[*guardError](err); ok {
		return &rampart.Problem{Status: http.StatusTooManyRequests, Code: "throttled", Detail: "Request was throttled."}
	}
	if errors.Is(err, ErrCrossOrigin) {
		return &rampart.Problem{Status: http.StatusForbidden, Code: "cross_origin"}
	}
	if errors.Is(err, ErrBadCredentials) {
		return &rampart.Problem{
			Status: http.StatusUnauthorized,
			Code:   "no_active_account",
			Detail: "No active account found with the given credentials",
		}
	}
	te, _ := errors.AsType[*TokenError](err)
	switch {
	case te == nil || te.Reason == TokenUnverified:
		return unavailable()
	case te.Reason == TokenInactive:
		return &rampart.Problem{Status: http.StatusUnauthorized, Code: "no_active_account", Detail: te.Reason.message()}
	default:
		return &rampart.Problem{Status: http.StatusUnauthorized, Code: "token_not_valid", Detail: te.Reason.message()}
	}
}

// retryAfterOf returns when to try again: what err says, or a second while we
// are not available.
func retryAfterOf(err error, status int) time.Duration {
	var ra retryAfter
	switch {
	case errors.As(err, &ra):
		return ra.RetryAfter()
	case status == http.StatusServiceUnavailable:
		return time.Second
	default:
		return 0
	}
}
