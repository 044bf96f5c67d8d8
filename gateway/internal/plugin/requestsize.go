package plugin

import (
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/internal/request"
)

// RequestSizeLimiting bounds bodies.
type RequestSizeLimiting struct {
	AllowedPayloadSize   int    `k:"allowed_payload_size"`
	SizeUnit             string `k:"size_unit"`
	RequireContentLength bool   `k:"require_content_length"`
}

func newRequestSizeLimiting() any {
	return config(&RequestSizeLimiting{AllowedPayloadSize: 128, SizeUnit: "megabytes"})
}

// Check looks for mistakes.
func (s *RequestSizeLimiting) Check(c *conf.Checks, _ *conf.File) {
	c.OneOf("config.size_unit", s.SizeUnit, "megabytes", "kilobytes", "bytes")
	c.Within("config.allowed_payload_size", s.AllowedPayloadSize, 1, 1<<31-1)
}

// layer bounds bodies; one that does not say how long it is, is cut off.
func (s *RequestSizeLimiting) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	most := int64(s.AllowedPayloadSize)
	switch s.SizeUnit {
	case "megabytes":
		most *= 1 << 20
	case "kilobytes":
		most *= 1 << 10
	}
	report := func(r *http.Request, reason string) {
		e.Events.Refused(r, rampart.InputValidationFail, "", slog.String("reason", reason))
	}
	refuse := func(w http.ResponseWriter, r *http.Request, status int, code string) {
		report(r, code)
		request.CloseAfter(w, r)
		(&rampart.Problem{Status: status, Code: code}).Write(w)
	}
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.ContentLength > most:
				refuse(w, r, http.StatusRequestEntityTooLarge, "too_large")
				return
			case r.ContentLength < 0 && s.RequireContentLength:
				refuse(w, r, http.StatusLengthRequired, "length_required")
				return
			case r.ContentLength < 0:
				bounded := new(http.Request)
				*bounded = *r
				bounded.Body = &boundedBody{request.MaxBytes(w, r, most), func() { report(bounded, "too_large") }}
				r = bounded
			}
			next.ServeHTTP(w, r)
		})
	}}, nil
}

// boundedBody tells that a body is too long, which shows only when it is read.
type boundedBody struct {
	io.ReadCloser
	tooLong func()
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		b.tooLong()
	}
	return n, err
}
