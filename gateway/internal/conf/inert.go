package conf

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// off lists fields that Kong has and this gateway has not, each with the value
// that means nothing: "*" is any, and "name=value" a table whose fields called
// name, at any depth, all have the value. Null means nothing in any case.
type off map[string]string

// inert reports whether a field that this gateway has not, of the table v, has
// the value that means nothing: Kong writes every field into what it exports.
// Any other value is a mistake. A plugin's configuration says by itself which
// fields those are.
func inert(v reflect.Value, name string, value *yaml.Node) bool {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	allowed, known := offOf(v)[name]
	field, want, table := strings.Cut(allowed, "=")
	switch {
	case !known:
		return false
	case table:
		return every(value, field, want)
	case value.Kind == yaml.ScalarNode:
		return value.ShortTag() == "!!null" || allowed != "" && slices.Contains([]string{allowed, "*"}, value.Value) || allowed == "*"
	}
	return value.Kind == yaml.SequenceNode && len(value.Content) == 0
}

// offOf is off for the table v, which can be addressed.
func offOf(v reflect.Value) off {
	if t, ok := reflect.TypeAssert[interface{ Inert() map[string]string }](v.Addr()); ok {
		return t.Inert()
	}
	return entityOff(ownerName(v.Type().Name()))
}

// foreign reports whether a list of a document is of entities that Kong has and this
// gateway has not.
func foreign(list string) bool {
	return strings.HasSuffix(list, "auth_credentials") || slices.Contains([]string{
		"oauth2_credentials", "oauth2_tokens", "mtls_auth_credentials", "groups", "vaults", "keys", "key_sets",
		"licenses", "service_packages", "filter_chains", "partials", "custom_entities", "rbac_roles", "workspaces",
	}, list)
}

// entityOff is off for the entities.
func entityOff(owner string) off {
	return map[string]off{
		"Service":  {"tls_verify_depth": "", "client_certificate": "", "tls_sans": ""},
		"Route":    {"sources": "", "destinations": "", "expression": "", "priority": ""},
		"Consumer": {"type": ""},
		"Upstream": {
			"use_srv_name": "false", "client_certificate": "",
			"hash_on": "none", "hash_on_header": "", "hash_on_cookie": "", "hash_on_cookie_path": "/",
			"hash_on_uri_capture": "", "hash_on_query_arg": "",
			"hash_fallback": "none", "hash_fallback_header": "", "hash_fallback_uri_capture": "", "hash_fallback_query_arg": "",
		},
		"Healthchecks": {"threshold": "0"},
		"Certificate":  {"cert_alt": "", "key_alt": ""},
		"Plugin":       {"ordering": "", "condition": "", "run_on": "first"},
	}[owner]
}

// every reports whether all fields of that name, at any depth, are null or have
// the value.
func every(n *yaml.Node, name, want string) bool {
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		v := n.Content[i+1]
		if v.Kind == yaml.MappingNode && !every(v, name, want) {
			return false
		}
		if n.Content[i].Value == name && v.ShortTag() != "!!null" && (want == "" || v.Value != want) {
			return false
		}
	}
	return n.Kind == yaml.MappingNode || n.ShortTag() == "!!null"
}

// ownerName is what entityOff calls a table.
func ownerName(goType string) string {
	return strings.TrimSuffix(strings.ToUpper(goType[:1])+goType[1:], "Doc")
}
