package conf

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// FormNode turns a form into the node of an entity: config.second=5 sets a
// field of a field, paths=/a&paths=/b, paths[]=/a and paths[1]=/a make lists.
func FormNode(form url.Values) (*yaml.Node, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for name, values := range form {
		at := root
		parts := strings.Split(name, ".")
		if len(parts) > maxDepth {
			return nil, Mistakes{{Reason: "a name has too many dots"}}
		}
		for _, p := range parts[:len(parts)-1] {
			next := field(at, p)
			if next == nil {
				next = &yaml.Node{Kind: yaml.MappingNode}
				at.Content = append(at.Content, text(p), next)
			}
			if next.Kind != yaml.MappingNode {
				return nil, Mistakes{{Path: name, Reason: "it is a value and a table at once"}}
			}
			at = next
		}
		last, index, isList := strings.Cut(parts[len(parts)-1], "[")
		if isList && !strings.HasSuffix(index, "]") {
			return nil, Mistakes{{Path: name, Reason: "a bracket is not closed"}}
		}
		list := field(at, last)
		switch {
		case !isList && len(values) == 1 && list == nil:
			at.Content = append(at.Content, text(last), formValue(values[0]))
			continue
		case list == nil:
			list = &yaml.Node{Kind: yaml.SequenceNode}
			at.Content = append(at.Content, text(last), list)
		case list.Kind != yaml.SequenceNode:
			return nil, Mistakes{{Path: name, Reason: "given twice"}}
		}
		n, _ := strconv.Atoi(strings.TrimSuffix(index, "]"))
		for _, v := range values {
			el := formValue(v)
			el.Column = n // its place; forms come in no order
			list.Content = append(list.Content, el)
		}
		slices.SortStableFunc(list.Content, func(a, b *yaml.Node) int { return a.Column - b.Column })
	}
	return root, nil
}

// field returns the value of a field of a document; nil if it is not there.
func field(n *yaml.Node, name string) *yaml.Node {
	if i := fieldAt(n, name); i >= 0 {
		return n.Content[i+1]
	}
	return nil
}

// fieldAt returns where the name of a field is in n.Content, -1 if it is not there.
func fieldAt(n *yaml.Node, name string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// formValue is a value of a form; an empty one is null, as in Kong.
func formValue(s string) *yaml.Node {
	if s == "" {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: formTag, Value: s}
}

// JSONNode turns JSON into a node.
func JSONNode(text []byte) (*yaml.Node, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	n, err := jsonNode(dec, 0)
	if errors.Is(err, errDepth) {
		return nil, Mistakes{{Reason: "the JSON is too deep"}}
	}
	if err != nil {
		return nil, Mistakes{{Reason: "not JSON"}}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, Mistakes{{Reason: "something follows the JSON"}}
	}
	return n, nil
}

// maxDepth is more than any entity has.
const maxDepth = 32

var errDepth = errors.New("conf: too deep")

// jsonNode reads the next value. What is there twice is so in the node, too.
func jsonNode(dec *json.Decoder, depth int) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, errDepth
	}
	scalar := func(tag, value string) (*yaml.Node, error) {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}, nil
	}
	switch v := token.(type) {
	case bool:
		return scalar("!!bool", strconv.FormatBool(v))
	case json.Number:
		return scalar("!!float", v.String())
	case string:
		return scalar("!!str", v)
	case json.Delim:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if v == '{' {
			n.Kind = yaml.MappingNode // whose names are values like others
		}
		for dec.More() {
			el, err := jsonNode(dec, depth+1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, el)
		}
		_, err := dec.Token()
		return n, err
	}
	return scalar("!!null", "null")
}

// Given reports whether a document sets a field.
func Given(n *yaml.Node, name string) bool { return field(n, name) != nil }
