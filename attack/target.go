package attack

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// A Target says where the service is, how to log in, and which paths are what.
// One of Handler and URL is required; all other fields are optional, and what
// needs an empty one is not attacked.
type Target struct {
	_ [0]func() // no comparison, no unkeyed literals

	Handler http.Handler // the service; it is served on a loopback port
	URL     string       // or where it runs: "https://staging.example.com", with a path in front of all others if it has one
	TLS     *tls.Config  // for https, such as the roots of your own CA; nil: the system's

	// Header is sent with every request, such as X-Forwarded-Proto where the
	// service expects a proxy.
	Header http.Header

	// Login logs an account in; nil means [JSONLogin]("/api/token/"). Alice and
	// Bob are accounts that Login takes; Alice may do what Scoped and Write
	// need, Bob may not.
	Login      Login
	Alice, Bob Account

	Public string  // path that anybody may GET
	Secure string  // path that any caller who is logged in may GET
	Routes []Route // what else there is to GET
	JWKS   string  // path of the public keys, if tokens are signed with one

	// Refresh and Logout are paths that take POST {"refresh": token}; a session of
	// cookies is ended by a POST to Logout without a body.
	Refresh, Logout string

	Expired string // an access token that has expired

	Scoped []Request // what Alice may and Bob may not

	// Own makes something of its owner's, and returns what only the owner may
	// do with it; the owner's token is added.
	Own func(ctx context.Context, c *Client, owner Session) (Request, error)

	Write   Request  // what Alice may: a good JSON body that is answered 2xx
	Invalid []string // bodies that Write's path must refuse

	Malformed []Request // what anybody may, and what must be refused with a malformed query

	// HTML puts a text where Write's service allows HTML: it returns a body for
	// Write. Read is the path that shows it, as Alice.
	HTML func(text string) (body string)
	Read string

	Upload Request // what Alice may: a multipart body that is answered 2xx; its Body and ContentType are made up

	Limits  []Limit // rates that must hold exactly
	Guesses int     // a wrong password for Bob must be refused with 429 after at most so many tries

	// AccountGuesses is Guesses for tries that come from as many addresses, where
	// the suite has some. Then Bob must still get in from where he was before.
	AccountGuesses int

	Origins []string // origins that may read responses

	KeyPath   string // path that an API key opens for GET
	Key       string // a good key
	KeyHeader string // that it is sent in; "" means X-API-Key

	// EndedKeys were good once, and are not any more: revoked, expired, or of an
	// owner who is not active.
	EndedKeys []string

	PlainHTTP http.Header // what a trusted proxy adds to a request that came over plain http; then credentials must be refused

	// ProxyHeader is the header, such as X-Forwarded-For, in which the service
	// believes requests of this machine about their client; "" if it does not.
	ProxyHeader string

	Blocked []Blocked // addresses that are refused

	RequestID string        // header in which responses carry a request id that clients cannot choose
	Log       func() string // the service's log so far

	Timeouts time.Duration // within which the server gives up on slow headers and bodies; with URL only

	// MaxRequests ends the scan with an error once so many were sent; 0: no bound.
	// Pace is the time between two requests; 0: as fast as they are answered.
	MaxRequests int
	Pace        time.Duration

	Progress func(check string, sent int) // is told of each check as it begins, and how many requests were sent; nil: nobody is
}

// A Route is a path that is there.
type Route struct {
	Path    string // with a query, if it takes parameters
	Private bool   // nobody may GET it without a credential
}

// An Account is who can log in, by Name and Password.
type Account struct{ Name, Password string }

// A Session is what a log-in gives.
type Session struct {
	Access  string      // sent as Authorization: Bearer
	Refresh string      // "" if there is none
	Header  http.Header // sent in place of Access: a session of cookies, with what proves that a form is the site's own
}

// header returns what a request of the session carries.
func (s Session) header() http.Header {
	if s.Header != nil {
		return s.Header.Clone()
	}
	return bearer(s.Access)
}

func (s Session) begun() bool { return s.Access != "" || s.Header != nil }

// A Request is one to the target.
type Request struct {
	Method      string      // "" means GET; for Write and Upload POST
	Path        string      // with its query, as it goes over the wire
	Body        string      // "" means none
	ContentType string      // "" means application/json if there is a Body
	Header      http.Header // beside the Target's; "Host" here is the Host
}

// A Blocked is an address that is refused.
type Blocked struct {
	Addr  netip.Addr // without a ProxyHeader one of 127.0.0.0/8, so that requests can come from it
	Layer string     // that refuses it, in the finding; "" means ipfilter
}

// A Limit is a rate.
type Limit struct {
	Name    string        // in the finding
	Layer   string        // that keeps it, in the finding; "" means throttle
	Request Request       // what is limited; "{n}" in its Body becomes the number of the request
	Count   int           // so many are not refused, the next is: with 429
	Refill  time.Duration // how soon one more is let through, as by a token bucket; 0: not before the scan ends
	As      *Account      // nil: without a token. Another account than Alice and Bob, or its own requests count
	Keyed   bool          // the limit is not by client: by an API key in Request, by an account
	Bad     bool          // with a token that is refused: a limit before the tokens are looked at
}

// A StatusError says that an honest request was refused.
type StatusError struct{ Status int }

// Error implements error.
func (e *StatusError) Error() string { return fmt.Sprintf("attack: answered with status %d", e.Status) }

func (t *Target) validate() error {
	bad := conferr.For("attack.Target")
	const wantURL = `use an http or https URL without userinfo and query, such as "http://127.0.0.1:8080"`
	switch {
	case t.Handler == nil && t.URL == "":
		bad.Add("URL", rampart.ReasonMissing, nil, "give the URL of a running server, or a Handler")
	case t.Handler != nil && t.URL != "":
		bad.Add("URL", rampart.ReasonConflict, nil, "give URL or Handler, not both")
	case t.URL != "":
		u, err := url.Parse(t.URL)
		bad.If(err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "",
			"URL", rampart.ReasonInvalid, nil, wantURL) // it may hold a password: no value
	}
	const wantAccount = "some of the attacks that are set need this account; give its Name and Password"
	bad.If(t.Alice.Name == "" && (len(t.Scoped) > 0 || t.Own != nil || t.Write.Path != "" || t.Upload.Path != ""),
		"Alice", rampart.ReasonMissing, nil, wantAccount)
	bad.If(t.Bob.Name == "" && (len(t.Scoped) > 0 || t.Own != nil || t.Guesses > 0 || t.AccountGuesses > 0 || t.Refresh != "" || t.Secure != "" || t.Logout != ""),
		"Bob", rampart.ReasonMissing, nil, wantAccount)
	bad.If(t.Timeouts != 0 && t.Handler != nil, "Timeouts", rampart.ReasonPointless, nil, "a Handler has no connections; give a URL, or leave Timeouts 0")
	for name, path := range map[string]string{"Public": t.Public, "Secure": t.Secure, "JWKS": t.JWKS, "Refresh": t.Refresh, "Logout": t.Logout, "Write": t.Write.Path, "Read": t.Read, "Upload": t.Upload.Path, "KeyPath": t.KeyPath} {
		bad.If(path != "" && path[0] != '/', name, rampart.ReasonInvalid, path, "a path begins with a slash")
	}
	bad.If(len(t.EndedKeys) > 0 && t.KeyPath == "", "KeyPath", rampart.ReasonMissing, nil, "EndedKeys needs a path that takes API keys")
	bad.If(len(t.Blocked) > 0 && t.Public == "", "Public", rampart.ReasonMissing, nil, "Blocked needs a path that anyone may get")
	for _, r := range t.Routes {
		bad.If(r.Path == "" || r.Path[0] != '/', "Routes", rampart.ReasonInvalid, r.Path, "a path begins with a slash")
	}
	bad.If(t.MaxRequests < 0 || t.Pace < 0, "MaxRequests", rampart.ReasonInvalid, nil, "MaxRequests and Pace are 0 or more")
	for _, l := range t.Limits {
		bad.If(l.Count < 1 || l.Request.Path == "", "Limits", rampart.ReasonInvalid, l.Name, "a limit has a Count of 1 or more and a Request with a Path")
	}
	return bad.Err()
}
