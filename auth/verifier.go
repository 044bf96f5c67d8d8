package auth

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/request"
)

// A Verifier checks tokens. It is safe for concurrent use. Create one with
// [NewVerifier], [OpenID] or [ByIssuer]; the zero Verifier refuses every token.
type Verifier struct {
	keys                    KeySource
	issuer                  string
	audiences               []string
	leeway                  time.Duration
	subjectClaim, kindClaim string
	audienceClaim           string
	tenants                 []string
	types                   []string // of access tokens
	kinds                   map[string]Kind
	scopeClaims             []string
	allScopes               bool // they count together
	rules                   []claimRule
	accessMask              uint64
	requestKind             Kind
	django                  bool
	untyped                 bool
	refuseScope             request.Refuse
	maxBytes                int
	revoked                 func(context.Context, *Token) (bool, error)
	check                   func(*Token) error
	source                  func(*http.Request) (string, error)
	plainSource             bool // source is FromHeader with this MaxBytes
	errorHandler            func(http.ResponseWriter, *http.Request, error)
	reporter                *rampart.Reporter
	now                     func() time.Time

	byIssuer *byIssuer   // of [ByIssuer]: others verify; nil: this one does
	cache    *tokenCache // nil: none
	scratch  sync.Pool   // of *jose.Reader
	last     atomic.Pointer[knownHeader]
}

// knownHeader is the header of a token that was good: nearly all tokens of a
// server have the same one, which then is not parsed again. It saves work, not
// a check.
type knownHeader struct {
	segment string
	header  jose.Header
}

// NewVerifier returns a Verifier for cfg, or every mistake in cfg, each a
// [rampart.ConfigError], joined. Changing cfg afterwards has no effect.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	plainSource := cfg.Source == nil
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	rules := cfg.rules()
	v := &Verifier{
		keys:          cfg.Keys,
		issuer:        cfg.Issuer,
		audiences:     cfg.Audiences,
		leeway:        cfg.Leeway,
		subjectClaim:  cfg.SubjectClaim,
		kindClaim:     cfg.KindClaim,
		audienceClaim: cfg.AudienceClaim,
		tenants:       cfg.Tenants,
		types:         headerTypes(cfg.HeaderTypes),
		kinds:         cfg.Kinds,
		scopeClaims:   cfg.scopeClaims(),
		allScopes:     cfg.ScopeClaims == nil,
		rules:         rules,
		accessMask:    accessMask(rules),
		requestKind:   cfg.RequestKind,
		django:        cfg.DjangoStyle,
		untyped:       cfg.DangerouslyUntyped,
		maxBytes:      cfg.MaxBytes,
		revoked:       cfg.Revoked,
		check:         cfg.Check,
		source:        cfg.Source,
		plainSource:   plainSource,
		reporter:      rampart.NewReporter(cfg.Logger, "auth"),
		now:           cfg.Now,
		errorHandler:  cfg.ErrorHandler,
		cache:         newTokenCache(cfg.CacheSize),
	}
	v.scratch.New = func() any { return jose.NewReader() }
	v.refuseScope = v.refuseForScope
	return v, nil
}

// errZeroVerifier is why the zero Verifier refuses.
var errZeroVerifier = errors.New("auth: the verifier was not made by NewVerifier")

// Verify returns the token in raw if it is good now and of the given kind, and
// else a [*TokenError].
func (v *Verifier) Verify(ctx context.Context, raw string, kind Kind) (*Token, error) {
	if v != nil && v.byIssuer != nil {
		of, err := v.route(raw)
		if err != nil {
			return nil, err
		}
		return of.Verify(ctx, raw, kind)
	}
	t, err := v.verify(ctx, raw, kind)
	if err != nil {
		return nil, err
	}
	if err := v.checkRevoked(ctx, t); err != nil {
		return nil, err
	}
	if v.check != nil {
		if err := v.check(t); err != nil {
			return nil, &TokenError{Reason: TokenCheck, Err: err}
		}
	}
	return t, nil
}

// verify is Verify without what is asked on every request.
func (v *Verifier) verify(ctx context.Context, raw string, kind Kind) (*Token, error) {
	if v == nil || v.keys == nil {
		return nil, &TokenError{Reason: TokenUnverified, Err: errZeroVerifier}
	}
	if raw == "" {
		return nil, refused(TokenMissing)
	}
	if len(raw) > v.maxBytes { // before any work in proportion to it
		return nil, refused(TokenTooLarge)
	}
	t, hit := v.known(ctx, raw)
	if !hit {
		var err error
		if t, err = v.authenticate(ctx, raw); err != nil {
			return nil, err
		}
	}
	if err := v.checkTime(t); err != nil {
		return nil, err
	}
	if err := v.checkKind(t, kind); err != nil {
		return nil, err
	}
	if !hit {
		v.cache.put(raw, t)
	}
	return t, nil
}

// authenticate checks all of raw that time does not change. Nothing of the
// claims is looked at before the signature is known to be good.
func (v *Verifier) authenticate(ctx context.Context, raw string) (*Token, error) {
	s, _ := v.scratch.Get().(*jose.Reader)
	defer v.scratch.Put(s)
	e, ok := s.Open(raw)
	if !ok {
		return nil, refused(TokenMalformed)
	}
	h, known, ok := v.header(s, e.Header)
	if !ok {
		return nil, refused(TokenMalformed)
	}
	if !v.acceptsType(h.Typ) {
		return nil, mismatch(TokenHeaderType, h.Typ, v.wantType())
	}
	key, err := v.findKey(ctx, h)
	if err != nil {
		return nil, err
	}
	if !jose.Verify(key, e.Input, e.Sig) {
		return nil, refused(TokenSignature)
	}
	payload, ok := s.Decode(e.Payload)
	if !ok {
		return nil, refused(TokenMalformed)
	}
	t, err := v.parseClaims(s, payload, h.Typ)
	if err != nil {
		return nil, claimsRefused(err)
	}
	if !v.signsFor(key, t.issuer) {
		return nil, refused(TokenKey)
	}
	if !known {
		v.last.Store(&knownHeader{segment: string(e.Header), header: h})
	}
	t.key, t.keyID = key, h.Kid
	return t, nil
}

// header reads the header of a token, or recognises it.
func (v *Verifier) header(s *jose.Reader, segment []byte) (h jose.Header, known, ok bool) {
	if last := v.last.Load(); last != nil && last.segment == string(segment) {
		return last.header, true, true
	}
	h, ok = s.Header(segment)
	return h, false, ok
}

func claimsRefused(err error) error {
	if _, ok := errors.AsType[*TokenError](err); ok {
		return err
	}
	return refused(TokenClaims)
}

// acceptsType checks the header typ (RFC 8725 section 3.11). A token without
// one, or with JWT, is then told apart by its kind claim.
func (v *Verifier) acceptsType(typ string) bool {
	return typ == "" || typ == plainType || v.listed(typ)
}

// findKey asks for the key, and holds the algorithm against it: the header
// never chooses (RFC 8725 section 3.1, CVE-2015-9235, CVE-2016-10555).
func (v *Verifier) findKey(ctx context.Context, h jose.Header) (*Key, error) {
	if !jose.Known(h.Alg) {
		return nil, refused(TokenAlgorithm)
	}
	key, err := v.keys.Key(ctx, h.Kid, h.Alg)
	switch {
	case errors.Is(err, ErrUnknownKey):
		return nil, refused(TokenKey)
	case err != nil:
		return nil, &TokenError{Reason: TokenUnverified, Err: err}
	case key == nil || key.Algorithm() != h.Alg:
		return nil, refused(TokenAlgorithm)
	}
	return key, nil
}

// checkTime checks exp, nbf and iat (RFC 7519 section 4.1) against now.
func (v *Verifier) checkTime(t *Token) error {
	now := v.now()
	if !now.Before(t.expires.Add(v.leeway)) { // on or after exp it must not be accepted
		return refused(TokenExpired)
	}
	latest := now.Add(v.leeway)
	if t.notBefore.After(latest) || t.issuedAt.After(latest) { // as simplejwt, iat too
		return refused(TokenNotYet)
	}
	return nil
}

// checkKind: no token is good for two things (RFC 8725 section 3.12).
func (v *Verifier) checkKind(t *Token, want Kind) error {
	known := t.kind == Access || t.kind == Refresh || t.kind == Sliding
	switch {
	case t.kind == "" && v.untyped && (want == Access || want == Any):
		return nil
	case t.kind == "":
		return refused(TokenNoKind)
	case known && (t.kind == want || want == Any):
		return nil
	default:
		return mismatch(TokenWrongKind, string(t.kind), string(want))
	}
}

func (v *Verifier) checkRevoked(ctx context.Context, t *Token) error {
	if v.revoked == nil {
		return nil
	}
	revoked, err := v.revoked(ctx, t)
	if err != nil { // without a result the token is not taken
		return &TokenError{Reason: TokenUnverified, Err: err}
	}
	if revoked {
		return refused(TokenRevoked)
	}
	return nil
}

// Check returns the token of r, of the kind RequestKind, or a [*TokenError]. It neither responds
// nor logs.
func (v *Verifier) Check(r *http.Request) (*Token, error) {
	if v == nil || v.source == nil {
		return nil, &TokenError{Reason: TokenUnverified, Err: errZeroVerifier}
	}
	raw, err := v.source(r)
	if err != nil {
		return nil, v.sourceRefused(err)
	}
	t, err := v.Verify(r.Context(), raw, v.requestKind)
	if te, ok := errors.AsType[*TokenError](err); ok {
		te.sliding, te.django = v.requestKind == Sliding, v.django
	}
	return t, err
}
