package conf

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// isOld reports whether a _format_version is from before 3.0: in it a path that is
// a regular expression looks like any other, and lists have other names.
func isOld(version string) bool { return version == "1.1" || version == "2.1" }

// oldName returns what a field has been called since 3.0.
func oldName(name string) string {
	switch name {
	case "whitelist":
		return "allow"
	case "blacklist":
		return "deny"
	}
	return ""
}

// plainPath is what Kong takes for no regular expression, when it reads a document
// from before 3.0.
var plainPath = regexp.MustCompile(`^[a-zA-Z0-9.\-_~/%]*$`) // read-only

// escape is one of the percent-encoding.
var escape = regexp.MustCompile(`%[0-9a-fA-F]{2}`) // read-only

// newPath returns a path of such a document as 3.0 has it. Kong before 3.0 decoded
// it; since then an expression meets the path that is normalized.
func newPath(path string) string {
	if plainPath.MatchString(path) || strings.HasPrefix(path, "~") { // which decK sends on as it is
		return path
	}
	return "~" + escape.ReplaceAllStringFunc(path, func(s string) string {
		c := unhex(s[1])<<4 | unhex(s[2])
		switch {
		case strings.IndexByte("!#$%&'()*+,/:;=?@[]", c) >= 0:
			return strings.ToUpper(s)
		case strings.IndexByte(`.^-{}\|`, c) >= 0:
			return `\` + string(rune(c))
		case c >= 0x80 || c <= ' ':
			return strings.ToUpper(s) // as the normalized path has it
		}
		return string(rune(c))
	})
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// newPaths brings the paths of an old document's routes up to date.
func (doc *document) newPaths() {
	routes := doc.Routes
	for _, s := range doc.Services {
		routes = append(slices.Clip(routes), s.Routes...)
	}
	for _, r := range routes {
		for i, p := range r.Paths {
			r.Paths[i] = newPath(p)
		}
	}
}

// placeholder is a text that some tool was to replace: envsubst, decK, a chart.
var placeholder = regexp.MustCompile(`\$\{\{.*?\}\}|^\{\{.*\}\}$|\$\{[A-Z][A-Z0-9_]*(:?[-=].*?)?\}|^\$[A-Z][A-Z0-9_]+$|^<[A-Z][A-Z0-9_]+>|\{vault://.*?\}`) // read-only

// unfilled reports a placeholder as a mistake: as it stands it might even be taken,
// for a key that everybody knows.
func (d *decoder) unfilled(n *yaml.Node, path string) bool {
	if n.Tag == formTag || !strings.ContainsAny(n.Value, "$<{") { // which is quick
		return false
	}
	what := placeholder.FindString(n.Value)
	switch {
	case what == "":
		return false
	case d.unread == nil:
		d.unread = map[string]bool{}
	}
	d.unread[path] = true
	switch {
	case strings.HasPrefix(what, "{vault:"):
		d.bad(n, path, "there are no vaults here: write the value in place of %s", what)
	case strings.HasPrefix(what, "${{"):
		d.bad(n, path, "decK fills in %s: write what deck file render --populate-env-vars makes of this file", what)
	default:
		d.bad(n, path, "a placeholder that nobody has filled in: %s; run the file through what does, such as envsubst", what)
	}
	return true
}
