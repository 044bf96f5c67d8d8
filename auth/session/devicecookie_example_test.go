package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
)

// Strangers share the account's guesses; a device that has logged in before has
// guesses of its own, so that strangers cannot use those up.
func ExampleDeviceCookie() {
	key, err := auth.NewKey(auth.HS256, "", []byte("a secret of at least thirty-two bytes"))
	if err != nil {
		fmt.Println(err)
		return
	}
	devices, err := session.NewDeviceCookie(session.DeviceCookieConfig{Key: key})
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg := session.Config{
		DeviceCookie: devices, // set at each log-in
		Guard: func(_ context.Context, r *http.Request, name string) (func(error), error) {
			if _, known := devices.Device(r, name); known {
				fmt.Println("count by account and device") // both in the key of the limit
			} else {
				fmt.Println("count by account, and refuse strangers when that is full")
			}
			return nil, nil
		},
		// Tokens, Users, Sessions …
	}

	r := httptest.NewRequest(http.MethodPost, "/api/token/", nil)
	_, _ = cfg.Guard(r.Context(), r, "alice")

	w := httptest.NewRecorder()
	devices.Set(w, r, "alice")
	r.AddCookie(w.Result().Cookies()[0])
	_, _ = cfg.Guard(r.Context(), r, "alice")
	// Output:
	// count by account, and refuse strangers when that is full
	// count by account and device
}
