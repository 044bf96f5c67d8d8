package jose

import (
	"encoding/base64"
	"strings"

	"github.com/ecolaura/rampart/internal/strictjson"
)

// MaxToken bounds what may be configured as the longest token, in bytes, and
// DefaultMaxToken is it where nothing is configured.
const (
	MaxToken        = 64 << 10
	DefaultMaxToken = 8192
)

// An Envelope is a token in its three parts (RFC 7515 section 7.1), decoded but
// not believed. The slices live until its Reader is used again.
type Envelope struct {
	Header  []byte // first segment as it stands
	Payload []byte // second segment as it stands
	Input   []byte // what is signed: both, and the dot between them
	Sig     []byte
}

// A Reader is the memory that one verification works in. It is not safe for
// concurrent use.
type Reader struct {
	raw  []byte // copy of the token's text, for the hash functions
	sig  []byte
	text []byte // a decoded segment
	JSON *strictjson.Reader
	b64  *base64.Encoding
}

// NewReader returns a Reader.
func NewReader() *Reader {
	// RFC 7515 section 2: the URL alphabet without padding. Strict refuses
	// set bits that no byte comes from, so each token has one spelling.
	return &Reader{JSON: strictjson.NewReader(), b64: base64.RawURLEncoding.Strict()}
}

// Open finds the three segments of raw and decodes the signature.
func (s *Reader) Open(raw string) (e Envelope, ok bool) {
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
	return Envelope{Header: s.raw[:dot1], Payload: s.raw[dot1+1 : dot2], Input: s.raw[:dot2], Sig: s.sig}, true
}

// Decode returns the bytes of a segment, as a string of their own.
func (s *Reader) Decode(segment []byte) (string, bool) {
	var err error
	s.text, err = s.b64.AppendDecode(s.text[:0], segment)
	return string(s.text), err == nil
}
