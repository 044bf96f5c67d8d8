package auth

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// tenantID is the part of an issuer that stands for the claim tid.
const tenantID = "{tenantid}"

// maxRules bounds how many claims a configuration may name: those that a token
// has are marked in a word.
const maxRules = 64

// A claimRule is what a configuration asks of one claim.
type claimRule struct {
	name string
	want []string // nil: any value that is not empty
	role ruleRole
}

type ruleRole uint8

const (
	required ruleRole = iota
	forbidden
	meansAccess
)

// rules returns the rules of c, required claims in the order of their names.
func (c VerifierConfig) rules() []claimRule {
	var rules []claimRule
	for _, name := range slices.Sorted(maps.Keys(c.Claims)) {
		rule := claimRule{name: name}
		if want := c.Claims[name]; !slices.Contains(want, jose.Any) {
			rule.want = slices.Clone(want)
		}
		rules = append(rules, rule)
	}
	for _, name := range c.RefusedClaims {
		rules = append(rules, claimRule{name: name, role: forbidden})
	}
	for _, name := range c.AccessClaims {
		rules = append(rules, claimRule{name: name, role: meansAccess})
	}
	return rules
}

// checkTokens adds the mistakes in what c says of other issuers' tokens.
func (c VerifierConfig) checkTokens(bad *conferr.Mistakes) {
	const wantClaim = "name one claim that has no field of its own here"
	tenanted := strings.Contains(c.Issuer, tenantID)
	bad.If(strings.Count(c.Issuer, tenantID) > 1, "Issuer", rampart.ReasonInvalid, c.Issuer, `write "{tenantid}" once`)
	bad.If(tenanted && len(c.Tenants) == 0, "Tenants", rampart.ReasonMissing, nil, `list the tenants whose tokens are taken; "*" takes those of all`)
	bad.If(!tenanted && len(c.Tenants) > 0, "Tenants", rampart.ReasonPointless, nil, `Issuer names one tenant; write "{tenantid}" in its place, or leave Tenants empty`)
	for _, id := range c.Tenants {
		bad.If(id != jose.Any && !isGUID(id), "Tenants", rampart.ReasonInvalid, id, "a tenant is a GUID in lower case, as the claim tid has it")
		bad.If(id == jose.Any && len(c.Tenants) > 1, "Tenants", rampart.ReasonConflict, id, `"*" takes any tenant; remove it or the others`)
	}
	for i, typ := range c.HeaderTypes {
		bad.If(!isHeaderType(typ), "HeaderTypes", rampart.ReasonInvalid, typ, `write a type as headers have it, such as "JWT" or "at+jwt", without "application/"`)
		bad.If(slices.ContainsFunc(c.HeaderTypes[:i], func(t string) bool { return strings.EqualFold(t, typ) }), "HeaderTypes", rampart.ReasonDuplicate, typ, conferr.WantOnce)
	}
	for value, kind := range c.Kinds {
		bad.If(value == "" || kind != Access && kind != Refresh && kind != Sliding, "Kinds", rampart.ReasonInvalid, value, "map a value of the kind claim to Access, Refresh or Sliding")
	}
	onlyTyped := len(c.HeaderTypes) == 1 && c.HeaderTypes[0] == jose.TypeAccess
	bad.If(c.DangerouslyUntyped && onlyTyped, "DangerouslyUntyped", rampart.ReasonPointless, nil,
		"the header type at+jwt already tells access tokens apart; leave DangerouslyUntyped false")
	bad.If(c.DangerouslyUntyped && len(c.AccessClaims) > 0, "DangerouslyUntyped", rampart.ReasonConflict, nil, "AccessClaims tells access tokens apart; leave DangerouslyUntyped false")

	claims := func(field string, names []string, own func(string) bool) {
		for i, name := range names {
			bad.If(name == "" || own(name), field, rampart.ReasonInvalid, name, wantClaim)
			bad.If(slices.Contains(names[:i], name), field, rampart.ReasonDuplicate, name, conferr.WantOnce)
		}
	}
	taken := func(name string) bool {
		return jose.Registered(name) || name == "sub" || name == c.KindClaim || name == c.SubjectClaim
	}
	bad.If(c.AudienceClaim != "aud" && taken(c.AudienceClaim), "AudienceClaim", rampart.ReasonInvalid, c.AudienceClaim, `use "aud" or "client_id"`)
	claims("ScopeClaims", c.scopeClaims(), func(name string) bool { return taken(name) || name == c.AudienceClaim || name == "tid" })
	named := slices.Sorted(maps.Keys(c.Claims))
	claims("Claims", named, func(name string) bool {
		return name == c.KindClaim || jose.Registered(name) && name != "sid" && name != "jti"
	})
	for _, name := range named {
		want := c.Claims[name]
		bad.If(len(want) == 0, "Claims", rampart.ReasonMissing, name, `list the values that are taken; "*" takes any`)
		bad.If(slices.Contains(want, ""), "Claims", rampart.ReasonInvalid, name, `a value is not empty; "*" takes any`)
		bad.If(len(want) > 1 && slices.Contains(want, jose.Any), "Claims", rampart.ReasonConflict, name, `"*" takes any value; remove it or the others`)
	}
	claims("RefusedClaims", c.RefusedClaims, func(name string) bool { return taken(name) || slices.Contains(named, name) })
	claims("AccessClaims", c.AccessClaims, func(name string) bool {
		return taken(name) || slices.Contains(c.RefusedClaims, name)
	})
	bad.If(len(named)+len(c.RefusedClaims)+len(c.AccessClaims) > maxRules, "Claims", rampart.ReasonInvalid, nil, "name up to 64 claims in Claims, RefusedClaims and AccessClaims together")
}

func (c VerifierConfig) scopeClaims() []string {
	if c.ScopeClaims == nil {
		return []string{"scope", "scopes"}
	}
	return c.ScopeClaims
}

// isHeaderType reports whether s can be listed: a token of RFC 9110 section 5.6.2.
func isHeaderType(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("+-._", r)
	})
}

// isGUID reports whether s is a GUID as Microsoft writes tenants: anything else,
// such as a path, could make one issuer look like another.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// hold holds a claim against the rules, and marks in seen those that it meets.
func (v *Verifier) hold(name, value string, seen *uint64) error {
	for i := range v.rules {
		rule := &v.rules[i]
		if rule.name != name {
			continue
		}
		switch {
		case rule.role == forbidden:
			return &TokenError{Reason: TokenRefusedClaim, Claim: rule.name}
		case isEmpty(value): // as if it were not there
		case !rule.allows(value):
			return &TokenError{Reason: TokenWrongClaim, Claim: rule.name, Got: value, Want: strings.Join(rule.want, " or ")}
		default:
			*seen |= 1 << i
		}
	}
	return nil
}

// allows reports whether a claim has one of the values. A string is compared by
// what it says, a number or a boolean as it stands; a list or an object is no value.
func (r *claimRule) allows(value string) bool {
	if r.want == nil {
		return true
	}
	text, ok := strictjson.StringOf(value)
	if !ok {
		text = value
	}
	return slices.Contains(r.want, text)
}

// isEmpty reports whether a claim says nothing.
func isEmpty(value string) bool {
	switch value {
	case "null", `""`, "[]", "{}":
		return true
	default:
		return (value[0] == '[' || value[0] == '{') && strings.TrimSpace(value[1:len(value)-1]) == ""
	}
}

// missing returns the first required claim that was not seen, or "".
func (v *Verifier) missing(seen uint64) string {
	for i, rule := range v.rules {
		if rule.role == required && seen&(1<<i) == 0 {
			return rule.name
		}
	}
	return ""
}

// saysAccess reports whether one of AccessClaims was seen.
func (v *Verifier) saysAccess(seen uint64) bool { return seen&v.accessMask != 0 }

// accessMask returns the marks of AccessClaims.
func accessMask(rules []claimRule) (mask uint64) {
	for i, rule := range rules {
		if rule.role == meansAccess {
			mask |= 1 << i
		}
	}
	return mask
}

// issuedBy reports whether a token of that iss and tid is of the configured issuer.
func (v *Verifier) issuedBy(iss, tid string) bool {
	if before, after, ok := strings.Cut(v.issuer, tenantID); ok {
		return isGUID(tid) && len(iss) == len(before)+len(tid)+len(after) &&
			strings.HasPrefix(iss, before) && strings.HasSuffix(iss, after) && iss[len(before):len(before)+len(tid)] == tid
	}
	return v.issuer == jose.Any || iss == v.issuer
}

// signsFor reports whether key may sign for an issuer. Where many share one JWK set, a
// key in it may be one tenant's alone: what it signs is no token of another one.
func (v *Verifier) signsFor(key *Key, iss string) bool {
	of := jose.IssuerOf(key)
	if of == "" || strings.Contains(of, tenantID) || !strings.Contains(v.issuer, tenantID) {
		return true
	}
	before, after, _ := strings.Cut(v.issuer, tenantID)
	return strings.Contains(of, "/"+iss[len(before):len(iss)-len(after)]+"/")
}

// headerTypes returns what the typ of an access token may be, as headers are read.
func headerTypes(list []string) []string {
	types := make([]string, len(list))
	for i, typ := range list {
		types[i] = strings.ToLower(typ)
	}
	if len(types) == 0 {
		types = []string{plainType}
	}
	return types
}

// plainType is how a header with typ JWT, or without one, is read.
const plainType = "jwt"

// wantType says which types an access token may have.
func (v *Verifier) wantType() string {
	types := slices.Clone(v.types)
	if i := slices.Index(types, plainType); i >= 0 {
		types[i] = jose.TypeJWT
	}
	return strings.Join(types, " or ")
}

// listed reports whether an access token may have that typ.
func (v *Verifier) listed(typ string) bool { return slices.Contains(v.types, cmp.Or(typ, plainType)) }
