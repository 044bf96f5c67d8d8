package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/fernet"
)

// app is what the handlers share.
type app struct {
	db      *database
	users   *users
	columns columns
	ready   http.Handler // whether this instance can serve; it names no cause: anybody may ask
	log     *slog.Logger
	events  *rampart.Reporter
}

// fail answers a fault of ours: the cause goes to the log, never to the client.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		// The client is gone, or has closed its half and still reads: returning
		// would answer 200 with nothing.
		panic(http.ErrAbortHandler)
	}
	if errors.Is(err, fernet.ErrInvalid) { // altered, moved, or under a key that is gone
		a.events.Refused(r, rampart.CryptDecryptFail, "")
	}
	id, _ := rampart.RequestIDFrom(r.Context())
	a.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("error", err.Error()), slog.String("request_id", id))
	(&rampart.Problem{Status: http.StatusInternalServerError, Code: "internal_error"}).Write(w)
}

// writeJSON answers with v, which always marshals: our own types.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		(&rampart.Problem{Status: http.StatusInternalServerError, Code: "internal_error"}).Write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func message(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"message": text})
	})
}
