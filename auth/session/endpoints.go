package session

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// IssueHandler responds to POST {username, password} with {refresh, access}: a log-in.
// With [Config].Cookie the refresh token is in the cookie instead.
func (s *Service) IssueHandler() http.Handler {
	return post(s, s.readOwnLogin, func(w http.ResponseWriter, r *http.Request, form loginRequest) (response, error) {
		return s.login(w, r, form, func(ctx context.Context, in login) (response, error) {
			pair, err := s.begin(ctx, in, nil)
			return s.response(w, pair), err
		})
	})
}

// A beginner begins a session and returns the response with its tokens.
type beginner func(ctx context.Context, in login) (response, error)

// login checks a password and begins a session. The time is taken before the
// password is looked at: a password change that overtakes this log-in ends
// its session too.
func (s *Service) login(w http.ResponseWriter, r *http.Request, form loginRequest, begin beginner) (response, error) {
	ctx, name := r.Context(), form.Username
	done, err := s.guard(ctx, r, name)
	if err != nil {
		return response{}, &guardError{err}
	}
	began, err := s.sessions.Now(ctx)
	var subject string
	if err == nil {
		subject, err = s.users.Login(ctx, name, form.Password)
	}
	if done != nil {
		done(err)
	}
	var tokens response
	if err == nil {
		tokens, err = begin(ctx, login{subject, deviceOf(r), began})
	}
	if err == nil {
		s.device.Set(w, r, name)
		s.reporter.Report(ctx, rampart.AuthnLoginSuccess, subject, rampart.Text("subject", subject))
		return tokens, nil
	}
	if errors.Is(err, ErrBadCredentials) || errors.Is(err, ErrSuperseded) {
		s.reporter.Refused(r, rampart.AuthnLoginFail, "", slog.String("user_hash", s.hashName(name)))
		return response{}, ErrBadCredentials
	}
	return response{}, err
}

// maxDevice bounds [Session.Device], in bytes.
const maxDevice = 128

// deviceOf returns what a client calls itself, without what could break a line,
// hide or reorder text, or be refused by a database.
func deviceOf(r *http.Request) string {
	device := strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return -1
	}, strings.ToValidUTF8(r.UserAgent(), ""))
	if len(device) > maxDevice {
		device = strings.ToValidUTF8(device[:maxDevice], "") // without the part of a character
	}
	return device
}

// hashName is how the log tells user names apart without showing them: people
// type their passwords there.
func (s *Service) hashName(name string) string {
	mac := hmac.New(sha256.New, s.nameKey)
	mac.Write([]byte(name))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// RefreshHandler responds to POST {refresh} with {access, refresh}: [Service.Refresh].
func (s *Service) RefreshHandler() http.Handler {
	return post(s, s.readOwnRefresh, func(w http.ResponseWriter, r *http.Request, form refreshRequest) (response, error) {
		pair, err := s.Refresh(r.Context(), form.Refresh)
		return s.response(w, pair), err
	})
}

// response returns what a client gets of a pair: the refresh token in its cookie,
// if that is how it travels, so that no script ever holds it.
func (s *Service) response(w http.ResponseWriter, p *Pair) (re response) {
	if p == nil {
		return re
	}
	re.Access, re.Refresh = p.Access, p.Refresh
	re.ExpiresIn = int64(p.AccessExpires.Sub(s.tokens.Now()) / time.Second)
	if s.cookie != "" && p.Refresh != "" {
		http.SetCookie(w, newCookie(s.cookie, p.Refresh, int(s.refreshTTL/time.Second)))
		re.Refresh = ""
	}
	return re
}

// VerifyHandler responds to POST {token} with {} if the token is good, whatever its
// kind. A refresh token that has been used is not. One of another issuer gets its
// row here already: only the store knows whether the sessions of its subject were
// ended after it was made.
func (s *Service) VerifyHandler() http.Handler {
	return post(s, s.readToken, func(_ http.ResponseWriter, r *http.Request, form tokenRequest) (response, error) {
		return response{}, s.checkToken(r.Context(), form.Token)
	})
}

func (s *Service) checkToken(ctx context.Context, raw string) error {
	t, err := s.v.Verify(ctx, raw, auth.Any)
	if err != nil {
		return err
	}
	if err := s.checkRevoked(ctx, t); err != nil || t.Kind() != auth.Refresh {
		return err
	}
	_, gen, sess, err := s.session(ctx, raw)
	if err == nil && sess.Generation != gen {
		return refused(auth.TokenReused) // asking is no use: the session goes on
	}
	return err
}

// EndSessionHandler responds to POST {refresh} with {}: it ends the session of the token.
func (s *Service) EndSessionHandler() http.Handler {
	return post(s, s.readOwnRefresh, func(w http.ResponseWriter, r *http.Request, form refreshRequest) (response, error) {
		_, _, sess, err := s.session(r.Context(), form.Refresh)
		if err == nil {
			_, err = s.EndSession(r.Context(), sess.ID)
		}
		s.dropCookie(w, err)
		return response{}, err
	})
}

// post is the frame of the endpoints: POST only, what read returns, a response
// that no cache keeps (RFC 6749 section 5.1).
func post[F any](s *Service, read func(http.ResponseWriter, *http.Request) (F, error), do func(http.ResponseWriter, *http.Request, F) (response, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s == nil || s.sessions == nil {
			unavailable().Write(w)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			s.errorHandler(w, r, &rampart.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"})
			return
		}
		form, err := read(w, r)
		var re response
		if err == nil {
			re, err = do(w, r, form)
		}
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		body, _ := strictjson.Encode(s.answer(re)) // strings do not fail
		_, _ = w.Write(body)                       // the client is gone if this fails
	})
}
