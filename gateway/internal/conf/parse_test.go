package conf_test

import (
	"os"
	"strings"
	"testing"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func kong(t testing.TB) *conf.File {
	t.Helper()
	text, err := os.ReadFile("../../testdata/kong.yml")
	require.NoError(t, err)
	f, err := plugin.Types().Parse(text)
	require.NoError(t, err)
	return f
}

func TestAKongFileIsReadWhole(t *testing.T) {
	f := kong(t)
	kinds := map[string]bool{}
	for _, p := range f.Plugins {
		kinds[p.Name] = true
	}
	assert.GreaterOrEqual(t, len(f.Services), 12)
	assert.GreaterOrEqual(t, len(f.Routes), 40)
	assert.GreaterOrEqual(t, len(kinds), 9)
	assert.Len(t, f.Targets, 5)
	assert.Len(t, f.KeyAuths, 3)

	catalog := f.Services[0]
	assert.Equal(t, "http", catalog.Protocol)
	assert.Equal(t, "catalog.internal", catalog.Host)
	assert.Equal(t, 8080, catalog.Port)
	assert.Equal(t, "/v1", catalog.Path)
	assert.Equal(t, 60000, catalog.ReadTimeout)
	route := f.Routes[0]
	assert.Equal(t, conf.Ref(catalog.ID), route.Service)
	assert.True(t, route.StripPath)
	assert.Equal(t, 443, f.Services[4].Port, "of an https URL without one")
}

func TestAFileThatIsWrittenOutAndReadAgainIsTheSame(t *testing.T) {
	f := kong(t)
	text, err := f.YAML()
	require.NoError(t, err)
	again, err := plugin.Types().Parse(text)
	require.NoError(t, err, "%s", text)
	assert.True(t, conf.Same(f, again), "%s", text)
	twice, err := again.YAML()
	require.NoError(t, err)
	assert.Equal(t, string(text), string(twice))
	assert.NotContains(t, string(text), "connect_timeout: 60000", "defaults are left out")

	other := kong(t)
	other.Routes[3].StripPath = !other.Routes[3].StripPath
	assert.False(t, conf.Same(f, other))
	assert.True(t, conf.Same(f, kong(t)), "what is written is not changed by that")
}

func TestNamesGiveTheSameIDsEachTime(t *testing.T) {
	a, b := kong(t), kong(t)
	for i := range a.Plugins {
		assert.Equal(t, a.Plugins[i].ID, b.Plugins[i].ID)
	}
	for _, k := range a.KeyAuths {
		assert.NotContains(t, k.ID, k.Key)
	}
}

func TestTheIDOfACredentialGoesWithItsKey(t *testing.T) {
	const long1, long2 = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	ids := func(alice, bob string) map[string]string {
		f, err := plugin.Types().Parse([]byte("_format_version: \"3.0\"\nconsumers:\n" +
			"  - {username: alice, keyauth_credentials: [" + alice + "]}\n  - {username: bob, keyauth_credentials: [" + bob + "]}\n"))
		require.NoError(t, err)
		out, seen := map[string]string{}, map[string]bool{}
		for _, k := range f.KeyAuths {
			out[k.Key] = k.ID
			assert.False(t, seen[k.ID], "each has an id of its own")
			seen[k.ID] = true
			assert.NotContains(t, k.ID, k.Key)
		}
		return out
	}
	key := func(s string) string { return "{key: " + s + "}" }
	all := ids(key("alice-key-one-000000"), key("bob-key-one-00000000")+","+key(long1)+","+key(long2))
	without := ids("", key("bob-key-one-00000000")+","+key(long2))
	assert.Equal(t, all["bob-key-one-00000000"], without["bob-key-one-00000000"], "another consumer's key is gone")
	assert.Equal(t, all[long2], without[long2], "another key is gone")
	moved := ids(key(long2), "")
	assert.NotEqual(t, all[long2], moved[long2], "it is another consumer's now")
	short := ids("", key("bob-key-two-00000000")+","+key("bob-key-one-00000000"))
	assert.Equal(t, all["bob-key-one-00000000"], short["bob-key-two-00000000"], "short ones have their place, not a hash to guess them by")
}

// each line that is wrong says so behind it.
const wrong = `_format_version: "3.0"
_workspaces: default                       # unknown field
services:
  - name: one
    url: http://one:8000?x=1               # url
    retires: 5                             # unknown field (retries?)
    routes:
      - name: a
        paths:
          - api                            # must begin with /
          - ~/x/(?=y)                      # not a regular expression
          - ~/x/(a)\1                      # not a regular expression
          - /ok
          - /ok                            # given twice
        methods: [get]                     # upper case
        strip_path: maybe                  # true or false
      - name: b                            # at least one of
      - name: c
        paths: [/c]
        expression: http.path == "/"       # unknown field
        sources: [{ip: 10.0.0.1}]          # unknown field
        hosts: ["*.*.example.com"]         # at most one *
        protocols: [grpc]                  # http or https
        plugins:
          - name: rate-limiting
            config: {policy: cluster, second: 0}   # at least one of second; no cluster
          - name: rate-limit               # there is no plugin
            config: {second: 5}
          - name: key-auth
            config:
              key_name: apikey             # unknown field (key_names?)
              anonymous: nobody            # no consumer
  - name: one                              # the same
    host: two
    port: "80"                             # a whole number
    protocol: grpc                         # only http and https
    tls_verify: true                       # no effect
    tls_verify: true                       # given twice
routes:
  - name: d
    paths: [/d]
    service: missing                       # none of that name
consumers:
  - custom_id: x
    keyauth_credentials:
      - key: tiny-key                      # 16 to 128
    jwt_secrets:
      - {key: k, secret: tiny-key}         # secret: weak
    plugins:
      - name: cors                         # cannot be for a consumer
        config: {origins: ["*"], credentials: true}   # wildcard
upstreams:
  - name: up
    algorithm: random                      # must be one of
    healthchecks:
      active: {healthy: {intervals: 5}}    # unknown field
    targets:
      - target: host:99999                 # host:port
`

func TestEveryMistakeIsListedWithItsLine(t *testing.T) {
	_, err := plugin.Types().Parse([]byte(wrong))
	require.Error(t, err)
	ms, ok := err.(conf.Mistakes) //nolint:errorlint // what the function documents
	require.True(t, ok)
	has := map[int]string{}
	for _, m := range ms {
		has[m.Line] += m.String() + "\n"
	}
	for i, line := range strings.Split(wrong, "\n") {
		_, wants, marked := strings.Cut(line, "# ")
		said, found := has[i+1]
		require.Equal(t, marked, found, "line %d: %s\nsaid: %s", i+1, line, said)
		for want := range strings.SplitSeq(wants, "; ") {
			assert.Contains(t, strings.ReplaceAll(said, "\n", " "), want, "line %d", i+1)
		}
	}
	assert.Contains(t, ms.In("kong.yml"), `kong.yml:10: services[0].routes[0].paths[0]: must begin with /`)
	assert.NotContains(t, err.Error(), "tiny-key", "secrets stay out of messages")
}

// exported is what Kong writes: every field, also those of what is switched off.
const exported = `_format_version: "3.0"
_transform: false
services:
- {id: 11111111-2222-4333-8444-555555555555, name: s, host: u.internal, port: 80, protocol: http, path: null, retries: 5, connect_timeout: 60000,
   read_timeout: 60000, write_timeout: 60000, enabled: true, tls_verify: null, tls_verify_depth: null, ca_certificates: null, client_certificate: null,
   tags: null, created_at: 1700000000, updated_at: 1700000000}
routes:
- {id: 11111111-2222-4333-8444-555555555556, name: r, service: 11111111-2222-4333-8444-555555555555, paths: [/r], hosts: null, methods: null, headers: null,
   snis: null, sources: null, destinations: null, protocols: [http, https], regex_priority: 0, strip_path: true, path_handling: v0, preserve_host: false,
   request_buffering: true, response_buffering: true, https_redirect_status_code: 426, tags: null}
upstreams:
- name: u.internal
  slots: 10000
  algorithm: round-robin
  hash_on: none
  hash_fallback: none
  hash_on_cookie_path: /
  use_srv_name: false
  healthchecks:
    threshold: 0
    active: {type: http, http_path: /, timeout: 1, concurrency: 10, healthy: {interval: 0, successes: 0, http_statuses: [200]}, unhealthy: {interval: 0, timeouts: 0}}
    passive: {type: http, healthy: {successes: 0, http_statuses: [200]}, unhealthy: {timeouts: 0, tcp_failures: 0, http_failures: 0, http_statuses: [500]}}
plugins:
- name: rate-limiting
  consumer: null
  consumer_group: null
  ordering: null
  protocols: [grpc, grpcs, http, https]
  config: {second: 5, minute: null, policy: local, redis_host: null, redis: {host: null, port: 6379, ssl: false}, sync_rate: -1, hide_client_headers: false}
- name: response-transformer
  config: {add: {headers: ["a:b"], json: [], json_types: []}, remove: {headers: [], json: []}}
- name: jwt
  config: {secret_is_base64: false, realm: null, cookie_names: []}
`

func TestAPluginsNameMayBeAnAlias(t *testing.T) {
	f, err := plugin.Types().Parse([]byte(`_format_version: "3.0"
_comment: &cors key-auth
plugins:
  - name: *cors
`))
	require.NoError(t, err)
	assert.Equal(t, "key-auth", f.Plugins[0].Name)
	assert.IsType(t, &plugin.KeyAuth{}, f.Plugins[0].Config)
}

func TestWhatKongExportsIsRead(t *testing.T) {
	f, err := plugin.Types().Parse([]byte(exported))
	require.NoError(t, err)
	assert.Equal(t, 5, f.Plugins[0].Config.(*plugin.RateLimiting).Second) //nolint:forcetypeassert // of a test
	assert.Empty(t, f.Notes, "redis has no host")
	for from, to := range map[string]string{
		"hash_on: none":            "hash_on: header",
		"json: [],":                "json: [a:b],",
		"secret_is_base64: false":  "secret_is_base64: true",
		"sources: null":            "sources: [{ip: 10.0.0.1}]",
		"client_certificate: null": "client_certificate: x",
	} {
		_, err := plugin.Types().Parse([]byte(strings.Replace(exported, from, to, 1)))
		require.ErrorContains(t, err, "unknown field", to)
	}
}

func TestWhatIsNoDocumentIsAMistake(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "_format_version",
		"a: [":                                "yaml",
		"_format_version: 3.0\n---\na: 1":     "follows",
		"_format_version: 3.0\nacls: [null]":  "nothing is there",
		"_format_version: 3.0\nservices:\n- ": "nothing is there",
		"- 1":                                 "a table of fields is wanted",
		"services: []":                        "missing",
		"_format_version: '0.1'":              `"1.1", "2.1" and "3.0" are known: "0.1"`,
		"_format_version: 3.0\nx: 1":          "unknown field",
		"_format_version: 3.0\nx: &a [*a]":    "unknown field",
	} {
		_, err := plugin.Types().Parse([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
	f, err := plugin.Types().Parse([]byte("_format_version: 3.0\n"))
	require.NoError(t, err)
	assert.Empty(t, f.Services)
	_, err = plugin.Types().Parse([]byte(`{"_format_version": "3.0", "services": [{"name": "a", "url": "http://b"}]}`))
	require.NoError(t, err, "JSON is YAML")
	f, err = plugin.Types().Parse([]byte(`{"_format_version": "3.0", "_comment": "\ud83d\ude00", "consumers": [{"username": "a"}]}`))
	require.NoError(t, err, "but for its surrogates")
	assert.Len(t, f.Consumers, 1)
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("../../testdata/kong.yml")
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(wrong))
	f.Add([]byte("_format_version: 3.0\nservices: [{name: a, url: 'http://b', routes: [{paths: [/]}]}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := plugin.Types().Parse(text)
		if err != nil {
			return
		}
		out, err := file.YAML()
		require.NoError(t, err)
		again, err := plugin.Types().Parse(out)
		require.NoError(t, err, "%s", out)
		require.True(t, conf.Same(file, again), "%s", out)
	})
}
