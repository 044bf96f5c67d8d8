package markup

import "html"

// StripTags returns the text of the HTML s: tags and comments are dropped,
// scripts and styles with their content, entities are decoded. The result is
// plain text for storing or searching. It may hold "<", so it must be escaped
// wherever it is shown as HTML; stripping it again would lose that text.
func StripTags(s string) string {
	if isCleanText(s) {
		return s
	}
	return html.UnescapeString((&Policy{dropCode: true, oneBreak: true}).Clean(s))
}
