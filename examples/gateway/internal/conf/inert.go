package conf

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// inert says whether a field that this gateway has not, of a table named owner,
// has the value that means nothing: Kong writes every field into what it
// exports. Any other value is a mistake.
func inert(owner, name string, value *yaml.Node) bool {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	allowed, known := map[string]string{
		"Service.tls_verify_depth": "", "Service.client_certificate": "", "Service.tls_sans": "",
		"Route.sources": "", "Route.destinations": "", "Route.expression": "", "Route.priority": "",
		"Consumer.type":                "",
		"KeyAuth.ttl":                  "",
		"Upstream.slots":               "10000",
		"Upstream.hash_on":             "none",
		"Upstream.hash_fallback":       "none",
		"Upstream.hash_on_header":      "",
		"Upstream.hash_on_cookie":      "",
		"Upstream.hash_on_uri_capture": "", "Upstream.hash_on_query_arg": "",
		"Upstream.hash_fallback_header": "", "Upstream.hash_fallback_uri_capture": "", "Upstream.hash_fallback_query_arg": "",
		"Upstream.hash_on_cookie_path": "/",
		"Upstream.use_srv_name":        "false",
		"Upstream.client_certificate":  "",
		"Healthchecks.threshold":       "0",
		"Certificate.cert_alt":         "", "Certificate.key_alt": "", "CACertificate.cert_digest": "*",
		"Plugin.consumer_group": "", "Plugin.ordering": "", "Plugin.condition": "", "Plugin.run_on": "first",
		"RateLimiting.redis_host": "", "RateLimiting.redis_port": "6379", "RateLimiting.redis_password": "", "RateLimiting.redis_username": "",
		"RateLimiting.redis_timeout": "2000", "RateLimiting.redis_database": "0", "RateLimiting.redis_ssl": "false",
		"RateLimiting.redis_ssl_verify": "false", "RateLimiting.redis_server_name": "", "RateLimiting.sync_rate": "-1",
		"KeyAuthConfig.key_in_body": "false", "KeyAuthConfig.realm": "",
		"JWT.secret_is_base64": "false", "JWT.realm": "",
		"ACLConfig.always_use_authenticated_groups": "false", "ACLConfig.include_consumer_groups": "false",
		"CORS.allow_origin_absent": "true",
		"HeaderValues.json":        "[]", "HeaderNames.json": "[]", "HeaderValues.json_types": "[]",
		"Prometheus.ai_metrics": "false", "Prometheus.wasm_metrics": "false",
	}[owner+"."+name]
	switch {
	case owner == "Healthchecks" && name == "active":
		return every(value, "interval", "0")
	case owner == "RateLimiting" && name == "redis":
		return every(value, "host", "")
	case !known:
		return false
	case value.Kind == yaml.ScalarNode:
		return value.ShortTag() == "!!null" || allowed != "" && slices.Contains([]string{allowed, "*"}, value.Value) || allowed == "*"
	}
	return value.Kind == yaml.SequenceNode && len(value.Content) == 0
}

// every says whether all fields of that name, at any depth, are null or have
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

// ownerName is what inert calls a table.
func ownerName(goType string) string {
	return strings.TrimSuffix(strings.ToUpper(goType[:1])+goType[1:], "Doc")
}
