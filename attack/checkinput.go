package attack

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// tooSlow is how long a hostile body may keep the service busy, each time: once
// may be something else.
const tooSlow = 5 * time.Second

// writing returns Write, once it is known that the service takes it.
func (s *scan) writing(ctx context.Context, c *Client) (Request, bool) {
	r := s.target.Write
	if r.Path == "" || !s.alice.begun() {
		return r, false
	}
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	r = s.as(s.alice, r)
	_, ok := s.expect(ctx, c, r, "", "Write")
	return r, ok
}

// json sends bodies that cost more than they should, or mean two things.
func (s *scan) json(ctx context.Context, c *Client) {
	good, ok := s.writing(ctx, c)
	if !ok {
		return
	}
	body := strings.TrimSpace(good.Body)
	if !strings.HasPrefix(body, "{") || !json.Valid([]byte(body)) {
		return
	}
	more := func(members string) string { // the good body with members in front
		if rest := strings.TrimSpace(body[1:]); rest != "}" {
			return "{" + members + "," + rest
		}
		return "{" + members + "}"
	}
	var keys strings.Builder
	for i := range 100_000 {
		keys.WriteString(`"k` + itoa(i) + `":0,`)
	}
	taken := func(w weakness, how, body string, header ...http.Header) {
		r := good
		r.Body, r.Header = body, r.Header.Clone()
		for _, h := range header {
			maps.Copy(r.Header, h)
		}
		var took time.Duration
		for range 3 {
			began := time.Now()
			got, err := c.Send(ctx, r) // who hangs up on a hostile body has said no
			took = time.Since(began)
			if err == nil && served(got) {
				s.found(w, "", c.wire(r), "%s: status %d", how, got.Status)
				return
			}
			if took <= tooSlow || ctx.Err() != nil {
				return
			}
		}
		s.found(w, "", c.wire(r), "%s: %s", how, took)
	}
	deep := strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000)
	taken(deepJSON, "50 000 arrays in each other", deep)
	taken(deepJSON, "50 000 arrays in an unknown member", more(`"attack":`+deep))
	taken(deepJSON, "50 000 objects in each other", strings.Repeat(`{"a":`, 50_000)+"1"+strings.Repeat("}", 50_000))
	taken(deepJSON, "100 000 unknown members", more(strings.TrimSuffix(keys.String(), ",")))
	taken(deepJSON, "a number of 100 000 digits", more(`"attack":`+strings.Repeat("9", 100_000)))
	taken(largeBody, "the good body and 16 MiB of spaces", body+strings.Repeat(" ", 16<<20))

	taken(compressed, "the good body and 16 MiB of spaces, by gzip", zipped(body, 16<<20), http.Header{"Content-Encoding": {"gzip"}})

	name, value := firstMember(body)
	if name != "" {
		taken(twiceJSON, "a member twice", more(name+":"+value))
		taken(twiceJSON, "a member twice, once escaped", more(escaped(name)+":"+value))
		taken(twiceJSON, "a member in another case too", more(strings.ToUpper(name)+":"+value))
	}
	taken(twiceJSON, "two bodies", body+body)
	taken(twiceJSON, "invalid UTF-8", more("\"attack\xff\":1"))

	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "application/xml", "application/octet-stream"} {
		r := good
		r.ContentType = kind
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(otherType, "", c.wire(r), "JSON as %s: status %d; a page of another site can send that without asking", kind, got.Status)
		}
	}
	r := good
	r.Body = more(`"is_admin":true,"is_superuser":true,"role":"attack-admin","owner":"attack"`)
	got, ok := s.send(ctx, c, r)
	if ok && served(got) && elevated.Match(got.Body) {
		s.found(massAssignment, "", c.wire(r), "status %d, and the answer shows it", got.Status)
	}
}

// zipped is a body and so many spaces.
func zipped(body string, spaces int) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, body) // a buffer takes everything
	few := bytes.Repeat([]byte(" "), 1<<20)
	for range spaces >> 20 {
		_, _ = w.Write(few)
	}
	_ = w.Close()
	return b.String()
}

// firstMember returns a member of an object as it is written.
func firstMember(body string) (name, value string) {
	var m map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &m) != nil {
		return "", ""
	}
	for n, v := range m {
		quoted, err := json.Marshal(n)
		if err == nil && name == "" || err == nil && string(quoted) < name {
			name, value = string(quoted), string(v)
		}
	}
	return name, value
}

// escaped writes the first letter of a quoted name as an escape.
func escaped(name string) string {
	const digits = "0123456789abcdef"
	if len(name) < 3 || name[1] == '\\' || name[1] > '~' {
		return name
	}
	return `"\u00` + string(digits[name[1]>>4]) + string(digits[name[1]&15]) + name[2:]
}

// invalid sends what Write must refuse.
func (s *scan) invalid(ctx context.Context, c *Client) {
	if len(s.target.Invalid) == 0 {
		return
	}
	good, ok := s.writing(ctx, c)
	if !ok {
		return
	}
	for _, body := range s.target.Invalid {
		r := good
		r.Body = body
		if got, ok := s.send(ctx, c, r); ok && served(got) {
			s.found(invalidInput, "", c.wire(r), "status %d", got.Status)
		}
	}
}

// queries adds what two parsers read differently to requests that are good.
func (s *scan) queries(ctx context.Context, c *Client) {
	for _, r := range s.target.Malformed {
		if _, ok := s.expect(ctx, c, r, "", "a request of Malformed as it is"); !ok {
			continue
		}
		sep := "?"
		if strings.Contains(r.Path, "?") {
			sep = "&"
		}
		for _, query := range []string{"a=%00", "a=%zz", "a=%ff", "a=1;b=2", "a=" + strings.Repeat("a", 16<<10)} {
			odd := r
			odd.Path += sep + query
			got, err := c.sendRaw(ctx, odd)
			if err == nil && served(got) {
				s.found(malformedQuery, "", c.wire(odd), "status %d", got.Status)
				break
			}
		}
	}
}

// htmlMark tells our payloads from what else is there.
const htmlMark = "attack7f3a"

// payloads are strings that a browser would run, if they came through.
func payloads() []string {
	return []string{
		`<script>alert("` + htmlMark + `")</script>`, `<img src=x onerror=alert("` + htmlMark + `")>`, `<svg/onload=alert("` + htmlMark + `")>`,
		`<a href="javascript:alert('` + htmlMark + `')">x</a>`, `<a href="java&#x0A;script:alert('` + htmlMark + `')">x</a>`,
		`<iframe srcdoc="<script>alert('` + htmlMark + `')</script>"></iframe>`, `<math><mtext><table><mglyph><style><img src=x onerror=alert("` + htmlMark + `")>`,
		`<p style="background:url(javascript:alert('` + htmlMark + `'))">x</p>`, `<scr<script>ipt>alert("` + htmlMark + `")</script>`,
		`<b onmouseover=alert("` + htmlMark + `")>x</b>`, `<form action="javascript:alert('` + htmlMark + `')"><button>x</button></form>`,
	}
}

// elevated is a sign that a client gave itself a role.
var elevated = regexp.MustCompile(`"is_admin":\s*true|"is_superuser":\s*true|attack-admin`) // read-only

var active = regexp.MustCompile(`(?is)<\s*(script|iframe|object|embed|svg|math|style|form|base|link|meta)\b|<[^>]*[\s/"']on[a-z]+\s*=|<[^>]*(href|src|action|style)\s*=[^>]*javascript:`) // read-only

// html stores hostile HTML and looks at what is shown; and sends some to see
// whether it comes back.
func (s *scan) html(ctx context.Context, c *Client) {
	for _, p := range payloads() {
		if s.target.HTML == nil || s.target.Write.Path == "" || s.target.Read == "" || !s.alice.begun() {
			break
		}
		r := s.as(s.alice, s.target.Write)
		if r.Method == "" {
			r.Method = http.MethodPost
		}
		r.Body = s.target.HTML(p)
		if got, ok := s.send(ctx, c, r); !ok || !served(got) {
			continue // refused, which is as good
		}
		got, ok := s.expect(ctx, c, s.as(s.alice, Request{Path: s.target.Read}), "", "Read")
		if !ok {
			break
		}
		for _, text := range stringsIn(got) {
			if strings.Contains(text, htmlMark) && active.MatchString(text) {
				s.found(htmlStored, "", c.wire(r), "%s shows %.300q", s.target.Read, text)
			}
		}
	}
	if s.target.Public == "" {
		return
	}
	script := "%3Cscript%3E" + htmlMark + "%3C/script%3E"
	for _, r := range []Request{
		{Path: s.target.Public + "?q=" + script + "&callback=" + script},
		{Path: "/attack-missing/" + script},
		{Path: s.target.Public, Header: http.Header{"Referer": {"https://evil.example/<script>" + htmlMark}, "User-Agent": {"<script>" + htmlMark}}},
		{Method: http.MethodPost, Path: s.target.Public, Body: "<script>" + htmlMark + "</script>", ContentType: "text/html"},
	} {
		s.send(ctx, c, r) // observe looks at the response
	}
}

// stringsIn returns the strings of a JSON response, or the whole of another.
func stringsIn(r Response) (all []string) {
	var v any
	if json.Unmarshal(r.Body, &v) != nil {
		return []string{string(r.Body)}
	}
	var walk func(v any)
	walk = func(v any) {
		switch x := v.(type) {
		case string:
			all = append(all, x)
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			for _, e := range x {
				walk(e)
			}
		}
	}
	walk(v)
	return all
}

// multipart sends hostile forms to Upload, and one to Write, which takes JSON.
func (s *scan) multipart(ctx context.Context, c *Client) {
	const boundary = "attackboundary"
	const kind = "multipart/form-data; boundary=" + boundary
	part := func(header, body string) string {
		return "--" + boundary + "\r\n" + header + "\r\n\r\n" + body + "\r\n"
	}
	const end = "--" + boundary + "--\r\n"
	field := func(name string) string { return `Content-Disposition: form-data; name="` + name + `"` }
	file := func(name string) string { return field("file") + `; filename="` + name + `"` }
	good := part(file("a.txt"), "a") + end

	try := func(w weakness, r Request, how string) {
		got, err := c.Send(ctx, r) // who hangs up has said no
		if err == nil && served(got) {
			s.found(w, "", c.wire(r), "%s: status %d", how, got.Status)
		}
	}
	if w := s.target.Write; w.Path != "" && s.alice.begun() && strings.HasPrefix(or(w.ContentType, "application/json"), "application/json") {
		r := s.as(s.alice, w)
		if r.Method == "" {
			r.Method = http.MethodPost
		}
		r.Body, r.ContentType = good, kind
		try(otherType, r, "a form")
	}
	if s.target.Upload.Path == "" || !s.alice.begun() {
		return
	}
	r := s.as(s.alice, s.target.Upload)
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	r.ContentType, r.Body = kind, good
	if _, ok := s.expect(ctx, c, r, "", "Upload"); !ok {
		return
	}
	for how, body := range map[string]string{
		"20 000 parts":                 strings.Repeat(part(field("x"), ""), 20_000) + good,
		"20 000 files":                 strings.Repeat(part(file("x"), ""), 20_000) + good,
		"a part with 10 000 headers":   part(strings.Repeat("X-A: b\r\n", 10_000)+file("a.txt"), "a") + end,
		"a name of 1 MiB":              part(field(strings.Repeat("a", 1<<20)), "a") + good,
		"32 MiB in one file":           part(file("a.txt"), strings.Repeat("a", 32<<20)) + end,
		"no end":                       part(file("a.txt"), "a"),
		"a form in a form in a form …": strings.Repeat("--"+boundary+"\r\nContent-Type: "+kind+"\r\n\r\n", 5_000) + good,
	} {
		hostile := r
		hostile.Body = body
		try(multipartBomb, hostile, how)
	}
}
