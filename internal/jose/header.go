package jose

import (
	"encoding/base64"
	"strings"

	"github.com/ecolaura/rampart/internal/strictjson"
)

// A Header is what a token says of its signature (RFC 7515 section 4). Nothing
// else in it is read: jwk, jku, x5u and x5c are keys that the sender brings
// along, and addresses that it would have us fetch (RFC 8725 section 3.10,
// CVE-2018-0114); x5t and zip (section 3.6) mean nothing here.
type Header struct {
	Alg Algorithm
	Kid string
	Typ string // lower case, without "application/" (RFC 7515 section 4.1.9); "" if absent
}

// maxHeader bounds a header segment. It is parsed before anybody has signed it,
// so it must not cost more than the signature of a token.
const maxHeader = 1024

// maxCommas and maxEscapes bound what reading such a header costs. With every
// parameter that RFC 7515 and RFC 7517 know it has fewer.
const (
	maxCommas  = 24
	maxEscapes = 16
)

// Header reads the header of a token.
func (s *Reader) Header(segment []byte) (h Header, ok bool) {
	if len(segment) > maxHeader {
		return h, false
	}
	text, ok := s.Decode(segment)
	if !ok || strings.Count(text, ",") > maxCommas || strings.Count(text, `\`) > maxEscapes {
		return h, false
	}
	err := s.JSON.Object(text, func(name, value string) error {
		text, isString := strictjson.StringOf(value)
		switch name {
		case "alg":
			if h.Alg = Algorithm(text); h.Alg == fullySpecified {
				h.Alg = EdDSA
			}
		case "kid":
			h.Kid = text
			if len(text) > maxSetKid {
				return strictjson.ErrObject
			}
		case "typ":
			h.Typ = strings.TrimPrefix(strings.ToLower(text), "application/")
		case "crit": // RFC 7515 section 4.1.11: no extension is understood, and an empty list is malformed
			return strictjson.ErrObject
		case "b64", "cty": // RFC 7797 is not for JWTs (section 7); nested tokens (RFC 7519 section 5.2) are not supported
			return strictjson.ErrObject
		default:
			return nil
		}
		if !isString {
			return strictjson.ErrObject
		}
		return nil
	})
	return h, err == nil && h.Alg != ""
}

// Header types of the tokens that are made.
const (
	TypeJWT    = "JWT"
	TypeAccess = "at+jwt" // RFC 9068
)

// headerSegment writes the header of the tokens that a key signs, in the order
// in which PyJWT does, encoded.
func headerSegment(alg Algorithm, kid, typ string) string {
	text := `{"alg":` + strictjson.Quote(string(alg))
	if kid != "" {
		text += `,"kid":` + strictjson.Quote(kid)
	}
	text += `,"typ":` + strictjson.Quote(typ) + `}`
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}
