package redisx

// Text returns what a string of a reply says, and whether it is one: clients give
// it as a string or as bytes.
func Text(v any) (string, bool) {
	switch s := v.(type) {
	case string:
		return s, true
	case []byte:
		return string(s), true
	default:
		return "", false
	}
}

// Strings returns a list's strings, and whether reply is a list of strings alone.
func Strings(reply any) ([]string, bool) {
	list, ok := reply.([]any)
	texts := make([]string, len(list))
	for i, v := range list {
		text, isText := Text(v)
		texts[i], ok = text, ok && isText
	}
	return texts, ok
}
