package replay

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Facts are what is compared of an answer, by name: "status", "header Vary", and each
// member of a JSON body by its path, such as "messages[0].message". Values are JSON,
// so that "7" and 7 differ.
type Facts map[string]string

// ofTheConnection are headers that say nothing about the answer.
var ofTheConnection = []string{"Connection", "Content-Length", "Date", "Keep-Alive", "Server", "Transfer-Encoding"}

// Facts takes the answer to c apart. What is another in each run is replaced by what
// it is: numbers of rows, random ids, the server's address, times to the minute. Of a
// token (RFC 7519) the claims are compared, and not its text.
func (a Answer) Facts(c Case) Facts {
	f := Facts{"status": strconv.Itoa(a.Status)}
	now, err := http.ParseTime(a.Headers["Date"])
	if err != nil {
		now = time.Now()
	}
	for name, value := range a.Headers {
		name = textproto.CanonicalMIMEHeaderKey(name)
		if !slices.Contains(ofTheConnection, name) {
			f["header "+name] = header(name, value)
		}
	}
	body := strings.TrimSpace(a.Body)
	var v any
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	switch {
	case body == "" || c.Method == http.MethodHead:
	case decoder.Decode(&v) == nil && !decoder.More():
		f.add("", v, now)
	default:
		f["body"] = page(body)
	}
	return f
}

// Diff returns the facts that differ, by name, each with what it is in f and in other; a
// fact that one of them lacks is "".
func (f Facts) Diff(other Facts) map[string][2]string {
	differ := map[string][2]string{}
	for name, value := range f {
		if other[name] != value {
			differ[name] = [2]string{value, other[name]}
		}
	}
	for name, value := range other {
		if f[name] != value {
			differ[name] = [2]string{f[name], value}
		}
	}
	return differ
}

var (
	address = regexp.MustCompile(`^(https?://)(?:127\.0\.0\.1|localhost)(:\d+)?`)
	digits  = regexp.MustCompile(`^\d+$`)
	seconds = regexp.MustCompile(`\b(\d+) seconds?\b`)
	expires = regexp.MustCompile(`(?i)expires=[^;]*`)
	value   = regexp.MustCompile(`=[^;]*`)
	title   = regexp.MustCompile(`(?s)<title>\s*(.*?)\s*</title>`)
)

// header returns what is compared of a header.
func header(name, text string) string {
	switch name {
	case "Allow", "Vary":
		words := strings.Split(text, ",")
		for i := range words {
			words[i] = strings.TrimSpace(words[i])
		}
		slices.Sort(words)
		return strings.Join(words, ", ")
	case "Location": // the servers' addresses differ; whether there is a port tells something
		return address.ReplaceAllStringFunc(text, func(at string) string {
			parts := address.FindStringSubmatch(at)
			if parts[2] != "" {
				return parts[1] + "host:port"
			}
			return parts[1] + "host"
		})
	case "Retry-After":
		if digits.MatchString(text) {
			return minutes(text)
		}
	case "Set-Cookie":
		return value.ReplaceAllString(expires.ReplaceAllString(text, "expires"), "=…")
	case "X-Request-Id":
		return "random"
	}
	return text
}

// minutes rounds seconds: the time that a test takes shall not count.
func minutes(s string) string {
	n, err := strconv.Atoi(s)
	if err != nil {
		return s
	}
	return strconv.Itoa((n+30)/60) + " minutes"
}

// page is what a page that is no JSON says: its title.
func page(text string) string {
	if m := title.FindStringSubmatch(text); m != nil {
		return "page: " + m[1]
	}
	if len(text) > 80 {
		return text[:80] + "…"
	}
	return text
}

// add writes v and what is in it down under path.
func (f Facts) add(path string, v any, now time.Time) {
	at := path
	if at == "" {
		at = "body"
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			f[at] = "{}"
		}
		for name, member := range v {
			f.add(strings.TrimPrefix(path+"."+name, "."), member, now)
		}
	case []any:
		if len(v) == 0 {
			f[at] = "[]"
		}
		for i, element := range v {
			f.add(path+"["+strconv.Itoa(i)+"]", element, now)
		}
	case string:
		if claims, ok := token(v); ok {
			for name, claim := range claims {
				f[at+"{"+name+"}"] = claimed(name, claim, now)
			}
			return
		}
		f[at] = seconds.ReplaceAllStringFunc(text(v), func(s string) string { return minutes(strings.Fields(s)[0]) })
	case json.Number:
		f[at] = v.String()
		if at == "id" || strings.HasSuffix(at, ".id") {
			f[at] = "a number"
		}
	default:
		f[at] = text(v)
	}
}

// text is v as JSON, without the escapes that only HTML needs.
func text(v any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// token returns the header and the claims of a token.
func token(s string) (map[string]any, bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return nil, false
	}
	all := map[string]any{}
	for _, part := range parts[:2] {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		var members map[string]any
		if err != nil || json.Unmarshal(raw, &members) != nil {
			return nil, false
		}
		maps.Copy(all, members)
	}
	return all, true
}

// claimed is what is compared of a claim.
func claimed(name string, claim any, now time.Time) string {
	switch name {
	case "exp", "iat", "nbf", "auth_time":
		if at, ok := claim.(float64); ok {
			return time.Unix(int64(at), 0).Sub(now).Round(time.Minute).String()
		}
	case "jti", "sid":
		if s, ok := claim.(string); ok && s != "" {
			return "random"
		}
	}
	return text(claim)
}
