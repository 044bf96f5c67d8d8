package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// IssueHandler answers POST {username, password} with {refresh, access}: a log-in.
// With [ServiceConfig].Cookie the refresh token is in the cookie instead.
func (s *Service) IssueHandler() http.Handler {
	return s.post(s.readLogin, func(w http.ResponseWriter, r *http.Request, form []string) (map[string]string, error) {
		return s.login(w, r, form[0], form[1], s.beginPair)
	})
}

func (s *Service) beginPair(ctx context.Context, subject string, began time.Time) (map[string]string, error) {
	pair, err := s.begin(ctx, subject, began, nil)
	if err != nil {
		return nil, err
	}
	return s.names(pair), nil
}

// A beginner begins a session and returns the answer with its tokens.
type beginner func(ctx context.Context, subject string, began time.Time) (map[string]string, error)

// login checks a password and begins a session. The time is taken before the
// password is looked at: a password change that overtakes this log-in ends
// its session too.
func (s *Service) login(w http.ResponseWriter, r *http.Request, name, password string, begin beginner) (map[string]string, error) {
	ctx := r.Context()
	done, err := s.guard(ctx, r, name)
	if err != nil {
		return nil, &guardError{err}
	}
	began, err := s.sessions.Now(ctx)
	var subject string
	if err == nil {
		subject, err = s.users.Login(ctx, name, password)
	}
	if done != nil {
		done(err)
	}
	var tokens map[string]string
	if err == nil {
		tokens, err = begin(ctx, subject, began)
	}
	if err == nil {
		s.device.Set(w, r, name)
		s.reporter.Report(ctx, rampart.AuthnLoginSuccess, subject, rampart.Text("subject", subject))
		return tokens, nil
	}
	if errors.Is(err, ErrBadCredentials) || errors.Is(err, ErrSuperseded) {
		s.reporter.Refused(r, rampart.AuthnLoginFail, "", slog.String("user_hash", s.hashName(name)))
		return nil, ErrBadCredentials
	}
	return nil, err
}

// hashName is how the log tells user names apart without showing them: people
// type their passwords there.
func (s *Service) hashName(name string) string {
	mac := hmac.New(sha256.New, s.nameKey)
	mac.Write([]byte(name))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// RefreshHandler answers POST {refresh} with {access, refresh}: [Service.Refresh].
func (s *Service) RefreshHandler() http.Handler {
	return s.post(s.readRefresh, func(_ http.ResponseWriter, r *http.Request, form []string) (map[string]string, error) {
		pair, err := s.Refresh(r.Context(), form[0])
		if err != nil {
			return nil, err
		}
		return s.names(pair), nil
	})
}

// names returns the members of an answer with tokens.
func (s *Service) names(p *Pair) map[string]string {
	m := map[string]string{"access": p.Access}
	if p.Refresh != "" {
		m["refresh"] = p.Refresh
	}
	if s.legacyNames {
		for _, name := range []string{"access", "refresh"} {
			if m[name] != "" {
				m[name+"_token"] = m[name]
			}
		}
	}
	return m
}

// VerifyHandler answers POST {token} with {} if the token is good, whatever its
// kind. A refresh token that has been used is not. One of another issuer gets its
// row here already: only the store knows whether the sessions of its subject were
// ended after it was made.
func (s *Service) VerifyHandler() http.Handler {
	return s.post(fields("token"), func(_ http.ResponseWriter, r *http.Request, form []string) (map[string]string, error) {
		return nil, s.check(r.Context(), form[0])
	})
}

func (s *Service) check(ctx context.Context, raw string) error {
	t, err := s.v.Verify(ctx, raw, Any)
	if err != nil || t.kind != Refresh {
		return err
	}
	_, sess, err := s.session(ctx, raw)
	if err == nil && sess.Generation != generationOf(t) {
		return refused(TokenReused) // asking is no use: the session goes on
	}
	return err
}

// EndSessionHandler answers POST {refresh} with {}: it ends the session of the token.
func (s *Service) EndSessionHandler() http.Handler {
	return s.post(s.readRefresh, func(w http.ResponseWriter, r *http.Request, form []string) (map[string]string, error) {
		_, sess, err := s.session(r.Context(), form[0])
		if err == nil {
			err = s.EndSession(r.Context(), sess.ID)
		}
		s.dropCookie(w, err)
		return nil, err
	})
}

// An action does what an endpoint is for, with the fields that were read, and
// returns the members of the answer.
type action func(w http.ResponseWriter, r *http.Request, form []string) (map[string]string, error)

// post is the frame of the endpoints: POST only, the fields that read returns,
// an answer that no cache keeps (RFC 6749 section 5.1).
func (s *Service) post(read formReader, do action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s == nil || s.sessions == nil {
			serviceProblem(errZeroService).Write(w)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			s.errorHandler(w, r, &rampart.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"})
			return
		}
		form, err := read(w, r)
		var members map[string]string
		if err == nil {
			members, err = do(w, r, form)
		}
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		s.intoCookie(w, members)
		writeTokens(w, members)
	})
}

func writeTokens(w http.ResponseWriter, members map[string]string) {
	body, err := strictjson.Encode(members)
	if err != nil || members == nil {
		body = []byte("{}")
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body) // the client is gone if this fails
}
