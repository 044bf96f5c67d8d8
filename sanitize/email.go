package sanitize

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
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
	if at < 1 || at > 64 || len(s) > 4*254 || !isDotAtom(s[:at]) {
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

func notAnEmail() error { return &Invalid{"email", "Enter a valid email address."} }

// isDotAtom says whether s is atext, in parts joined by single dots.
func isDotAtom(s string) bool {
	dot := true // as if one came before: the first byte must be another
	for i := range len(s) {
		c := s[i]
		if c == '.' && dot || c != '.' && strings.IndexByte(atext, c) < 0 {
			return false
		}
		dot = c == '.'
	}
	return !dot
}

// atext is what a local part is made of (RFC 5322 section 3.2.3).
const atext = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+-/=?^_`{|}~"

// domainName returns the lower-case A-label form of a domain name of two labels
// or more, without a final dot, whose last label is not a number.
func domainName(s string) (string, bool) {
	if !utf8.ValidString(s) {
		return "", false
	}
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < 0x80
	}
	s = lowerASCII(s)
	if !ascii || strings.Contains(s, "xn--") {
		// UTS 46, non-transitional, so that "ß" is not another domain than the
		// one its owner registered; A-labels are checked by decoding them.
		profile := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(true),
			idna.BidiRule(), idna.CheckJoiners(true), idna.ValidateLabels(true), idna.VerifyDNSLength(true))
		var err error
		if s, err = profile.ToASCII(s); err != nil {
			return "", false
		}
	}
	return s, isHostName(s)
}

// isHostName says whether s is two or more labels of letters, digits and inner
// hyphens (RFC 1123 section 2.1), each of at most 63 bytes. The last is two
// letters or more, or an A-label: some readers take "1.0x7f" for an address.
func isHostName(s string) bool {
	labels, label := 0, ""
	for label = range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; ('a' > c || c > 'z') && ('0' > c || c > '9') && c != '-' {
				return false
			}
		}
		labels++
	}
	return labels > 1 && len(s) <= 253 && (strings.HasPrefix(label, "xn--") || len(label) > 1 && strings.Trim(label, "abcdefghijklmnopqrstuvwxyz") == "")
}

// lowerASCII returns s with its ASCII letters in lower case.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					r += 'a' - 'A'
				}
				return r
			}, s)
		}
	}
	return s
}
