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

// Texts returns the strings of a list, and whether reply is one of strings alone.
func Texts(reply any) ([]string, bool) {
	list, ok := reply.([]any)
	texts := make([]string, len(list))
	for i, v := range list {
		text, isText := Text(v)
		texts[i], ok = text, ok && isText
	}
	return texts, ok
}
