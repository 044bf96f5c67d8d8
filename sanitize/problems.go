package sanitize

import (
	"net/http"

	"github.com/ecolaura/rampart"
)

// unreadable is the answer to a body or query that cannot be taken apart.
func unreadable(at rampart.FieldError) *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusBadRequest,
		Code:   "parse_error",
		Detail: "Malformed request.",
		Errors: []rampart.FieldError{at},
	}
}

// invalidInput is the answer to a request that can be read but not accepted.
func invalidInput(errs []rampart.FieldError) *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusUnprocessableEntity,
		Code:   "invalid",
		Detail: "Invalid input.",
		Errors: errs,
	}
}

// unreadableQuery is the answer to a query that parsers would read differently.
func unreadableQuery(inv *Invalid) *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusBadRequest,
		Code:   "invalid_query",
		Detail: "Malformed query.",
		Errors: []rampart.FieldError{{Code: inv.Code, Detail: inv.Detail}},
	}
}

func uriTooLong() *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusRequestURITooLong,
		Code:   "uri_too_long",
		Detail: "The URL is too long.",
	}
}

func tooLarge() *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusRequestEntityTooLarge,
		Code:   "request_too_large",
		Detail: "The request body is too large.",
	}
}

func unsupportedMedia() *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusUnsupportedMediaType,
		Code:   "unsupported_media_type",
		Detail: "Unsupported media type in request.",
	}
}

func unsupportedEncoding() *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusUnsupportedMediaType,
		Code:   "unsupported_content_encoding",
		Detail: "Unsupported content encoding in request.",
	}
}

// notConfigured is what a zero Binder or Guard answers: it fails closed.
func notConfigured() *rampart.Problem {
	return &rampart.Problem{Status: http.StatusInternalServerError, Code: "not_configured"}
}
