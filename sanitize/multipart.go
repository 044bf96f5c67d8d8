package sanitize

import (
	"bytes"
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart/internal/strictjson"
	"github.com/ecolaura/rampart/internal/text"
	"github.com/ecolaura/rampart/internal/token"
)

// Bounds of the header of one part, in bytes and lines.
const (
	maxPartHeader = 4 << 10
	maxPartLines  = 8
)

// A part is the header of one part of a multipart/form-data body (RFC 7578).
type part struct {
	name     string
	filename string
	isFile   bool   // there was a file name, perhaps an empty one
	media    string // as declared; empty: not at all
	charset  string // as declared, unless it is UTF-8
}

// boundary returns the boundary that r's Content-Type names; empty if it is not
// one that every parser reads alike (RFC 2046 section 5.1.1).
func boundary(r *http.Request) string {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	b := params["boundary"]
	if err != nil || len(b) > 70 || strings.HasSuffix(b, " ") {
		return ""
	}
	for i := range len(b) {
		if !text.IsAlphanumeric(b[i]) && strings.IndexByte("'()+_,-./:=? ", b[i]) < 0 {
			return ""
		}
	}
	return b
}

// partHeader reads the header of a part, without the empty line after it.
func partHeader(head []byte) (p part, ok bool) {
	if !utf8.Valid(head) || bytes.Count(head, []byte("\n")) >= maxPartLines {
		return p, false
	}
	seen := ""
	for line := range strings.SplitSeq(string(head), "\r\n") {
		name, value, isField := strings.Cut(line, ":")
		name, value = strings.ToLower(name), strings.Trim(value, " \t")
		if !isField || !token.Valid(name) || hasControl(value) || strings.Contains(seen, "\n"+name+"\n") {
			return p, false
		}
		seen += "\n" + name + "\n"
		switch name {
		case "content-disposition":
			if ok = p.disposition(value); !ok {
				return p, false
			}
		case "content-type":
			media, params, err := mime.ParseMediaType(value)
			if err != nil || strictjson.Extended(value) {
				return p, false
			}
			p.media = media
			if charset := params["charset"]; !strings.EqualFold(charset, "utf-8") {
				p.charset = charset
			}
		case "content-transfer-encoding": // RFC 7578 section 4.7: deprecated, and not decoded here
			if v := strings.ToLower(value); v != "binary" && v != "8bit" && v != "7bit" {
				return p, false
			}
		}
	}
	return p, ok
}

// disposition reads form-data; name="…"; filename="…" and, as .NET sends it,
// filename*=… that says the same: it must not stand alone (RFC 7578 section 4.2),
// and some parsers know only the one, some only the other. A backslash is an escape
// to some parsers and not to others, so no name of a field has one, and in that of
// a file none stands before a quote: where the name ends is never in doubt.
func (p *part) disposition(s string) bool {
	const formData = "form-data"
	if len(s) < len(formData) || !strings.EqualFold(s[:len(formData)], formData) {
		return false
	}
	named, extended := false, ""
	for s = s[len(formData):]; s != ""; {
		key, rest, ok := strings.Cut(strings.TrimLeft(s, " "), "=")
		key, isParam := strings.CutPrefix(key, ";")
		if !ok || !isParam {
			return false
		}
		var value string
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			if value, s, ok = strings.Cut(quoted, `"`); !ok || strings.HasSuffix(value, `\`) {
				return false
			}
		} else {
			end := strings.IndexAny(rest+";", "; ")
			if value, s = rest[:end], rest[end:]; !token.Valid(value) {
				return false
			}
		}
		switch key = strings.ToLower(strings.TrimLeft(key, " ")); {
		case key == "name" && !named && !strings.Contains(value, `\`):
			p.name, named = value, true
		case key == "filename" && !p.isFile:
			p.filename, p.isFile = value, true
		case key == "filename*" && extended == "":
			extended = value
		default:
			return false
		}
	}
	return named && (extended == "" || p.agrees(extended))
}

// agrees reports whether filename* (RFC 8187) says the same as filename, which may
// be an encoded word (RFC 2047), and keeps what it says.
func (p *part) agrees(extended string) bool {
	const utf8Prefix = "utf-8''"
	if !p.isFile || len(extended) < len(utf8Prefix) || !strings.EqualFold(extended[:len(utf8Prefix)], utf8Prefix) {
		return false
	}
	name, err := url.PathUnescape(extended[len(utf8Prefix):])
	if err != nil || !utf8.ValidString(name) {
		return false
	}
	plain := p.filename
	if word, ok := strings.CutPrefix(plain, "=?utf-8?B?"); ok {
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(word, "?="))
		if err != nil || !strings.HasSuffix(word, "?=") {
			return false
		}
		plain = string(decoded)
	}
	p.filename = name
	return plain == name
}
