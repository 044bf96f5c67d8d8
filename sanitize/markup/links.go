package markup

import (
	"bytes"
	"html"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/text"
)

// Linkify makes links of the web addresses in the text, as bleach.linkify does:
// "https://example.com/x", and "www.example.com" and "example.com" if the name
// ends like one of the public DNS. It leaves alone what is in a link already
// and in the elements skip, which must be allowed before it. Links, those of
// the input too, get rel="nofollow". An address whose scheme the policy does
// not allow stays text. Linkify allows the element a with href.
func Linkify(skip ...string) Option {
	skip = slices.Clone(skip)
	return func(h *Policy) error {
		for _, name := range skip {
			t := h.tags[name]
			if t == nil {
				return conferr.New("markup.Linkify", "skip", conferr.ReasonUnknown, name, wantAllowed)
			}
			h.skip = append(h.skip, t)
		}
		h.links, h.rel = true, "nofollow"
		return allowLinks(h)
	}
}

// LinkifyEmails is [Linkify] for email addresses, which become mailto links.
func LinkifyEmails() Option {
	return func(h *Policy) error {
		h.links, h.emails = true, true
		return allowLinks(h)
	}
}

func allowLinks(h *Policy) error {
	if err := AllowTags("a")(h); err != nil {
		return err
	}
	return AllowAttrs("a", "href")(h)
}

// mayHoldLink reports whether it is worth looking for links in s: no address is
// without a dot.
func mayHoldLink(s string) bool { return strings.IndexByte(s, '.') >= 0 }

// linkify makes links in the text that was written since the last tag, if a
// link may stand there: where Clean, called once more, would keep it.
func (c *cleaner) linkify() {
	if !c.links {
		return
	}
	text := c.out[c.text:]
	if slices.Index(text, '.') < 0 || c.inTable() || len(c.stack) >= maxNesting || c.count[c.tags["a"].index] > 0 {
		return
	}
	for _, t := range c.skip {
		if c.count[t.index] > 0 {
			return
		}
	}
	s := html.UnescapeString(string(text)) // exact: appendText has written it
	c.out = slices.Grow(c.out[:c.text], len(s)+min(bytes.Count(text, []byte(".")), 1<<16)*len(`<a href="http://" rel="nofollow"></a>`))
	done := 0
	for at := 0; at < len(s); {
		l, next := c.linkAt(s, at, done)
		if l.end > 0 {
			if address, ok := c.url(c.tags["a"], []byte("href"), l.scheme+s[l.start:l.end], c.isAllowedURL); ok {
				c.out = appendEscaped(c.out, s[done:l.start], false)
				c.link(address, s[l.start:l.end])
				done = l.end
			}
		}
		at = next
	}
	c.out = appendEscaped(c.out, s[done:], false)
}

func (c *cleaner) link(address, text string) {
	c.out = appendAttr(append(c.out, "<a"...), "href", address)
	if c.rel != "" && !isMail(address) {
		c.out = appendAttr(c.out, "rel", c.rel)
	}
	c.out = append(c.out, '>')
	c.out = appendEscaped(c.out, text, false)
	c.out = append(c.out, "</a>"...)
}

// A foundLink is an address in a text.
type foundLink struct {
	start, end int    // end is 0 if no address was found
	scheme     string // what is written before it, such as "http://"
}

// linkAt looks for an address in the run of name characters at s[at:], and
// returns where to look next. The last link ends at done. No byte is looked at
// more than a few times, so that a text takes linear time.
func (c *cleaner) linkAt(s string, at, done int) (l foundLink, next int) {
	end := nameEnd(s, at)
	if end == at {
		_, size := utf8.DecodeRuneInString(s[at:])
		return l, at + size
	}
	run, rest := s[at:end], s[end:]
	switch {
	case strings.HasPrefix(rest, "://"):
		if scheme := text.LowerASCII(run); (scheme == "http" || scheme == "https" || scheme == "ftp") && slices.Contains(c.schemes, scheme) {
			l.start, l.end = at, urlEnd(s, end+len("://"), false)
		}
	case strings.HasPrefix(rest, "@"):
		if c.emails && slices.Contains(c.schemes, "mailto") {
			l = emailAround(s, end, done)
		}
	case beginsAddress(s[done:at]):
		scheme := "http"
		if !slices.Contains(c.schemes, scheme) {
			scheme = "https"
		}
		if slices.Contains(c.schemes, scheme) {
			l.start, l.end, l.scheme = at, urlEnd(s, at, true), scheme+"://"
		}
	}
	return l, max(end, l.end)
}

// beginsAddress reports whether an address without a scheme may stand after s: not
// in the middle of a path, query or other address.
func beginsAddress(s string) bool {
	return s == "" || strings.IndexByte("@/:\\=&#%?+~$.", s[len(s)-1]) < 0
}

// nameEnd returns where the run of characters of a host name at s[at:] ends.
func nameEnd(s string, at int) int {
	for i, r := range s[at:] {
		ok := unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)
		if r < utf8.RuneSelf {
			ok = text.IsAlphanumeric(s[at+i]) || r == '.' || r == '-' || r == '_'
		}
		if !ok {
			return at + i
		}
	}
	return len(s)
}

// urlEnd returns where the URL ends whose authority begins at s[at:]; 0 if
// no URL begins there. A bare URL has neither scheme nor user.
func urlEnd(s string, at int, bare bool) int {
	if !bare {
		at += userinfo(s[at:])
	}
	end := nameEnd(s, at)
	host := strings.TrimRight(s[at:end], ".")
	if !isPublicHost(host, bare) || strings.HasPrefix(s[end:], "@") {
		return 0
	}
	if end != at+len(host) {
		return at + len(host) // a full stop
	}
	if port := portLen(s[end:]); port > 0 {
		end += port
	}
	if end == len(s) || strings.IndexByte("/?#", s[end]) < 0 {
		return end
	}
	stop := strings.IndexFunc(s[end:], func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || text.IsBidiControl(r) || strings.ContainsRune("{}|\\^[]`<>\"", r)
	})
	if stop < 0 {
		stop = len(s) - end
	}
	return end + len(trimSentence(s[end:end+stop]))
}

// userinfo returns the length of "user:password@", letters and digits only: a
// dot there would pass for the host.
func userinfo(s string) int {
	colon := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '@' && i > 0:
			return i + 1
		case c == ':' && i > 0 && !colon:
			colon = true
		case !text.IsAlphanumeric(c) && c != '_' || i == 64:
			return 0
		}
	}
	return 0
}

func portLen(s string) int {
	n := 1
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	if s == "" || s[0] != ':' || n == 1 || n > len(":65535") {
		return 0
	}
	return n
}

// trimSentence returns the path s without the punctuation that belongs to the
// sentence around it, and without closing brackets that it does not open.
func trimSentence(s string) string {
	open := strings.Count(s, "(") - strings.Count(s, ")")
	for s != "" {
		switch s[len(s)-1] {
		case '.', ',', ';', ':', '!', '?', '\'', '*':
		case ')':
			if open >= 0 {
				return s
			}
			open++
		default:
			return s
		}
		s = s[:len(s)-1]
	}
	return s
}

// isPublicHost reports whether s looks like a name in the public DNS. Of bare names
// only those with a country's or one of the first generic top-level domains do:
// "invoice.zip" and "index.js" are files.
func isPublicHost(s string, bare bool) bool {
	tld, labels := "", 0
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		tld = label
		labels++
	}
	if labels < 2 || len(s) > 253 || len(tld) < 2 || strings.IndexFunc(tld, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }) >= 0 && !strings.HasPrefix(text.LowerASCII(tld), "xn--") {
		return false
	}
	if !bare || len(s) > 4 && strings.EqualFold(s[:4], "www.") && labels > 2 {
		return true
	}
	tld = text.LowerASCII(tld)
	return isTLD(tld)
}

// emailAround returns the email address around the "@" at s[at]; what is before
// done is another link. Its local part has 64 bytes at most (RFC 5321 section
// 4.5.3.1.1), so that is how far to look. Its domain is ASCII: few mail programs
// read others in a link.
func emailAround(s string, at, done int) foundLink {
	start := at
	for start > done && at-start <= 64 && (text.IsAlphanumeric(s[start-1]) || isLocalMark(s[start-1])) {
		start--
	}
	for start < at && isLocalMark(s[start]) {
		start++
	}
	end := nameEnd(s, at+1)
	domain := strings.TrimRight(s[at+1:end], ".")
	switch {
	case start > done && strings.IndexByte("/:@\\", s[start-1]) >= 0, // of a URL
		end < len(s) && s[end] == '@',
		start == at || at-start > 64 || !text.IsDotAtom(s[start:at]),
		!text.IsHostName(text.LowerASCII(domain)) || !isPublicHost(domain, true):
		return foundLink{}
	}
	return foundLink{start, at + 1 + len(domain), "mailto:"}
}

// isLocalMark reports whether c is a mark that a local part may hold, which does
// not begin one in a text.
func isLocalMark(c byte) bool {
	return c > ' ' && c < 0x7f && !text.IsAlphanumeric(c) && strings.IndexByte("\"(),:;<>@[\\]", c) < 0
}

func isMail(url string) bool { return len(url) > 7 && strings.EqualFold(url[:7], "mailto:") }
