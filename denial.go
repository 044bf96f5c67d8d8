package rampart

import (
	"errors"
	"net/http"
	"strconv"
)

// Outage says what becomes of requests while a backend that decides about them
// does not respond.
type Outage uint8

// The outage policies. There is no default, because no policy suits every service.
// The field that takes one says what each means there.
const (
	FailClosed Outage = iota + 1 // refuse: 503 with Retry-After
	FailOpen                     // let pass what cannot be decided
	FallBack                     // decide by this process's own data; refused where it has none
)

// String returns the policy's name.
func (o Outage) String() string {
	switch o {
	case FailClosed:
		return "FailClosed"
	case FailOpen:
		return "FailOpen"
	case FallBack:
		return "FallBack"
	default:
		return strconv.Itoa(int(o))
	}
}

// A Denial is the reason why a layer refused a request, such as "expired": for
// logs, metrics and code. The client is told less. Each layer documents its own.
// (The reason of a mistake in a configuration is a [Reason].)
type Denial string

// A Refusal is the error of a refused request; its Denial is the reason. Find it
// with errors.AsType in what Check returns and what ErrorHandler gets.
type Refusal interface {
	error

	// Denial returns the reason.
	Denial() Denial

	// Problem returns the response that the layer writes by default.
	Problem() *Problem
}

// WriteError writes the response to an error: that of the first [Refusal] in its
// tree, such as a [*Problem], else 500 without a hint. It does not log the cause.
func WriteError(w http.ResponseWriter, err error) {
	if r, ok := errors.AsType[Refusal](err); ok {
		r.Problem().Write(w)
		return
	}
	(&Problem{Status: http.StatusInternalServerError, Code: "internal_error"}).Write(w)
}
