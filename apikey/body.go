package apikey

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
)

// maxBody bounds a request's body; the largest valid one is a tenth of it.
const maxBody = 64 << 10

// maxWrong bounds how many members are complained about.
const maxWrong = 32

// readObject reads a request's body, a JSON object, into the members, which
// hold a pointer for each name that is known; null leaves one as it is. A body
// that cannot be told apart is a problem: 400 for syntax, invalid UTF-8, a name
// used twice (parsers differ on which counts) or anything behind the object;
// 413; 415. Members that are unknown or of a wrong type are returned, in order.
func readObject(w http.ResponseWriter, r *http.Request, members map[string]any) ([]rampart.FieldError, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || !utf8Charset(params["charset"]) || r.Header.Get("Content-Encoding") != "" {
		return nil, &rampart.Problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Detail: "Unsupported media type in request."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &rampart.Problem{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Detail: "The body is too large."}
	}
	if err != nil || !utf8.Valid(body) {
		return nil, malformedBody()
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, malformedBody()
	}
	var wrong []rampart.FieldError // a bounded number: an answer should not be dearer than its request
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		var value json.RawMessage
		if err != nil || !ok || seen[name] || dec.Decode(&value) != nil {
			return nil, malformedBody()
		}
		seen[name] = true
		if len(wrong) >= maxWrong {
			continue
		}
		if target, known := members[name]; !known {
			wrong = append(wrong, rampart.FieldError{Pointer: pointer(name), Code: "unknown", Detail: "Unknown field."})
		} else if json.Unmarshal(value, target) != nil {
			wrong = append(wrong, rampart.FieldError{Pointer: pointer(name), Code: "type", Detail: "Not of the right type."})
		}
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, malformedBody()
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, malformedBody()
	}
	return wrong, nil
}

func utf8Charset(s string) bool { return s == "" || strings.EqualFold(s, "utf-8") }

// pointer points at a member, unless its name is not worth echoing.
func pointer(name string) string {
	if len(name) > 32 || !isBase62(strings.ReplaceAll(name, "_", "")) {
		return "#"
	}
	return "#/" + name
}

func malformedBody() error {
	return &rampart.Problem{Status: http.StatusBadRequest, Code: "parse_error", Detail: "Malformed request."}
}
