package sanitize

import (
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/internal/strictjson"
	"github.com/ecolaura/rampart/internal/text"
)

// ownNames lists the rules of ownRule.
func ownNames() []string {
	return []string{"email", "phone", "username", "filename", "slug", "ip", "url"}
}

// stricter returns what this package asks beyond the library's rule of the same
// name: two readers would take what it accepts for different things.
func stricter(l *strictjson.Limits) map[string]func(string) bool {
	return map[string]func(string) bool{
		"ascii":            func(s string) bool { return !strings.ContainsFunc(s, isASCIIControl) },
		"cron":             isCron,
		"hostname_rfc1123": isHostname,
		"ipv4":             func(s string) bool { addr, ok := address(s); return ok && addr.Is4() }, // not IPv4 in IPv6 form
		"json":             func(s string) bool { return strictjson.IsOne(s, l) },
		"port":             isPort,
		"uuid":             func(s string) bool { return s == strings.ToLower(s) }, // RFC 9562 section 4: written in lower case
	}
}

func isASCIIControl(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f
}

// isHostname reports whether a name is not too long for the DNS, nor a number that
// some readers take for an IPv4 address.
func isHostname(s string) bool {
	last := text.LowerASCII(s[strings.LastIndexByte(s, '.')+1:])
	hex, isHex := strings.CutPrefix(last, "0x")
	return len(s) <= text.MaxHost && !text.IsDigits(last) && (!isHex || strings.Trim(hex, "0123456789abcdef") != "")
}

// isPort reports whether a text is a port as it is always written.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// isCron reports whether every number of a cron expression is in the range of its
// field: minute to day of the week, a second before them, a year after.
func isCron(s string) bool {
	if strings.HasPrefix(s, "@") {
		return true
	}
	fields := strings.Fields(s)
	ranges := []struct{ least, most uint64 }{{0, 59}, {0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}, {1970, 2099}}
	if len(fields) == 5 {
		ranges = ranges[1:]
	}
	if len(fields) < 5 || len(fields) > len(ranges) {
		return false
	}
	for i, field := range fields {
		for item := range strings.SplitSeq(field, ",") {
			at, step, stepped := strings.Cut(item, "/")
			if !isInRange(at, ranges[i].least, ranges[i].most) || stepped && !isInRange(step, 1, 9999) {
				return false
			}
		}
	}
	return true
}

// isInRange reports whether every number in s is.
func isInRange(s string, least, most uint64) bool {
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r < '0' || r > '9' }) {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || n < least || n > most {
			return false
		}
	}
	return true
}
