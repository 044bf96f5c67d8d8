package cors

import (
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/token"
)

// Bounds of Access-Control-Request-Headers. Browsers send one line of names in
// lower case, sorted and unique, without blanks (Fetch, "CORS-unsafe
// request-header names"). Gateways may split lines, put a blank on either side
// of a name (RFC 9110 section 5.6.1.2) and leave elements empty.
const (
	maxBlanks  = 2    // around one element
	maxEmpty   = 16   // empty elements in all
	maxEchoed  = 4096 // bytes of a list under "*" with Credentials
	nameWindow = 256  // bytes in which a name must end, or the longest in the policy

	authorization = "authorization"
)

// A headerList walks the elements of Access-Control-Request-Headers and stops
// at the first fault, so that a hostile list costs what its valid head costs.
type headerList struct {
	lines  []string // not yet begun
	line   string   // rest of the current one
	open   bool     // the current line has another element
	window int      // bytes in which an element must end

	name  string // current element; names rise strictly
	empty int
	fault bool
}

// next moves to the next name that is not empty. It is false at the end and at
// a fault.
func (l *headerList) next() bool {
	for {
		if !l.open {
			if len(l.lines) == 0 {
				return false
			}
			l.line, l.lines, l.open = l.lines[0], l.lines[1:], true
		}
		name, ok := l.element()
		switch {
		case !ok:
			l.fault = true
			return false
		case name != "":
			if name <= l.name {
				l.fault = true
				return false
			}
			l.name = name
			return true
		}
		if l.empty++; l.empty > maxEmpty {
			l.fault = true
			return false
		}
	}
}

// element cuts one element off the current line and the blanks off it.
func (l *headerList) element() (string, bool) {
	if strings.HasPrefix(l.line, ",") {
		l.line = l.line[1:]
		return "", true
	}
	head := l.line[:min(len(l.line), l.window+maxBlanks+len(","))]
	comma := strings.IndexByte(head, ',')
	switch {
	case comma >= 0:
		head, l.line = l.line[:comma], l.line[comma+1:]
	case len(head) < len(l.line):
		return "", false
	default:
		head, l.open = l.line, false
	}
	blanks := 0
	for head != "" && isBlank(head[0]) && blanks <= maxBlanks {
		head = head[1:]
		blanks++
	}
	for head != "" && isBlank(head[len(head)-1]) && blanks <= maxBlanks {
		head = head[:len(head)-1]
		blanks++
	}
	return head, blanks <= maxBlanks
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// lowerToken reports whether name is a header name as browsers list it.
func lowerToken(name string) bool {
	for i := range len(name) {
		if 'A' <= name[i] && name[i] <= 'Z' {
			return false
		}
	}
	return token.Valid(name)
}

// headersAllowed judges the lines of Access-Control-Request-Headers. The value
// is the first name that is not allowed.
func (p *policy) headersAllowed(lines []string) (value string, reason rampart.Denial) {
	switch {
	case !p.anyHeader:
		return p.listedHeaders(lines)
	case p.credentials:
		return echoableHeaders(lines)
	case p.authorization:
		return "", ""
	default:
		return authorizationAsked(lines)
	}
}

// listedHeaders is for a policy that names its headers.
func (p *policy) listedHeaders(lines []string) (string, rampart.Denial) {
	l := headerList{lines: lines, window: p.longestHeader}
	for l.next() {
		if _, ok := p.headers[l.name]; ok {
			continue
		}
		if lowerToken(l.name) {
			return l.name, HeaderNotAllowed
		}
		return l.name, HeaderListMalformed
	}
	if l.fault {
		return lines[0], HeaderListMalformed
	}
	return "", ""
}

// echoableHeaders is for "*" with Credentials, where browsers take "*" for a
// header's name and the response has to name what was asked for.
func echoableHeaders(lines []string) (string, rampart.Denial) {
	size := 0
	for _, line := range lines {
		if size += len(line); size > maxEchoed {
			return line, HeaderListMalformed
		}
	}
	l := headerList{lines: lines, window: maxEchoed}
	for l.next() {
		if !lowerToken(l.name) {
			return l.name, HeaderListMalformed
		}
	}
	if l.fault {
		return lines[0], HeaderListMalformed
	}
	return "", ""
}

// authorizationAsked is for "*" without Credentials, which covers every header
// but Authorization (Fetch, CORS-preflight fetch, step 7.5). The response is the
// constant "*", so nothing else of the list matters: the walk ends where a
// sorted list can have no Authorization any more, or where no browser sent it.
func authorizationAsked(lines []string) (string, rampart.Denial) {
	l := headerList{lines: lines, window: nameWindow}
	for size := 0; size < maxEchoed && l.next() && l.name <= authorization; size += len(l.name) + 1 {
		if l.name == authorization {
			return l.name, HeaderNotAllowed
		}
	}
	return "", ""
}
