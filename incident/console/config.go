package console

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// A Config wires a Console to a service.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// API is the operators' calls, as incident.Operator.Handler serves them: the console
	// asks them what it shows, and gives its orders there, as the caller of the request.
	// Required.
	API http.Handler

	// Recorder has the events of this instance. Required.
	Recorder *Recorder

	// Protect is the layers around every page and call, static files excepted: the
	// credential, protection against forged requests (headers.CSRF), limits. Required:
	// without a credential layer in it nobody gets in.
	Protect func(http.Handler) http.Handler

	// Path is where the console is mounted, such as "/console/". Required; it begins and
	// ends with a slash.
	Path string

	// Service is the name at the top of each page. "": "service".
	Service string

	// Scope is what a caller needs. "": "ops".
	Scope string

	// LogIn is the path of a log-in page, and of its form: POST username, password, and
	// next, where to go on. LogOut takes a POST. "": the pages link to none.
	LogIn, LogOut string

	// Backends asks what this instance depends on; ctx has a second. nil: not shown.
	Backends func(ctx context.Context) []Backend

	// Keys returns the keys of the service. nil: the page Keys says that nothing is known.
	Keys func(ctx context.Context) []Key

	// Names returns what people call a subject; "": not known. It is asked for one subject
	// at a time, on its own page only. nil: subjects are shown as they are.
	Names func(ctx context.Context, subject string) string

	// Logger receives what fails. nil: slog.Default().
	Logger *slog.Logger
}

// A Backend is something that the instance depends on, such as a database.
type Backend struct {
	Name   string    `json:"name"`           // such as "database"
	State  string    `json:"state"`          // "ok", or a word for what is wrong, such as "unreachable"
	Policy string    `json:"policy"`         // what holds while it is not there
	Since  time.Time `json:"since,omitzero"` // since when State is what it is; the console fills it in
}

// A Key is a key of the service, without its secret.
type Key struct {
	Use      string    `json:"use"`                // what it is for, such as "signing"
	ID       string    `json:"id"`                 // what tells it apart from others
	Made     time.Time `json:"made,omitzero"`      // zero: not known
	Ends     time.Time `json:"ends,omitzero"`      // when it expires or its overlap ends; zero: no end
	State    string    `json:"state"`              // such as "signs", "verifies until its overlap ends"
	Next     string    `json:"next"`               // the next step, in a sentence
	Progress string    `json:"progress,omitempty"` // of a re-encryption
}

func (c *Config) check() error {
	bad := conferr.For("console.Config")
	bad.If(c.API == nil, "API", rampart.ReasonMissing, nil, "set it to the Handler of an incident.Operator")
	bad.If(c.Recorder == nil, "Recorder", rampart.ReasonMissing, nil, "use NewRecorder, and have the service log through it")
	bad.If(c.Protect == nil, "Protect", rampart.ReasonMissing, nil, "give the layers that say who calls and that refuse forged requests")
	bad.If(!strings.HasPrefix(c.Path, "/") || !strings.HasSuffix(c.Path, "/"), "Path", rampart.ReasonInvalid, c.Path, `write where the console is mounted, such as "/console/"`)
	c.Service, c.Scope = cmp.Or(c.Service, "service"), cmp.Or(c.Scope, "ops")
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return bad.Err()
}
