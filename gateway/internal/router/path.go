package router

import (
	"strings"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// Normalize returns an escaped path as both the router and the upstream see it
// (RFC 3986 section 6.2.2): unreserved characters are not escaped, escapes are
// in upper case, there are no dot segments and no double slashes. So nobody
// gets around a route's plugins by writing its path in another way. An escaped
// slash stays one: it is no separator.
func Normalize(path string) string {
	if !odd(path) {
		return path
	}
	var out []byte
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]) {
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			if unreserved(c) {
				out = append(out, c)
			} else {
				out = append(out, '%', upper(path[i+1]), upper(path[i+2]))
			}
			i += 2
			continue
		}
		out = append(out, c)
	}
	return dots(string(out))
}

// odd reports whether there may be anything to do.
func odd(path string) bool {
	for i := range len(path) {
		switch path[i] {
		case '%':
			return true
		case '.', '/':
			if i > 0 && path[i-1] == '/' {
				return true
			}
		}
	}
	return false
}

// dots removes dot segments (RFC 3986 section 5.2.4) and empty ones.
func dots(path string) string {
	var out []string
	parts := strings.Split(path, "/")
	for i, p := range parts {
		last := i == len(parts)-1
		switch p {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, p)
			last = false
		}
		if last && len(out) > 0 { // a path that ends in / or a dot segment
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

func upper(c byte) byte {
	if c >= 'a' {
		return c - 0x20
	}
	return c
}

func unreserved(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '.' || c == '_' || c == '~'
}

// Upstream returns the path for the upstream, as Kong documents path_handling:
// v0 treats the parts as segments and puts one slash between them, v1 joins
// them as they are.
func Upstream(service string, r *conf.Route, matched int, path string) string {
	if service == "" {
		service = "/"
	}
	rest := path
	if r.StripPath {
		rest = harmless(path[matched:])
	}
	if r.PathHandling == "v1" {
		return merge(service + rest)
	}
	switch {
	case rest == "" && service == "/":
		return "/"
	case rest == "" || !r.StripPath && rest == "/" && !strings.HasSuffix(service, "/"):
		service = strings.TrimSuffix(service, "/")
		if rest == "" && len(path) > 1 && strings.HasSuffix(path, "/") {
			service += "/"
		}
		return service
	}
	return strings.TrimSuffix(service, "/") + "/" + strings.TrimPrefix(rest, "/")
}

// harmless drops a dot segment with which the rest begins: a prefix need not end
// where a segment does, so /api../x would else leave the service's path.
func harmless(rest string) string {
	first, after, _ := strings.Cut(rest, "/")
	if dotted(first) {
		return after
	}
	return rest
}

// Ambiguous reports whether a normalized path has a dot segment for an upstream
// that takes ; or an escaped slash or backslash for the end of a segment, as
// Tomcat and IIS do: /public/..;/admin. No route could be chosen for it.
func Ambiguous(path string) bool {
	return strings.ContainsAny(path, ";%") && dotted(path)
}

// separators end a segment, for some server at least. Normalize has put escapes
// in upper case.
var separators = strings.NewReplacer(";", "/", "%3B", "/", "%2F", "/", "%5C", "/") //nolint:gochecknoglobals // read-only

// dotted reports whether one of the parts between separators is . or ..
func dotted(path string) bool {
	for part := range strings.SplitSeq(separators.Replace(path), "/") {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// merge makes one slash of two.
func merge(path string) string {
	path = strings.ReplaceAll(path, "//", "/")
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}
