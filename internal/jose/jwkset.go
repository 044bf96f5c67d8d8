package jose

import (
	"crypto"
	"errors"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

var errNotJWKSet = errors.New(`auth: not a JWK set: that is one JSON object with a list "keys"`)

// ErrNoUsableKey is what [ParseSet] returns for a set that withdraws all keys.
var ErrNoUsableKey = errors.New("auth: the JWK set has no usable key")

// A Skipped is a key of a set that is not used.
type Skipped struct {
	Kid     string // as the set has it: text of others
	Reason  string
	Exposed bool // everybody can sign with it
}

// ParseSet returns the keys of a published JWK set (RFC 7517 section 5) that fit
// one of algs, and why the other ones are not used. A key that is skipped leaves
// the others usable. If no key is left, the error is ErrNoUsableKey; any other
// error means that the text is no set at all.
func ParseSet(algs []Algorithm, text string) ([]*Key, []Skipped, error) {
	list, ok := "", false
	if err := strictjson.NewReader().Object(text, func(name, value string) error {
		if name == "keys" {
			list, ok = value, true
		}
		return nil
	}); err != nil || !ok {
		return nil, nil, errNotJWKSet
	}
	texts, ok := strictjson.ValuesOf(list)
	if !ok {
		return nil, nil, errNotJWKSet
	}
	var set keySet
	for _, text := range texts {
		set.add(algs, text)
	}
	set.withdraw()
	if len(set.keys) == 0 {
		return nil, set.skipped, ErrNoUsableKey
	}
	return set.keys, set.skipped, nil
}

// keySet is what ParseSet has read so far.
type keySet struct {
	keys      []*Key
	skipped   []Skipped
	ambiguous []*Key     // two keys with one id and algorithm: which of them would sign?
	exposed   []setEntry // private keys
}

func (s *keySet) add(algs []Algorithm, text string) {
	e, ok := readEntry(text)
	if !ok {
		s.skip(e, "it is not a JSON object")
		return
	}
	if why := e.exposes(); why != "" {
		if e.kty != "oct" { // a secret has no public half
			e.known, _ = e.material() // once: there may be many, and many keys
			s.exposed = append(s.exposed, e)
		}
		s.skipped = append(s.skipped, Skipped{Kid: e.kid, Reason: why, Exposed: e.secret})
		return
	}
	key, why := e.key(algs)
	if key == nil {
		s.skip(e, why)
		return
	}
	i := slices.IndexFunc(s.keys, func(k *Key) bool { return k.kid == key.kid && k.alg == key.alg })
	switch {
	case i < 0:
		s.keys = append(s.keys, key)
	case !SamePublic(s.keys[i], key):
		s.ambiguous = append(s.ambiguous, key)
	case key.iss == "" || s.keys[i].iss == "":
		s.keys[i].iss = "" // of nobody alone
	default:
		s.keys[i].iss += " " + key.iss // of both
	}
}

func (s *keySet) skip(e setEntry, why string) {
	s.skipped = append(s.skipped, Skipped{Kid: e.kid, Reason: why})
}

// withdraw takes out the keys that cannot be told apart, and those whose private
// half is in the set.
func (s *keySet) withdraw() {
	s.keys = slices.DeleteFunc(s.keys, func(k *Key) bool {
		if slices.ContainsFunc(s.ambiguous, func(a *Key) bool { return a.kid == k.kid && a.alg == k.alg }) {
			s.skipped = append(s.skipped, Skipped{Kid: k.kid, Reason: "two different keys have this kid and alg " + string(k.alg) + "; neither is used"})
			return true
		}
		return slices.ContainsFunc(s.exposed, func(e setEntry) bool { return e.secretOf(k) })
	})
}

// A setEntry is one JWK of a set, as far as it decides something. Every other
// member, such as x5c, is for nobody here and may look as it likes.
type setEntry struct {
	kid, use, alg, kty, crv string
	issuer                  string           // Microsoft's sets are those of several
	ops                     []string         // nil: any
	secret                  bool             // it has a member that must not be published
	public                  []string         // the members that make the key
	known                   crypto.PublicKey // of a private key that is published
}

// maxSetKid bounds a kid: no header of a token has room for a longer one, so a key
// with a longer one is as good as a key without.
const maxSetKid = 512

// readEntry reads one JWK of a set; false for what is no JSON object.
func readEntry(text string) (e setEntry, ok bool) {
	err := strictjson.NewReader().Object(text, func(name, value string) error {
		s, isString := strictjson.StringOf(value)
		if !isString { // as it stands: what is not understood is not ignored
			s = value
		}
		if value == "null" { // some issuers write what a key does not have
			return nil
		}
		switch name {
		case "kid":
			if isString || strictjson.IsNumber(value) { // some issuers count
				e.kid = s
			}
		case "issuer":
			e.issuer = s
		case "use":
			e.use = s
		case "alg":
			e.alg = s
		case "key_ops":
			var isList bool
			if e.ops, isList = strictjson.StringsOf(value); !isList {
				e.ops = []string{s}
			}
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv": // RFC 7518 section 6, RFC 8037 section 2
			e.secret = true
		case "kty", "crv", "n", "e", "x", "y":
			if name == "kty" {
				e.kty = s
			}
			if name == "crv" {
				e.crv = s
			}
			e.public = append(e.public, strictjson.Quote(name)+":"+value)
		}
		return nil
	})
	if len(e.kid) > maxSetKid {
		e.kid = ""
	}
	return e, err == nil
}

// exposes says why an entry must not be in a published set; "" if it may.
func (e *setEntry) exposes() string {
	switch {
	case e.kty == "oct":
		return "it is a symmetric key: who verifies with it can sign, so it must not be published"
	case e.secret:
		return "its private half is published, so that everybody can sign with it; replace it at the issuer"
	default:
		return ""
	}
}

// secretOf reports whether a private key in the set belongs to k.
func (e *setEntry) secretOf(k *Key) bool {
	same, ok := k.m.public.(interface{ Equal(x crypto.PublicKey) bool })
	return e.kid != "" && e.kid == k.kid || ok && same.Equal(e.known)
}

// material returns the public key, without regard to what else the entry says.
func (e *setEntry) material() (crypto.PublicKey, error) {
	return publicOf("{" + strings.Join(e.public, ",") + "}")
}

const noKey = "its members make no key of its kty"

// key returns an entry as a key of the first algorithm that it can be used with,
// or says why it cannot be used.
func (e *setEntry) key(algs []Algorithm) (k *Key, why string) {
	if why := e.unfit(); why != "" {
		return nil, why
	}
	alg := Algorithm(e.alg)
	if alg == fullySpecified {
		alg = EdDSA
	}
	if alg != "" && !slices.Contains(algs, alg) {
		return nil, "its alg " + strictjson.Quote(e.alg) + " is not among Algorithms"
	}
	public, err := e.material()
	if err != nil {
		return nil, noKey
	}
	why = "its kty and crv fit none of Algorithms"
	for _, candidate := range algs {
		if alg != "" && candidate != alg {
			continue
		}
		m, err := newMaterial(candidate, public)
		if err == nil {
			k, err = bind(candidate, e.kid, m)
		}
		if err == nil {
			k.iss = e.issuer
			return k, ""
		}
		why = unfitFor(err, why)
	}
	return nil, why
}

// unfitFor says more than why about a key that could not be bound to an algorithm,
// unless that is for keys of another type.
func unfitFor(err error, why string) string {
	bad, ok := errors.AsType[*rampart.ConfigError](err)
	switch {
	case ok && bad.Reason == rampart.ReasonWeak:
		return bad.Want
	case ok && bad.Reason == rampart.ReasonInvalid:
		return noKey
	default:
		return why
	}
}

// unfit says why a key is not for signatures that we can verify; "" if it may be.
func (e *setEntry) unfit() string {
	switch {
	case e.kty != "RSA" && e.kty != "EC" && e.kty != "OKP":
		return "its kty " + strictjson.Quote(e.kty) + " is not supported"
	case e.use != "" && e.use != "sig":
		return "its use is " + strictjson.Quote(e.use) + ", not signatures"
	case len(e.ops) > 0 && !slices.Contains(e.ops, "verify"):
		return `its key_ops lack "verify"`
	case e.kty == "EC" && e.crv != "P-256" && e.crv != "P-384" && e.crv != "P-521", e.kty == "OKP" && e.crv != "Ed25519":
		return "its crv " + strictjson.Quote(e.crv) + " is not supported"
	default:
		return ""
	}
}
