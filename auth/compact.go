package auth

import (
	"encoding/base64"
	"strings"

	"github.com/ecolaura/rampart/internal/strictjson"
)

// An envelope is a token in its three parts (RFC 7515 section 7.1), decoded but
// not believed. The slices live until its scratch is reused.
type envelope struct {
	header  []byte // first segment as it stands
	payload []byte // second segment as it stands
	input   []byte // what is signed: both, and the dot between them
	sig     []byte
}

// scratch is the memory that one verification works in.
type scratch struct {
	raw  []byte // copy of the token's text, for the hash functions
	sig  []byte
	text []byte // a decoded segment
	json *strictjson.Reader
	b64  *base64.Encoding
}

func newScratch() *scratch {
	// RFC 7515 section 2: the URL alphabet without padding. Strict refuses
	// set bits that no byte comes from, so each token has one spelling.
	return &scratch{json: strictjson.NewReader(), b64: base64.RawURLEncoding.Strict()}
}

// open finds the three segments of raw and decodes the signature.
func (s *scratch) open(raw string) (e envelope, ok bool) {
	dot1 := strings.IndexByte(raw, '.')
	if dot1 < 0 {
		return e, false
	}
	n := strings.IndexByte(raw[dot1+1:], '.')
	if n < 0 {
		return e, false
	}
	dot2 := dot1 + 1 + n
	// The decoder of encoding/base64 skips line ends; everything else that is
	// not of the alphabet, a fourth segment's dot included, it refuses.
	if strings.IndexByte(raw, '\n') >= 0 || strings.IndexByte(raw, '\r') >= 0 {
		return e, false
	}
	s.raw = append(s.raw[:0], raw...)
	var err error
	if s.sig, err = s.b64.AppendDecode(s.sig[:0], s.raw[dot2+1:]); err != nil || len(s.sig) == 0 {
		return e, false
	}
	return envelope{header: s.raw[:dot1], payload: s.raw[dot1+1 : dot2], input: s.raw[:dot2], sig: s.sig}, true
}

// decode returns the bytes of a segment, as a string of their own.
func (s *scratch) decode(segment []byte) (string, bool) {
	var err error
	s.text, err = s.b64.AppendDecode(s.text[:0], segment)
	return string(s.text), err == nil
}
