package sanitize

import (
	"bytes"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
	"github.com/ecolaura/rampart/internal/text"
	"github.com/ecolaura/rampart/internal/token"
)

// Bounds of the header of one part, in bytes and lines.
const (
	maxPartHeader = 4 << 10
	maxPartLines  = 8
)

// A part is one part of a multipart/form-data body (RFC 7578).
type part struct {
	name     string
	filename string
	isFile   bool   // there was a file name, perhaps an empty one
	media    string // as declared; empty: not at all
	data     []byte
}

// multipart reads a multipart body into v. Files keep parts of body.
func (d *decoder) multipart(n *node, v reflect.Value, r *http.Request, body []byte, l *Limits) *rampart.Problem {
	list, inv := parts(body, boundary(r), l)
	if inv != nil {
		return strictjson.Unreadable.Problem(inv.at(rampart.FieldError{Pointer: "#"}))
	}
	d.params(n, v, list, l)
	return nil
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

// parts takes body apart, in the order in which it was sent. It accepts only the
// form that browsers and clients send: no preamble or epilogue, lines that end
// with CR LF, no folded header, no transfer encoding, no name given twice.
// Parsers differ on all of these, and a filter before this server may have read
// another file than it.
func parts(body []byte, boundary string, l *Limits) ([]strictjson.Pair, *Invalid) {
	malformed := &Invalid{Code: CodeSyntax, Detail: "Not a well-formed multipart body."}
	rest, ok := bytes.CutPrefix(body, []byte("--"+boundary))
	if !ok || boundary == "" {
		return nil, malformed
	}
	delimiter := []byte("\r\n--" + boundary)
	var list []strictjson.Pair
	files := 0
	for n := 0; !bytes.HasPrefix(rest, []byte("--")); n++ {
		if n == l.MaxParams {
			return nil, &Invalid{Code: CodeTooManyParams, Detail: "Too many parts."}
		}
		var content []byte
		if rest, ok = bytes.CutPrefix(rest, []byte("\r\n")); !ok {
			return nil, malformed
		}
		if content, rest, ok = bytes.Cut(rest, delimiter); !ok {
			return nil, malformed
		}
		p, ok := onePart(content)
		switch {
		case !ok:
			return nil, malformed
		case p.isFile && p.filename == "" && len(p.data) == 0: // a form without a file chosen
			continue
		case p.isFile:
			if files++; files > l.MaxFiles {
				return nil, &Invalid{Code: CodeTooManyFiles, Detail: "Too many files."}
			}
		case !utf8.Valid(p.data):
			return nil, &Invalid{Code: CodeInvalidUTF8, Detail: "A part is not valid UTF-8."}
		}
		list = append(list, p.pair())
	}
	if end := rest[len("--"):]; len(end) > 0 && string(end) != "\r\n" {
		return nil, malformed
	}
	return list, nil
}

// onePart reads the header of a part and returns it with the rest.
func onePart(content []byte) (p part, ok bool) {
	head := content[:min(len(content), maxPartHeader)]
	end := bytes.Index(head, []byte("\r\n\r\n"))
	if end < 0 || !utf8.Valid(head[:end]) || bytes.Count(head[:end], []byte("\n")) >= maxPartLines {
		return p, false
	}
	p.data = content[end+4:]
	seen := ""
	for line := range strings.SplitSeq(string(head[:end]), "\r\n") {
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
			if err != nil || strictjson.Extended(value) || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
				return p, false
			}
			p.media = media
		case "content-transfer-encoding": // RFC 7578 section 4.7: deprecated, and not decoded here
			if v := strings.ToLower(value); v != "binary" && v != "8bit" && v != "7bit" {
				return p, false
			}
		}
	}
	return p, ok
}

// disposition reads form-data; name="…"; filename="…" and nothing else: the
// parameter filename* must not be sent (RFC 7578 section 4.2), and backslashes
// are escapes to some parsers and not to others.
func (p *part) disposition(s string) bool {
	const formData = "form-data"
	if len(s) < len(formData) || !strings.EqualFold(s[:len(formData)], formData) {
		return false
	}
	named := false
	for s = s[len(formData):]; s != ""; {
		key, rest, ok := strings.Cut(strings.TrimLeft(s, " "), "=")
		key, isParam := strings.CutPrefix(key, ";")
		if !ok || !isParam {
			return false
		}
		var value string
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			if value, s, ok = strings.Cut(quoted, `"`); !ok || strings.IndexByte(value, '\\') >= 0 {
				return false
			}
		} else {
			end := strings.IndexAny(rest+";", "; ")
			if value, s = rest[:end], rest[end:]; !token.Valid(value) {
				return false
			}
		}
		switch key = strings.ToLower(strings.TrimLeft(key, " ")); {
		case key == "name" && !named:
			p.name, named = value, true
		case key == "filename" && !p.isFile:
			p.filename, p.isFile = value, true
		default:
			return false
		}
	}
	return named
}

// pair returns p as a parameter of a form.
func (p *part) pair() strictjson.Pair {
	switch {
	case p.isFile:
		name, err := Filename(p.filename)
		if err != nil {
			return strictjson.Pair{Name: p.name, Part: asInvalid(err, tag{name: "filename"})}
		}
		return strictjson.Pair{Name: p.name, Part: &File{Name: name, ContentType: p.media, Data: slices.Clip(p.data)}}
	case p.media != "" && p.media != "text/plain":
		return strictjson.Pair{Name: p.name, Part: &Invalid{Code: CodeFileType, Detail: "A field that is not a file must be of type text/plain."}}
	}
	return strictjson.Pair{Name: p.name, Value: string(p.data)}
}
