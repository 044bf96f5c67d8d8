package auth

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// byIssuer is what a Verifier of [ByIssuer] has in place of keys.
type byIssuer struct {
	exact     map[string]*Verifier
	templates []*Verifier // those whose issuer has {tenantid}
	few       []*Verifier // all, if their caches are looked through faster than a token is read
	names     string
}

// maxFew is how many caches are looked through for a token.
const maxFew = 8

// ByIssuer returns a Verifier for the tokens of several issuers. It reads the
// claim iss of a token that nobody has verified yet, only to choose the Verifier whose
// Issuer that is, byte by byte, and leaves the rest to it: its keys, its
// audience, its profile, its Revoked and Check. That one reads iss again under the
// signature. So a token is only ever held against the keys of its own issuer,
// even where the keys of two issuers have one kid. A token of any other issuer is a 401.
//
// How requests carry tokens, which kind is asked for, how refusals are answered
// and logged (Source, RequestKind, DjangoStyle, ErrorHandler, Logger) is taken from
// first.
// Each Verifier goes on to work by itself. Two Verifiers with one Issuer are a
// mistake, and so is one that takes any issuer, or one that ByIssuer returned; each
// mistake is a [rampart.ConfigError], joined.
func ByIssuer(first *Verifier, more ...*Verifier) (*Verifier, error) {
	bad := conferr.For("auth.ByIssuer")
	by := &byIssuer{exact: map[string]*Verifier{}}
	var names []string
	maxBytes := 0
	for i, v := range append([]*Verifier{first}, more...) {
		field := "more"
		if i == 0 {
			field = "first"
		}
		switch {
		case v == nil || v.source == nil:
			bad.Add(field, rampart.ReasonMissing, nil, "give a Verifier of NewVerifier or OpenID")
			continue
		case v.byIssuer != nil:
			bad.Add(field, rampart.ReasonConflict, nil, "this Verifier is of ByIssuer; give those that it is made of")
			continue
		case v.issuer == jose.Any:
			bad.Add(field, rampart.ReasonTooWide, v.issuer, "name the Issuer of each Verifier: its tokens are found by that")
		case slices.Contains(names, v.issuer):
			bad.Add(field, rampart.ReasonDuplicate, v.issuer, "another Verifier has this Issuer; give each its own")
		}
		names = append(names, v.issuer)
		maxBytes = max(maxBytes, v.maxBytes)
		if strings.Contains(v.issuer, tenantID) {
			by.templates = append(by.templates, v)
		} else {
			by.exact[v.issuer] = v
		}
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	by.names = strings.Join(names, " or ")
	if all := append([]*Verifier{first}, more...); len(all) <= maxFew {
		by.few = all
	}
	v := &Verifier{
		byIssuer:     by,
		requestKind:  first.requestKind,
		django:       first.django,
		maxBytes:     maxBytes,
		source:       first.source,
		errorHandler: first.errorHandler,
		reporter:     first.reporter,
	}
	if first.plainSource {
		v.source = func(r *http.Request) (string, error) { return bearer(r, maxBytes) }
	}
	v.scratch.New = func() any { return jose.NewReader() }
	v.refuseScope = v.refuseForScope
	return v, nil
}

// route returns the verifier of the issuer that raw names, which nobody has
// signed yet.
func (v *Verifier) route(raw string) (*Verifier, error) {
	switch {
	case raw == "":
		return nil, refused(TokenMissing)
	case len(raw) > v.maxBytes:
		return nil, refused(TokenTooLarge)
	}
	for _, of := range v.byIssuer.few {
		if of.cache.get(raw) != nil { // this very text; it is checked as ever
			return of, nil
		}
	}
	iss, tid, err := v.claimed(raw)
	if err != nil {
		return nil, err
	}
	if of := v.byIssuer.exact[iss]; of != nil {
		return of, nil
	}
	for _, of := range v.byIssuer.templates {
		if of.issuedBy(iss, tid) {
			return of, nil
		}
	}
	return nil, mismatch(TokenIssuer, iss, v.byIssuer.names)
}

var errFound = errors.New("auth: found")

// claimed returns iss and tid as raw has them. It stops at what it looks for: the
// verifier reads all of it, and strictly.
func (v *Verifier) claimed(raw string) (iss, tid string, err error) {
	s, _ := v.scratch.Get().(*jose.Reader)
	defer v.scratch.Put(s)
	e, ok := s.Open(raw)
	if !ok {
		return "", "", refused(TokenMalformed)
	}
	payload, ok := s.Decode(e.Payload)
	if !ok {
		return "", "", refused(TokenMalformed)
	}
	err = s.JSON.Object(payload, func(name, value string) error {
		switch name {
		case "iss":
			if iss, ok = strictjson.StringOf(value); !ok {
				return &TokenError{Reason: TokenClaims, Claim: name}
			}
		case "tid":
			tid, _ = strictjson.StringOf(value)
		}
		if iss != "" && (tid != "" || len(v.byIssuer.templates) == 0 || v.byIssuer.exact[iss] != nil) {
			return errFound
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFound) {
		return "", "", claimsRefused(err)
	}
	return iss, tid, nil
}
