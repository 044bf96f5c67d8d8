package auth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// The reasons of a [*TokenError]. They are for logs and metrics: the client is
// told less.
const (
	TokenMissing      rampart.Denial = "missing"       // no credentials at all
	TokenSource       rampart.Denial = "bad_source"    // a malformed or repeated Authorization header or cookie
	TokenTooLarge     rampart.Denial = "too_large"     // longer than MaxBytes
	TokenMalformed    rampart.Denial = "malformed"     // not three segments, not canonical base64url, or the header is not strict JSON
	TokenHeaderType   rampart.Denial = "wrong_typ"     // header typ
	TokenAlgorithm    rampart.Denial = "algorithm"     // not the algorithm of the key
	TokenKey          rampart.Denial = "unknown_key"   // no key with that id and algorithm
	TokenSignature    rampart.Denial = "bad_signature" // not made with the key
	TokenClaims       rampart.Denial = "bad_claims"    // not strict JSON, or a claim of a wrong type
	TokenNoExpiry     rampart.Denial = "no_exp"        // no claim exp
	TokenNoID         rampart.Denial = "no_id"         // no claim jti
	TokenNoKind       rampart.Denial = "no_kind"       // no kind claim
	TokenWrongKind    rampart.Denial = "wrong_kind"    // of another kind than asked for
	TokenNoSubject    rampart.Denial = "no_subject"    // no claim that names the subject
	TokenIssuer       rampart.Denial = "wrong_issuer"
	TokenAudience     rampart.Denial = "wrong_audience"
	TokenTenant       rampart.Denial = "wrong_tenant"  // none of Tenants
	TokenWrongClaim   rampart.Denial = "wrong_claim"   // one of Claims is missing, or has another value
	TokenRefusedClaim rampart.Denial = "refused_claim" // one of RefusedClaims
	TokenExpired      rampart.Denial = "expired"
	TokenNotYet       rampart.Denial = "not_yet_valid" // nbf or iat in the future
	TokenRevoked      rampart.Denial = "revoked"       // it was revoked, or its session has ended
	TokenCheck        rampart.Denial = "check"         // VerifierConfig.Check refused it
	TokenReused       rampart.Denial = "reused"        // a refresh token that has been used already
	TokenInactive     rampart.Denial = "inactive"      // the subject may no longer log in
	TokenScope        rampart.Denial = "scope"         // lacks a required scope: 403
	TokenUnverified   rampart.Denial = "unverified"    // the verifier, its keys or its revocations are not available: 503
)

// A TokenError says why a token was refused. It is a [rampart.Refusal].
type TokenError struct {
	Reason rampart.Denial // one of the constants above

	// Got is what the token says and Want what the verifier asks for, where the
	// two are compared: for TokenIssuer, TokenAudience, TokenTenant,
	// TokenWrongClaim, TokenHeaderType and TokenWrongKind. Got is the client's text.
	Got, Want string

	// Claim names the claim because of which the token is refused, for
	// TokenWrongClaim, TokenRefusedClaim and TokenClaims; empty where the claims
	// as a whole are no strict JSON.
	Claim string

	Err error // the backend's failure, for TokenUnverified; that of the check, for TokenCheck

	sliding bool     // the verifier takes sliding tokens: simplejwt names the class
	django  bool     // refusals have simplejwt's wording
	scopes  []string // that are needed, for TokenScope
}

// Error implements error. Of the token's text it has only Got, quoted. Where a
// setting decides, it names that.
func (e *TokenError) Error() string {
	text := "auth: token refused: " + string(e.Reason)
	if e.Claim != "" {
		text += fmt.Sprintf(": claim %.128q", e.Claim)
	}
	if e.Got != "" || e.Want != "" {
		text += fmt.Sprintf(": got %.128q, want %q", e.Got, e.Want)
	}
	if field := setting(e.Reason); field != "" {
		text += ": see VerifierConfig." + field
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *TokenError) Unwrap() error { return e.Err }

// Denial implements [rampart.Refusal].
func (e *TokenError) Denial() rampart.Denial { return e.Reason }

// Problem implements [rampart.Refusal]. It does not say what is wrong with a token.
// With [VerifierConfig].DjangoStyle it is what simplejwt's authentication class
// sends: detail and code are what its clients look at, and messages is what they show.
func (e *TokenError) Problem() *rampart.Problem {
	p := &rampart.Problem{Status: http.StatusUnauthorized, Code: "token_not_valid", Header: e.challenge()}
	switch e.Reason {
	case TokenUnverified:
		return unavailable()
	case TokenMissing:
		p.Code, p.Detail = "not_authenticated", "Authentication credentials were not provided."
	case TokenSource:
		p.Code, p.Detail = "bad_authorization_header", "The credentials of the request cannot be read."
		if e.django {
			p.Detail = "Authorization header must contain two space-delimited values"
		}
	case TokenScope:
		p.Status, p.Code, p.Detail = http.StatusForbidden, "insufficient_scope", "You do not have permission to perform this action."
	default:
		p.Detail = "The token is not valid."
		if e.django {
			e.inDjangosWords(p)
		}
	}
	return p
}

func (e *TokenError) inDjangosWords(p *rampart.Problem) {
	switch e.Reason {
	case TokenNoSubject:
		p.Detail = e.Message()
	default:
		class, kind := "AccessToken", Access
		if e.sliding {
			class, kind = "SlidingToken", Sliding
		}
		p.Detail = "Given token not valid for any token type"
		p.Extensions = map[string]any{"messages": json.RawMessage(
			`[{"token_class":"` + class + `","token_type":"` + string(kind) + `","message":` + strictjson.Quote(e.Message()) + `}]`)}
	}
}

// challenge is WWW-Authenticate as RFC 6750 section 3 has it: no error code for a
// request without a token, and invalid_request for one whose credentials are
// malformed or repeated. Section 3.1 would have 400 for the latter; it stays
// 401, as simplejwt sends it: clients log in anew on a 401.
func (e *TokenError) challenge() http.Header {
	text := plainChallenge
	switch e.Reason {
	case TokenMissing:
	case TokenScope:
		text += `, error="insufficient_scope"`
		if len(e.scopes) > 0 && !slices.ContainsFunc(e.scopes, func(s string) bool { return !isScope(s) }) {
			text += `, scope="` + strings.Join(e.scopes, " ") + `"`
		}
	case TokenSource:
		text += `, error="invalid_request"`
	default:
		text += `, error="invalid_token"`
	}
	return http.Header{"Www-Authenticate": {text}}
}

const plainChallenge = `Bearer realm="api"`

// unavailable is the response while tokens or passwords cannot be checked. It is
// no 401: clients would throw good tokens away.
func unavailable() *rampart.Problem {
	return &rampart.Problem{
		Status: http.StatusServiceUnavailable,
		Code:   "authentication_unavailable",
		Detail: "Authentication is temporarily unavailable.",
		Header: http.Header{"Retry-After": {"1"}},
	}
}

func refused(reason rampart.Denial) *TokenError { return &TokenError{Reason: reason} }

// mismatch refuses a token that says got where the verifier asks for want.
func mismatch(reason rampart.Denial, got, want string) *TokenError {
	return &TokenError{Reason: reason, Got: got, Want: want}
}

// setting names the field of [VerifierConfig] by which a token of another issuer
// may be refused although nothing is wrong with it.
func setting(reason rampart.Denial) string {
	switch reason {
	case TokenTooLarge:
		return "MaxBytes"
	case TokenHeaderType:
		return "HeaderTypes"
	case TokenNoKind:
		return "KindClaim"
	case TokenWrongKind:
		return "RequestKind"
	case TokenNoID:
		return "AccessClaims"
	case TokenNoSubject:
		return "SubjectClaim"
	case TokenIssuer:
		return "Issuer"
	case TokenAudience:
		return "Audiences"
	case TokenTenant:
		return "Tenants"
	case TokenWrongClaim:
		return "Claims"
	case TokenRefusedClaim:
		return "RefusedClaims"
	case TokenCheck:
		return "Check"
	default:
		return ""
	}
}

// Message returns simplejwt's text for the reason, on which its clients rely. Every
// reason that could help a forger has the same text.
func (e *TokenError) Message() string {
	switch e.Reason {
	case TokenNoExpiry:
		return "Token has no 'exp' claim"
	case TokenNoID:
		return "Token has no id"
	case TokenNoKind:
		return "Token has no type"
	case TokenWrongKind:
		return "Token has wrong type"
	case TokenNoSubject:
		return "Token contained no recognizable user identification"
	case TokenRevoked, TokenReused:
		return "Token is blacklisted"
	case TokenInactive:
		return "No active account found for the given token."
	default:
		return "Token is invalid or expired"
	}
}
