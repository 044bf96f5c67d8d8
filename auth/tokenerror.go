package auth

// A TokenReason says why a token was refused. It is for logs and metrics: the
// client is told less.
type TokenReason string

// The reasons of a [*TokenError].
const (
	TokenMissing    TokenReason = "missing"       // no credentials at all
	TokenSource     TokenReason = "bad_source"    // a malformed or repeated Authorization header or cookie
	TokenTooLarge   TokenReason = "too_large"     // longer than MaxBytes
	TokenMalformed  TokenReason = "malformed"     // not three segments, not canonical base64url, no strict header
	TokenHeaderType TokenReason = "wrong_typ"     // header typ
	TokenAlgorithm  TokenReason = "algorithm"     // not the algorithm of the key
	TokenKey        TokenReason = "unknown_key"   // no key with that id and algorithm
	TokenSignature  TokenReason = "bad_signature" // not made with the key
	TokenClaims     TokenReason = "bad_claims"    // not strict JSON, or a claim of a wrong type
	TokenNoExpiry   TokenReason = "no_exp"        // no claim exp
	TokenNoID       TokenReason = "no_id"         // no claim jti
	TokenNoKind     TokenReason = "no_kind"       // no kind claim
	TokenWrongKind  TokenReason = "wrong_kind"    // of another kind than asked for
	TokenNoSubject  TokenReason = "no_subject"    // no claim that names the subject
	TokenIssuer     TokenReason = "wrong_issuer"
	TokenAudience   TokenReason = "wrong_audience"
	TokenExpired    TokenReason = "expired"
	TokenNotYet     TokenReason = "not_yet_valid" // nbf or iat in the future
	TokenRevoked    TokenReason = "revoked"       // the session has ended
	TokenReused     TokenReason = "reused"        // a refresh token that has been used already
	TokenInactive   TokenReason = "inactive"      // the subject may no longer log in
	TokenScope      TokenReason = "scope"         // lacks a required scope: 403
	TokenUnverified TokenReason = "unverified"    // the verifier, its keys or its revocations are not available: 503
)

// A TokenError says why a token was refused.
type TokenError struct {
	Reason TokenReason
	Err    error // the backend's failure, for TokenUnverified
}

// Error implements error. It never holds text of the token; where a setting
// decides, it names that.
func (e *TokenError) Error() string {
	text := "auth: token refused: " + string(e.Reason)
	if field := e.Reason.field(); field != "" {
		text += ": see VerifierConfig." + field
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the backend's failure, if any.
func (e *TokenError) Unwrap() error { return e.Err }

func refused(reason TokenReason) error { return &TokenError{Reason: reason} }

// field names the field of [VerifierConfig] by which a token of another issuer
// may be refused although nothing is wrong with it.
func (r TokenReason) field() string {
	switch r {
	case TokenTooLarge:
		return "MaxBytes"
	case TokenHeaderType:
		return "HeaderType"
	case TokenNoKind:
		return "KindClaim"
	case TokenWrongKind:
		return "RequestKind"
	case TokenNoID:
		return "DangerouslyUntyped"
	case TokenNoSubject:
		return "SubjectClaim"
	case TokenIssuer:
		return "Issuer"
	case TokenAudience:
		return "Audiences"
	default:
		return ""
	}
}

// message is simplejwt's text for the reason, on which its clients rely. All
// that a forger could learn from has one text.
func (r TokenReason) message() string {
	switch r {
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
