package sanitize

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/ecolaura/rampart/internal/text"
)

// DjangoEmail gives the verdict of Django's validate_email (3.2 with the length
// limit of CVE-2023-36053), for data that Django has accepted: quoted local
// parts, which may hold markup, address literals, and the host "localhost". New
// input is for [Email]. Internationalised domains are mapped as in UTS 46,
// transitionally, where Django uses Nameprep; refused before that are domains too
// long for the DNS. The error is an [*Invalid].
func DjangoEmail(s string) error {
	at := strings.LastIndexByte(s, '@')
	if at < 0 || utf8.RuneCountInString(s) > maxDjangoEmail || !isDjangoUser(s[:at]) {
		return notAnEmail()
	}
	domain := s[at+1:]
	if domain == "localhost" || isDjangoDomain(domain) {
		return nil
	}
	if !isShortHost(domain, maxDjangoEmail) {
		return notAnEmail()
	}
	if mapped, err := djangoIDNA.ToASCII(domain); err != nil || !isDjangoDomain(mapped) {
		return notAnEmail()
	}
	return nil
}

// djangoIDNA encodes as Python's codec does, which checks little. It is read-only.
var djangoIDNA = idna.New(idna.MapForLookup(), idna.Transitional(true), idna.StrictDomainName(false), //nolint:gochecknoglobals // read-only
	idna.ValidateLabels(false), idna.CheckHyphens(false), idna.VerifyDNSLength(false))

// maxDjangoEmail is the limit of CVE-2023-36053, in characters.
const maxDjangoEmail = 320

// isDjangoUser is EmailValidator.user_regex.
func isDjangoUser(s string) bool {
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		return isDjangoQuoted(quoted)
	}
	for part := range strings.SplitSeq(s, ".") {
		if part == "" {
			return false
		}
		for _, r := range part {
			if !strings.ContainsRune(text.Atext, r) && !foldsToASCII(r) {
				return false
			}
		}
	}
	return true
}

// isDjangoQuoted is the second half of that expression, after the first quote.
func isDjangoQuoted(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			return i == len(s)-1
		case c == '\\' && i+1 < len(s):
			i++
			if c = s[i]; c == 0 || c == '\n' || c == '\r' || c >= 0x80 {
				return false
			}
		case c == 0 || c == '\t' || c == '\n' || c == '\r' || c == ' ' || c == '\\' || c >= 0x80:
			return false
		}
	}
	return false
}

// isDjangoDomain is EmailValidator.domain_regex and literal_regex.
func isDjangoDomain(s string) bool {
	if literal, ok := strings.CutPrefix(s, "["); ok {
		literal, ok = strings.CutSuffix(literal, "]")
		_, isAddress := address(literal)
		return ok && isAddress
	}
	labels := strings.Split(s, ".")
	for i, label := range labels {
		for _, r := range label {
			if ('a' > r || r > 'z') && ('A' > r || r > 'Z') && ('0' > r || r > '9') && r != '-' && !foldsToASCII(r) {
				return false
			}
		}
		n := utf8.RuneCountInString(label)
		last := i == len(labels)-1
		if n == 0 || n > 63 || strings.HasSuffix(label, "-") || last && n < 2 || !last && strings.HasPrefix(label, "-") {
			return false
		}
	}
	return len(labels) > 1
}

// foldsToASCII reports whether Python's re takes r for an ASCII letter when it
// ignores case.
func foldsToASCII(r rune) bool { return r == 'İ' || r == 'ı' || r == 'ſ' || r == '\u212a' }
