package sanitize

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/ecolaura/rampart/internal/text"
)

// Email returns the canonical form of an address that can be mailed over the
// internet: a dot-atom of ASCII (RFC 5322 section 3.2.3) of at most 64 bytes, "@",
// and a domain of two labels or more, which becomes lower-case A-labels (RFC
// 5890); at most 254 bytes in all (RFC 5321 section 4.5.3.1). The local part stays
// as it is: only its host may fold its case. Refused are quoted local parts
// (which may hold markup), address literals, comments, and lists. The error is
// an [*Invalid].
func Email(s string) (string, error) {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || !text.IsDotAtom(s[:at]) {
		return "", notAnEmail()
	}
	domain, ok := domainName(s[at+1:])
	if !ok || at+1+len(domain) > 254 {
		return "", notAnEmail()
	}
	if domain == s[at+1:] {
		return s, nil
	}
	return s[:at+1] + domain, nil
}

func notAnEmail() error { return &Invalid{Code: "email", Detail: "Enter a valid email address."} }

// domainName returns the lower-case A-label form of a domain name of two labels
// or more, without a final dot, whose last label is not a number.
func domainName(s string) (string, bool) {
	if len(s) > 4*text.MaxHost || !utf8.ValidString(s) {
		return "", false
	}
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < 0x80
	}
	s = text.LowerASCII(s)
	if !ascii || strings.Contains(s, "xn--") {
		var ok bool
		if s, ok = aLabels(s); !ok {
			return "", false
		}
	}
	return s, text.IsHostName(s)
}

// lookup is UTS 46 with every check. It is read-only.
var lookup = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true), //nolint:gochecknoglobals // read-only
	idna.BidiRule(), idna.CheckJoiners(true), idna.ValidateLabels(true), idna.VerifyDNSLength(true))

// aLabels returns the A-label form of s. It is UTS 46, non-transitional, so that
// "ß" is not another domain than the one its owner registered; A-labels are
// checked by decoding them, those that come out too: the library does not see
// that "ℵ" becomes a Hebrew letter, which may not stand among Latin ones (RFC
// 5893 section 2).
func aLabels(s string) (string, bool) {
	if !isShortHost(s, text.MaxHost) {
		return "", false
	}
	mapped, err := lookup.ToASCII(s)
	if err != nil {
		return "", false
	}
	again, err := lookup.ToASCII(mapped)
	return mapped, err == nil && again == mapped
}

// isShortHost reports whether s has most characters in labels of 63, and no more
// work for Punycode than one such label is. To be asked before IDNA: that takes
// quadratic time for each label, and measures at the end. It counts in NFKC, in
// which one character can be eighteen, and no further than it must.
func isShortHost(s string, most int) bool {
	var nfkc norm.Iter
	nfkc.InitString(norm.NFKC, s)
	all, label, wide, work := 0, 0, 0, 0
	for !nfkc.Done() {
		for _, r := range string(nfkc.Next()) {
			all++
			label++
			if r == '.' || r == '。' { // the full stops that are others before NFKC
				label, wide = 0, 0
			} else if r >= utf8.RuneSelf {
				wide++
				work += wide
			}
			if label > 63 || all > most || work > 63*64/2 {
				return false
			}
		}
	}
	return true
}
