package main

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/crypto/fernet"
)

// app is what the handlers share.
type app struct {
	db       *database
	users    *users
	standing *auth.Standing
	columns  columns
	ready    http.Handler // whether this instance can serve; it names no cause: anybody may ask
	log      *slog.Logger
	events   *rampart.Reporter
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
	if errors.Is(err, context.DeadlineExceeded) || isDown(err) {
		a.events.Refused(r, rampart.SysBackendUnavailable, "database", slog.String("backend", "database"), rampart.Text("error", err.Error()))
		w.Header().Set("Retry-After", "1")
		(&rampart.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable"}).Write(w)
		return
	}
	id, _ := rampart.RequestIDFrom(r.Context())
	a.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("error", err.Error()), slog.String("request_id", id))
	(&rampart.Problem{Status: http.StatusInternalServerError, Code: "internal_error"}).Write(w)
}

// isDown reports whether an error says that the database cannot be reached.
func isDown(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code[:2] {
		case "08", "53", "57": // connection exception, insufficient resources, operator intervention
			return true
		}
	}
	_, dialing := errors.AsType[net.Error](err)
	return dialing || pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// bounded gives a handler that asks the database no longer than the database may take.
func (a *app) bounded(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := a.db.within(r.Context())
		defer cancel()
		next(w, r.WithContext(ctx))
	})
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
