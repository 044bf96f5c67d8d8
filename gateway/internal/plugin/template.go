package plugin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/gateway/internal/call"
)

// A template is text with values of the request in it: $(headers.name),
// $(query_params["name"]), $(uri_captures[1]), perhaps with others behind "or".
// Kong runs these as Lua; here nothing runs.
type template []piece

// A piece is literal text, or the first of its values that the request has.
type piece struct {
	literal string
	values  []value
}

// A value names something of the request, or is text.
type value struct {
	from string // headers, query_params or uri_captures; "": text
	name string
}

// Bounds of templates: values of one, and the length of what comes of it.
const (
	maxValues   = 32
	maxRendered = 8 << 10
)

// errRendered says that a client's values do not fit where they were to go.
var errRendered = errors.New("plugin: a value of the request does not fit its template")

// expression is one alternative of $(…); it is read-only.
var expression = regexp.MustCompile(`^\s*(?:(headers|query_params|uri_captures|shared)\s*(?:\.([\w-]+)|\[\s*(?:"([^"\\]*)"|'([^'\\]*)'|(\d+))\s*\])|"([^"\\]*)"|'([^'\\]*)')\s*(or\s|$)`)

// parseTemplate reads a template. The error says what would be right.
func parseTemplate(text string) (template, error) {
	var t template
	count := 0
	for text != "" {
		begin := strings.Index(text, "$(")
		if begin < 0 {
			return append(t, piece{literal: text}), nil
		}
		if begin > 0 {
			t = append(t, piece{literal: text[:begin]})
		}
		text = text[begin+2:]
		end := closing(text)
		if end < 0 {
			return nil, errors.New("a $( is not closed")
		}
		p := piece{}
		for rest := text[:end]; rest != "" || len(p.values) == 0; {
			m := expression.FindStringSubmatch(rest)
			if m == nil {
				return nil, fmt.Errorf(`$(%s) is not known here, where no Lua runs: write $(headers.name), $(query_params["name"]) or $(uri_captures[1]), and "or" between them`, text[:end])
			}
			if m[1] == "shared" {
				return nil, errors.New("$(shared…) is not known here: plugins share no variables")
			}
			v := value{from: m[1], name: m[2] + m[3] + m[4] + m[5]}
			switch v.from {
			case "":
				v.name = m[6] + m[7]
			case "headers":
				v.name = http.CanonicalHeaderKey(strings.ReplaceAll(v.name, "_", "-")) // as in Kong
				if call.Reserved(v.name) && !call.IsIdentity(v.name) {
					return nil, fmt.Errorf("$(headers.%s) would be what any client writes", strings.ToLower(v.name))
				}
			}
			p.values = append(p.values, v)
			if count++; count > maxValues {
				return nil, fmt.Errorf("a template has %d values at most", maxValues)
			}
			rest = rest[len(m[0]):]
			if rest == "" && m[8] != "" {
				return nil, errors.New(`nothing follows "or"`)
			}
		}
		t, text = append(t, p), text[end+1:]
	}
	return t, nil
}

// closing returns where the ) of an expression is, outside quotes.
func closing(text string) int {
	quote := byte(0)
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == ')':
			return i
		}
	}
	return -1
}

// dynamic reports whether a client has a say in what comes of t.
func (t template) dynamic() bool {
	for _, p := range t {
		if p.values != nil {
			return true
		}
	}
	return false
}

// A source is the request as templates see it.
type source struct {
	r     *http.Request
	c     *call.Call
	query url.Values
	parts []string // of the path, that a regular expression captured

	hideHeaders, hideQuery []string // credentials, which an upstream must not get
}

// render fills t. escape, if not nil, is for values of headers and the query.
func (s *source) render(t template, escape func(string) string) (string, error) {
	if len(t) == 1 && t[0].values == nil {
		return t[0].literal, nil
	}
	var b strings.Builder
	for _, p := range t {
		text := p.literal
		for _, v := range p.values {
			if text = s.value(v); text != "" {
				if escape != nil && (v.from == "headers" || v.from == "query_params") {
					text = escape(text)
				}
				break
			}
		}
		if b.Len()+len(text) > maxRendered {
			return "", errRendered
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// value returns what v names; "" if it is not there. Of several headers or
// parameters it is the first.
func (s *source) value(v value) (text string) {
	switch v.from {
	case "headers":
		if v.name == "Host" {
			return s.r.Host
		}
		if call.IsIdentity(v.name) { // what the gateway found, not what the client says
			s.c.Identity(func(name, value string) {
				if name == v.name {
					text = value
				}
			})
			return text
		}
		if slices.ContainsFunc(s.hideHeaders, func(name string) bool { return strings.EqualFold(name, v.name) }) {
			return ""
		}
		return s.r.Header.Get(v.name)
	case "query_params":
		if s.query == nil {
			s.query, _ = url.ParseQuery(s.r.URL.RawQuery) // what can be read
			for _, name := range s.hideQuery {
				s.query.Del(name)
			}
		}
		return s.query.Get(v.name)
	case "uri_captures":
		if s.c.Regex == nil {
			return ""
		}
		if s.parts == nil {
			s.parts = s.c.Regex.FindStringSubmatch(s.c.Path)
		}
		i := s.c.Regex.SubexpIndex(v.name)
		if n, err := strconv.Atoi(v.name); err == nil {
			i = n
		}
		if i > 0 && i < len(s.parts) {
			return s.parts[i]
		}
		return ""
	}
	return v.name
}
