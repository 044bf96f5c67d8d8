package sanitize

// Slug reports whether s is a slug: one or more ASCII letters, digits, underscores
// and hyphens, as Django's validate_slug. The error is an [*Invalid].
func Slug(s string) error {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return notASlug()
		}
	}
	if s == "" {
		return notASlug()
	}
	return nil
}

func notASlug() error {
	return &Invalid{Code: "slug", Detail: "Enter a valid “slug” consisting of letters, numbers, underscores or hyphens."}
}
