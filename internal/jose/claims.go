package jose

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart/internal/text"
)

// Any as issuer or audience switches that check off.
const Any = "*"

// Names of claims where none is configured.
const (
	SubjectClaim = "sub"
	KindClaim    = "token_type"
)

// Registered reports whether a claim has a meaning of its own, so that it cannot
// be configured as subject or kind, nor set by an application.
func Registered(claim string) bool {
	switch claim {
	case "iss", "aud", "exp", "nbf", "iat", "jti", "sid", "auth_time":
		return true
	default:
		return false
	}
}

// maxDate is the last second of the year 9999.
const maxDate = 253402300799

// ParseDate reads a NumericDate (RFC 7519 section 2): seconds, perhaps with a
// fraction. It refuses an exponent, a sign and what lies after the year 9999: no
// issuer writes them, and comparisons in floating point or int64 can fail on them.
func ParseDate(value string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(value, ".")
	if len(whole) > 12 || !text.IsDigits(whole) || fraction != "" && !text.IsDigits(fraction) {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds > maxDate {
		return time.Time{}, false
	}
	var nanos int64
	for i, unit := 0, int64(1e8); i < len(fraction) && unit > 0; i, unit = i+1, unit/10 {
		nanos += int64(fraction[i]-'0') * unit
	}
	return time.Unix(seconds, nanos), true
}

// FormatDate writes a time after 1970 as a NumericDate, to the microsecond.
func FormatDate(t time.Time) string {
	micros := t.UnixMicro()
	whole, fraction := strconv.FormatInt(micros/1e6, 10), micros%1e6
	if fraction == 0 {
		return whole
	}
	return whole + "." + strings.TrimRight(strconv.FormatInt(1e6+fraction, 10)[1:], "0")
}

// IsIntegerSubject reports whether s is an integer in its one spelling, in the
// range in which all JSON parsers agree (RFC 7493 section 2.2).
func IsIntegerSubject(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n >= 0 && n <= 1<<53-1 && strconv.FormatInt(n, 10) == s
}

// A session's id has sidLen characters of base32; that of one which began with
// another issuer's token has a digit first that base32 lacks.
const (
	sidLen  = 26
	foreign = '0'
)

// NewSession returns the id of a new session.
func NewSession() string { return rand.Text()[:sidLen] } // a later Go may return more

// ForeignSession returns the id of the session that a token of another issuer
// begins: of its jti and issuer alone, since Django renews a sliding token under
// one jti. The revocation of a single token goes by the same name.
func ForeignSession(issuer, jti string) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(len(issuer)) + ":" + issuer + jti))
	return string(foreign) + base32.StdEncoding.EncodeToString(sum[:])[:sidLen-1]
}

// IsForeignSession reports whether [ForeignSession] made id.
func IsForeignSession(id string) bool { return IsSession(id) && id[0] == foreign }

// IsSession reports whether id can be that of a session of ours: other issuers
// have sids, too.
func IsSession(id string) bool {
	if len(id) != sidLen {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < 'A' || c > 'Z') && (c < '2' || c > '7') && (i > 0 || c != foreign) {
			return false
		}
	}
	return true
}

// IsRefreshID reports whether jti can be that of a refresh token of ours, which
// begins with its session's id and a dot.
func IsRefreshID(jti string) bool {
	sid, _, ok := strings.Cut(jti, ".")
	return ok && IsSession(sid)
}
