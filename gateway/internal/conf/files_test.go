package conf_test

import (
	"strings"
	"testing"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, text string) *conf.File {
	t.Helper()
	f, err := plugin.Types().Parse([]byte(text))
	require.NoError(t, err)
	return f
}

// refused is what is wrong with text.
func refused(t *testing.T, text string) string {
	t.Helper()
	_, err := plugin.Types().Parse([]byte(text))
	require.Error(t, err, text)
	return err.Error()
}

func TestRegularExpressionsInPathsOfOldDocumentsAreFound(t *testing.T) {
	const paths = `
services:
  - name: s
    url: http://s
    routes:
      - name: r
        paths: ['/plain-path/v1.0/_x~y', '/users/(?<id>\d+)$', '/a b|c', '/caf%c3%a9%2f%2Ex+', '~/new/[^/]+']
routes:
  - {name: top, service: s, paths: ['/top/\w+', /top]}
`
	want := []string{"/plain-path/v1.0/_x~y", `~/users/(?<id>\d+)$`, "~/a b|c", `~/caf%C3%A9%2F\.x+`, "~/new/[^/]+"}
	for _, version := range []string{`"1.1"`, `"2.1"`, "2.1"} {
		f := parse(t, "_format_version: "+version+paths)
		assert.Equal(t, want, f.Routes[0].Paths, version)
		assert.Equal(t, []string{`~/top/\w+`, "/top"}, f.Routes[1].Paths, version)
		text, err := f.YAML()
		require.NoError(t, err)
		assert.Contains(t, string(text), `_format_version: "3.0"`)
		assert.True(t, conf.Same(f, parse(t, string(text))), "it is written as 3.0")
	}
	assert.Contains(t, refused(t, "_format_version: 3.0"+paths), `services[0].routes[0].paths[2]: must begin with /`)
}

func TestListsHaveTheirOldNamesInOldDocuments(t *testing.T) {
	const plugins = `
plugins:
  - {name: ip-restriction, config: {whitelist: [10.0.0.0/8], blacklist: [10.1.0.0/16]}}
  - {name: acl, config: {whitelist: [staff]}}
`
	f := parse(t, "_format_version: '2.1'"+plugins)
	assert.Equal(t, []string{"10.0.0.0/8"}, f.Plugins[0].Config.(*plugin.IPRestriction).Allow) //nolint:forcetypeassert // of a test
	assert.Equal(t, []string{"10.1.0.0/16"}, f.Plugins[0].Config.(*plugin.IPRestriction).Deny) //nolint:forcetypeassert // of a test
	assert.Equal(t, []string{"staff"}, f.Plugins[1].Config.(*plugin.ACL).Allow)                //nolint:forcetypeassert // of a test
	why := refused(t, "_format_version: '3.0'"+plugins)
	assert.Contains(t, why, "plugins[0].config.whitelist: unknown field: since 3.0 it is called allow")
	assert.Contains(t, why, "plugins[0].config.blacklist: unknown field: since 3.0 it is called deny")
	assert.Contains(t, refused(t, "_format_version: '1.1'\nplugins: [{name: acl, config: {whitelist: [a], allow: [b]}}]"), "allow: given twice")
}

func TestWhatIsForPeopleAndToolsChangesNothing(t *testing.T) {
	f := parse(t, `_format_version: "3.0"
_comment: of the document
_ignore: [{x: 1}]
_transform: true
_info: {select_tags: [shop, eu]}
_konnect: {control_plane_name: default}
_workspace: blue
services:
  - name: s
    _comment: of an entity
    _ignore: []
    url: http://s
    tags: [eu]
    routes:
      - {name: r, _comment: c, paths: [/], plugins: [{name: key-auth, _comment: c}]}
upstreams: [{name: u, slots: 1000, _comment: c, targets: [{target: "a:1", _ignore: [1]}]}]
consumers: [{username: c, _comment: c, keyauth_credentials: [{key: 0123456789abcdef0123, _comment: c}]}]
`)
	assert.Equal(t, []string{"eu", "shop"}, f.Services[0].Tags)
	text, err := f.YAML()
	require.NoError(t, err)
	assert.Contains(t, string(text), "slots: 1000", "it is kept for those who compare")
	assert.Equal(t, []string{"shop", "eu"}, f.Routes[0].Tags)
	assert.Equal(t, []string{"shop", "eu"}, f.KeyAuths[0].Tags)
	require.Len(t, f.Notes, 2)
	assert.Equal(t, "line 6: note: _konnect: it tells decK where to send this document, and this gateway nothing", strings.Split(f.Notes.Error(), "\n")[0])
	assert.Contains(t, f.Notes.Error(), "line 7: note: _workspace: ")

	for text, want := range map[string]string{
		"_info: {defaults: {service: {retries: 1}}}":                                                                        "_info.defaults: unknown field",
		"plugins: [{name: key-auth, config: {_comment: no}}]":                                                               "config._comment: unknown field",
		"_transform: false\nconsumers: [{username: c, basicauth_credentials: [{username: c, password: 0123456789abcdef}]}]": "_transform: false says that the passwords are Kong's hashes",
		"_comment: [no]": "_comment: unknown field",
		"_ignore: no":    "_ignore: unknown field",
		"services: [{name: s, url: 'http://s', _konnect: {}}]":               "_konnect: unknown field",
		"plugins: [{name: key-auth, _config: none}]":                         `plugins[0]._config: there is none of that name in _plugin_configs: "none"`,
		"basicauth_sessions: []":                                             "basicauth_sessions: unknown field",
		"consumer_groups: [{name: gold}]":                                    "consumer_groups: unknown field: an entity that Kong has and this gateway has not; leave it out, with what needs it",
		"upstreams: [{name: u, hash_on: header}]":                            "upstreams[0].hash_on: unknown field: Kong has it and this gateway has not; leave it out, or let it be none",
		"upstreams: [{name: u, healthchecks: {active: {a: {interval: 5}}}}]": "healthchecks.active.a: unknown field",
		"plugins: [{name: acl, config: {groups: [a]}}]":                      "plugins[0].config.groups: unknown field: there are allow, deny, hide_groups_header",
		"plugins: [{name: jwt, config: {secret_is_base64: true}}]":           "leave it out, or let it be false",
	} {
		assert.Contains(t, refused(t, "_format_version: '3.0'\n"+text), want, text)
	}
}

func TestWithoutPasswordsNothingIsTransformed(t *testing.T) {
	parse(t, "_format_version: '2.1'\n_transform: false\nservices: [{name: s, url: 'http://s'}]")
}

func TestPluginsShareConfigurations(t *testing.T) {
	f := parse(t, `_format_version: "1.1"
_plugin_configs:
  limits: {minute: 10, hour: 20, error_message: Later.}
plugins:
  - {name: rate-limiting, _config: limits, config: {hour: 30}}
`)
	cfg, _ := f.Plugins[0].Config.(*plugin.RateLimiting)
	assert.Equal(t, []any{10, 30, "Later.", "local"}, []any{cfg.Minute, cfg.Hour, cfg.ErrorMessage, cfg.Policy})
	assert.Contains(t, refused(t, `_format_version: "3.0"
_plugin_configs: {limits: {secnd: 5}}
plugins: [{name: rate-limiting, _config: limits, config: {minute: 1}}]
`), "_plugin_configs.limits.secnd: unknown field (second?)")
}

func TestAPlaceholderIsNeverTakenForAValue(t *testing.T) {
	for value, want := range map[string]string{
		"${SUPABASE_ANON_KEY_OF_A_LENGTH}":      "a placeholder that nobody has filled in: ${SUPABASE_ANON_KEY_OF_A_LENGTH}; run the file through what does",
		"${API_KEY:-0123456789abcdef0123}":      "nobody has filled in",
		"$SUPABASE_ANON_KEY_OF_A_LENGTH":        "nobody has filled in",
		"<THE_KEY_OF_THE_CLIENT>":               "nobody has filled in",
		"{{ .Values.keys.client_of_a_length }}": "nobody has filled in",
		`${{ env "DECK_CLIENT_KEY_LONG" }}`:     "deck file render --populate-env-vars",
		"{vault://env/client-key-of-a-length}":  "there are no vaults here",
	} {
		why := refused(t, "_format_version: '3.0'\nconsumers: [{username: c, keyauth_credentials: [{key: '"+value+"'}]}]")
		assert.Contains(t, why, want)
		assert.Equal(t, 1, strings.Count(why, "line"), "one mistake is enough: %s", why)
	}
	parse(t, `_format_version: "3.0"
plugins: [{name: request-termination, config: {status_code: 200, body: "<p>costs $5, ${name}, {id} and {{ total }}</p>"}}]
`)
}

func TestMessagesNameTheFieldsOfTheFile(t *testing.T) {
	for text, want := range map[string]string{
		"cors, config: {origins: ['*'], credentials: true}":                        `config.origins: wildcard with credentials "*": every site could read your users' data; list the origins, or leave credentials false`,
		"cors, config: {credentials: true}":                                        "config.origins: wildcard with credentials",
		"cors, config: {origins: ['http://shop.example'], credentials: true}":      "anyone on the network can change a page over http; use https\n",
		"cors, config: {origins: ['https://a.example'], headers: ['a b']}":         "config.headers: invalid \"a b\"",
		"cors, config: {origins: ['https://a.example'], exposed_headers: ['a b']}": "config.exposed_headers: invalid \"a b\"",
		"cors, config: {origins: ['https://(a|b).example']}":                       "config.origins: invalid",
		"cors, config: {origins: ['https://a.example'], preflight_continue: true}": "config.preflight_continue: preflights are always answered here: leave it out, or false",
		"security-headers, config: {frame_options: never}":                         "config.frame_options: invalid \"never\"",
	} {
		assert.Contains(t, refused(t, "_format_version: '3.0'\nplugins: [{name: "+text+"}]")+"\n", want, text)
	}
	secret := func(fields string) string {
		return refused(t, "_format_version: '3.0'\nconsumers: [{username: c, jwt_secrets: [{key: k, "+fields+"}]}]")
	}
	assert.Contains(t, secret("secret: short"), "jwt_secrets[0].secret: weak: HS256 needs a random secret of at least 32 bytes")
	assert.Contains(t, secret("algorithm: RS256, rsa_public_key: none"), "jwt_secrets[0].rsa_public_key: ")
	assert.Contains(t, secret("algorithm: HS128, secret: 0123456789abcdef0123456789abcdef"), "jwt_secrets[0].algorithm: must be one of HS256, ")
}

func TestWhatNoBrowserAsksForIsNoted(t *testing.T) {
	f := parse(t, `_format_version: "3.0"
plugins:
  - name: cors
    config:
      origins: ["http://localhost:80", "HTTPS://Shop.Example:443/", app.example, "localhost:3000", "http://a.example:8080"]
      headers: [Origin, Content-Type, Access-Control-Allow-Origin, x-token]
      exposed_headers: [Set-Cookie, X-Page]
      methods: [GET, TRACE, CONNECT]
      max_age: 864000
`)
	notes := f.Notes.Error()
	for _, want := range []string{
		`line 6: note: plugins[0].config.headers: "Origin" changes nothing: no browser lets a script send this header; remove it`,
		`config.headers: "Access-Control-Allow-Origin" changes nothing`,
		`config.exposed_headers: "Set-Cookie" changes nothing`,
		`config.max_age: browsers keep it for a day at most: 86400 takes effect`,
	} {
		assert.Contains(t, notes, want)
	}
	assert.Len(t, f.Notes, 4)
	assert.Contains(t, parse(t, "_format_version: '3.0'\nplugins: [{name: cors}]").Notes.Error(), "every origin")
	notes = parse(t, `_format_version: "3.0"
plugins: [{name: rate-limiting, config: {minute: 1, policy: redis, redis: {host: cache, port: 6379}}}]
`).Notes.Error()
	assert.Contains(t, parse(t, `_format_version: "3.0"
plugins: [{name: key-auth, config: {identity_realms: [{scope: cp}]}}]
`).Notes.Error(), "plugins[0].config.identity_realms: realms are Konnect's")
	assert.Contains(t, notes, "plugins[0].config.redis: counts of policy redis are in the Redis of -redis")
}
