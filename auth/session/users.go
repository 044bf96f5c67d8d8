package session

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Users is the application's table of accounts.
type Users interface {
	// Login returns the subject of the account if name and password are right
	// and it may log in, and ErrBadCredentials if not: for an unknown name, a
	// wrong password and an inactive account alike, after the same time. Any
	// other error is a failure of the backend and answered with 503.
	Login(ctx context.Context, name, password string) (subject string, err error)

	// Active reports whether the subject may still log in. It is asked at every
	// refresh.
	Active(ctx context.Context, subject string) (bool, error)
}

// A Claimer is a [Users] that adds claims to access tokens, such as "scope", and with
// [Config].ClaimsInRefresh to refresh tokens. It is asked at log-in and at every
// refresh, so that a change takes effect with the next refresh.
type Claimer interface {
	// Claims returns the claims for subject; nil adds none. An error fails the
	// log-in or refresh.
	Claims(ctx context.Context, subject string) (map[string]any, error)
}

// ErrBadCredentials is returned by [Users.Login].
var ErrBadCredentials = errors.New("session: no active account with these credentials")

// A Guard limits guesses. It is called before a password is looked at; an
// error refuses the attempt with 429, or with the *rampart.Problem that it is or
// wraps, and a Retry-After if it has a method RetryAfter() time.Duration.
// Otherwise done, unless it is nil, is called once with what came of the attempt:
// nil if the credentials were right, ErrBadCredentials if they were wrong. Any
// other error means that nobody looked at them, because a backend failed or was
// busy: that was no guess, and a Guard that counts it lets a flood lock the owner
// out.
type Guard = func(ctx context.Context, r *http.Request, name string) (done func(err error), err error)

// retryAfter is what an error may tell about when to try again.
type retryAfter interface {
	error
	RetryAfter() time.Duration
}
