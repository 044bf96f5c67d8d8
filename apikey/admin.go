package apikey

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// An Actor is who asks for something in [Keys.Admin].
type Actor struct {
	Owner  string   // whose keys it manages; required unless All
	Scopes []string // the most that a key may get from it
	All    bool     // it manages everybody's keys
}

// Admin returns a handler with which people manage their keys:
//
//	GET    /              a page of keys, oldest first, no secret in it;
//	                      ?limit= and ?cursor=, with a Link to the next page;
//	                      ?owner= for an actor with All
//	POST   /              {"name", "scopes", "allow", "expires"} makes a key: 201, "key" is
//	                      its secret; "plan" and "owner", too, for an actor with All
//	POST   /{id}/rotate/  {"overlap": "24h"} replaces it: 201, as above
//	DELETE /{id}/         revokes it: 204
//
// Mount it below a layer that says who asks, and cut off what is before it:
//
//	mux.Handle("/api/keys/", authn.Handler(http.StripPrefix("/api/keys", keys.Admin(actor))))
//
// Actor tells who asks; if it says false, the response is 403. Keys of others
// are not found, whether they exist or not. No key is made or rotated with a
// scope that the actor lacks, All or not. Every refusal is a problem.
func (ks *Keys) Admin(actor func(*http.Request) (Actor, bool)) http.Handler {
	a := admin{ks, actor}
	mux := http.NewServeMux()
	mux.Handle("/", &rampart.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "Not found."})
	for _, slash := range []string{"", "/{$}"} { // both, as a redirect would not know the mount point
		mux.Handle("DELETE /{id}"+slash, a.handle(a.revoke))
		mux.Handle("/{id}"+slash, wrongMethod("DELETE"))
		mux.Handle("POST /{id}/rotate"+slash, a.handle(a.rotate))
		mux.Handle("/{id}/rotate"+slash, wrongMethod("POST"))
	}
	mux.Handle("GET /{$}", a.handle(a.list))
	mux.Handle("POST /{$}", a.handle(a.create))
	mux.Handle("/{$}", wrongMethod("GET, HEAD, POST"))
	return mux
}

// wrongMethod responds with 405 and names the methods that the path takes (RFC 9110
// section 15.5.6).
func wrongMethod(allow string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allow)
		(&rampart.Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "Method not allowed."}).Write(w)
	})
}

type admin struct {
	keys  *Keys
	actor func(*http.Request) (Actor, bool)
}

// An action responds to a request, or returns why not.
type action func(w http.ResponseWriter, r *http.Request, by Actor) error

func (a admin) handle(do action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.identified(w, r, do); err != nil {
			a.refuse(w, r, err)
		}
	})
}

func (a admin) identified(w http.ResponseWriter, r *http.Request, do action) error {
	if a.actor == nil {
		return forbidden()
	}
	by, ok := a.actor(r)
	if !ok || by.Owner == "" && !by.All { // an empty owner would select everybody's keys
		return forbidden()
	}
	return do(w, r, by)
}

// keyJSON is a key as a client sees it. Meta stays with the application.
type keyJSON struct {
	ID        string         `json:"id"`
	Key       string         `json:"key,omitempty"` // the secret, in a 201 only
	Name      string         `json:"name"`
	Owner     string         `json:"owner,omitempty"`
	Plan      string         `json:"plan,omitempty"`
	Scopes    []string       `json:"scopes"`
	Allow     []netip.Prefix `json:"allow,omitempty"`
	Created   time.Time      `json:"created"`
	Expires   *time.Time     `json:"expires"`
	Revoked   *time.Time     `json:"revoked"`
	LastUsed  *time.Time     `json:"last_used"`
	Successor string         `json:"successor,omitempty"`
}

func shown(k Key) keyJSON {
	set := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return keyJSON{
		ID: k.ID, Name: k.Name, Owner: k.Owner, Plan: k.Plan, Scopes: append([]string{}, k.Scopes...), Allow: k.Allow,
		Created: k.Created, Expires: set(k.Expires), Revoked: set(k.Revoked), LastUsed: set(k.LastUsed), Successor: k.Successor,
	}
}

func (a admin) list(w http.ResponseWriter, r *http.Request, by Actor) error {
	f, err := filter(r.URL, by)
	if err != nil {
		return err
	}
	limit := f.Limit
	f.Limit++ // one more shows that there is a next page
	keys, err := a.keys.List(r.Context(), f)
	if err != nil {
		return err
	}
	if len(keys) > limit {
		keys = keys[:limit]
		next := r.URL.Query()
		next.Set("cursor", keys[limit-1].ID)
		w.Header().Set("Link", "<?"+next.Encode()+`>; rel="next"`) // RFC 8288; relative, as the mount point is unknown
	}
	page := make([]keyJSON, len(keys))
	for i, k := range keys {
		page[i] = shown(k)
	}
	return answer(w, http.StatusOK, page)
}

// maxPage is the most keys on a page.
const maxPage = 100

func filter(u *url.URL, by Actor) (Filter, error) {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Filter{}, badParameter("")
	}
	f := Filter{Owner: by.Owner, Cursor: q.Get("cursor"), Limit: defaultLimit}
	if s := q.Get("limit"); s != "" {
		if f.Limit, err = strconv.Atoi(s); err != nil || f.Limit < 1 || f.Limit > maxPage {
			return Filter{}, badParameter("limit")
		}
	}
	if f.Cursor != "" && !validID(f.Cursor) {
		return Filter{}, badParameter("cursor")
	}
	if by.All {
		f.Owner = q.Get("owner")
	}
	if len(f.Owner) > maxOwner || !printable(f.Owner) {
		return Filter{}, badParameter("owner")
	}
	return f, nil
}

func (a admin) create(w http.ResponseWriter, r *http.Request, by Actor) error {
	k, expires, allow := Key{Owner: by.Owner}, "", []string(nil)
	fields := []strictjson.Field{
		{Name: "name", Text: &k.Name},
		{Name: "scopes", List: &k.Scopes, Nullable: true},
		{Name: "allow", List: &allow, Nullable: true},
		{Name: "expires", Text: &expires, Nullable: true},
	}
	if by.All { // others would raise their own limits, or act as somebody else
		fields = append(fields, strictjson.Field{Name: "plan", Text: &k.Plan, Nullable: true}, strictjson.Field{Name: "owner", Text: &k.Owner, Nullable: true})
	}
	if p := limits().Object(w, r, fields...); p != nil {
		return p
	}
	for _, s := range allow {
		p, _ := netip.ParsePrefix(s) // the zero Prefix is found below
		k.Allow = append(k.Allow, p)
	}
	var wrong []rampart.FieldError
	if expires != "" {
		// The zero time is written like any other, and would mean "never".
		var err error
		if k.Expires, err = time.Parse(time.RFC3339, expires); err != nil || k.Expires.IsZero() {
			wrong = append(wrong, rampart.FieldError{Pointer: "#/expires", Code: "invalid", Detail: "Not an RFC 3339 time."})
		}
	}
	if invalid, ok := errors.AsType[*InvalidError](k.validate(a.keys.clock())); ok {
		wrong = append(wrong, invalid.Fields...)
	}
	if len(wrong) > 0 {
		return &InvalidError{Fields: wrong}
	}
	if lacks(by, k.Scopes) {
		return forbidden()
	}
	k, secret, err := a.keys.Create(r.Context(), k)
	if err != nil {
		return err
	}
	return created(w, k, secret)
}

// limits bounds a request's body; the largest valid one is a tenth of it.
func limits() *strictjson.Limits { return strictjson.Small(64<<10, strictjson.JSON) }

func lacks(by Actor, scopes []string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(by.Scopes, s) })
}

// maxOverlap bounds how long a rotated key may live on by the REST endpoint.
const maxOverlap = 90 * 24 * time.Hour

func (a admin) rotate(w http.ResponseWriter, r *http.Request, by Actor) error {
	var text string
	if p := limits().Object(w, r, strictjson.Field{Name: "overlap", Text: &text}); p != nil {
		return p
	}
	overlap, err := time.ParseDuration(text)
	if err != nil || overlap < 0 || overlap > maxOverlap {
		return &InvalidError{Fields: []rampart.FieldError{{Pointer: "#/overlap", Code: "invalid", Detail: `Not a duration such as "24h", of 90 days at most.`}}}
	}
	old, err := a.own(r, by)
	if err != nil {
		return err
	}
	if lacks(by, old.Scopes) { // the actor gets a working secret, so this grants
		return forbidden()
	}
	k, secret, err := a.keys.Rotate(r.Context(), old.ID, overlap)
	if err != nil {
		return err
	}
	return created(w, k, secret)
}

func (a admin) revoke(w http.ResponseWriter, r *http.Request, by Actor) error {
	k, err := a.own(r, by)
	if err != nil {
		return err
	}
	if err := a.keys.Revoke(r.Context(), k.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// own returns the key that the path names if the actor manages it.
func (a admin) own(r *http.Request, by Actor) (Key, error) {
	id := r.PathValue("id")
	if !validID(id) {
		return Key{}, &Error{Reason: KeyUnknown}
	}
	k, err := a.keys.lookup(r.Context(), id)
	if err == nil && !by.All && k.Owner != by.Owner {
		err = &Error{Reason: KeyUnknown, KeyID: id}
	}
	return k, err
}

func created(w http.ResponseWriter, k Key, secret Secret) error {
	out := shown(k)
	out.Key = secret.Reveal()
	return answer(w, http.StatusCreated, out)
}

func answer(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client is gone if this fails
	return nil
}

func forbidden() error {
	return &rampart.Problem{Status: http.StatusForbidden, Code: "permission_denied", Detail: "You do not have permission to perform this action."}
}

func badParameter(name string) error {
	p := &rampart.Problem{Status: http.StatusBadRequest, Code: "bad_request", Detail: "Malformed query."}
	if name != "" {
		p.Errors = []rampart.FieldError{{Parameter: name, Code: "invalid", Detail: "Not a valid value."}}
	}
	return p
}

// refuse logs a refusal and responds to it with a problem.
func (a admin) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, attrs := asProblem(err)
	event := rampart.InputValidationFail
	switch p.Status {
	case http.StatusForbidden, http.StatusNotFound:
		event = rampart.AuthzFail
	case http.StatusServiceUnavailable, http.StatusInternalServerError:
		event = rampart.SysBackendUnavailable
		attrs = append(attrs, rampart.Text("error", err.Error()))
	}
	if by := a.keys.addr(r).String(); event != rampart.SysBackendUnavailable || r.Context().Err() == nil {
		a.keys.rep.Refused(r, event, p.Code+" "+by, append(attrs, slog.String("kind", kind), slog.String("reason", p.Code))...)
	}
	p.Write(w)
}

// asProblem says how a client sees err, and what a log adds to that.
func asProblem(err error) (*rampart.Problem, []slog.Attr) {
	if p, ok := errors.AsType[*rampart.Problem](err); ok {
		return p, nil
	}
	if invalid, ok := errors.AsType[*InvalidError](err); ok {
		return strictjson.Invalid.Problem(invalid.Fields...), nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return &rampart.Problem{Status: http.StatusInternalServerError, Code: "internal_error"}, nil
	}
	var attrs []slog.Attr
	if e.KeyID != "" {
		attrs = append(attrs, slog.String("key_id", e.KeyID))
	}
	switch e.Reason {
	case KeyUnknown:
		return &rampart.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "Not found."}, attrs
	case KeyUnavailable:
		return outage(), attrs
	default: // revoked, expired, rotated: its owner may know
		return &rampart.Problem{Status: http.StatusConflict, Code: "key_" + string(e.Reason), Detail: "The key cannot be rotated any more."}, attrs
	}
}
