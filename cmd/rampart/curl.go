package main

import (
	"fmt"
	"net/url"
	"strings"
)

// curl is a command line that sends a request again. What no HTTP client sends goes out
// as it is, by nc or openssl.
func curl(origin, request string) string {
	head, body, ok := strings.Cut(request, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	first := strings.Split(lines[0], " ")
	if !ok || len(first) != 3 || strings.Contains(request, " […] ") && !strings.Contains(body, " […] ") {
		return raw(origin, request)
	}
	var b strings.Builder
	b.WriteString("curl -i --path-as-is")
	switch first[0] {
	case "GET":
	case "HEAD":
		b.WriteString(" -I")
	default:
		b.WriteString(" -X " + quote(first[0]))
	}
	seen := map[string]bool{}
	host := strings.TrimPrefix(strings.TrimPrefix(origin, "https://"), "http://")
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		lower := strings.ToLower(name)
		if !ok || strings.ContainsAny(line, "\r\n\x00") || strings.TrimSpace(name) != name || strings.Contains(name, " ") || lower == "transfer-encoding" || seen["host"] && lower == "host" {
			return raw(origin, request)
		}
		seen[lower] = true
		if lower == "content-length" {
			if value != fmt.Sprint(len(body)) && !strings.Contains(body, " […] ") && !strings.Contains(body, "<") {
				return raw(origin, request)
			}
			continue
		}
		if lower == "host" && value == host {
			continue
		}
		b.WriteString(" -H " + quote(line))
	}
	if !seen["host"] {
		return raw(origin, request)
	}
	if body != "" {
		b.WriteString(" --data-binary " + quote(body))
	}
	target := first[1]
	switch {
	case target == "*":
		b.WriteString(" --request-target '*' " + quote(origin))
	case strings.HasPrefix(target, "/"):
		b.WriteString(" " + quote(origin+target))
	default:
		b.WriteString(" --request-target " + quote(target) + " " + quote(origin))
	}
	return b.String()
}

// quote is a word of a POSIX shell; what is not printed is written as bash and zsh read it.
func quote(s string) string {
	plain, bare := true, s != ""
	for _, r := range s {
		bare = bare && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r))
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			plain = false
		}
	}
	switch {
	case bare:
		return s
	case plain:
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return "$'" + escape(s, `\'`) + "'"
}

// escape writes bytes that are not printed, and those of more, as octal numbers.
func escape(s, more string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || strings.IndexByte(more, c) >= 0 {
			fmt.Fprintf(&b, `\%03o`, c)
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// raw sends bytes as they are.
func raw(origin, request string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	port := u.Port()
	send := "nc " + quote(u.Hostname()) + " "
	switch {
	case u.Scheme == "https" && port == "":
		port = "443"
	case port == "":
		port = "80"
	}
	if u.Scheme == "https" {
		send = "openssl s_client -quiet -connect " + quote(u.Hostname()+":"+port)
	} else {
		send += port
	}
	return "printf '" + escape(request, `\'%`) + "' | " + send
}
