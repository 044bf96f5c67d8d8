package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// grouped has a request-termination for each scope of Kong's order of precedence.
const grouped = `_format_version: "3.0"
services:
  - {name: s, url: "http://127.0.0.1:1", routes: [{name: r, paths: [/api]}]}
consumers:
  - {username: alice, keyauth_credentials: [{key: alice-key-0123456789}], groups: [{name: gold}]}
  - {username: bob, keyauth_credentials: [{key: bob-key-0123456789abc}]}
consumer_groups:
  - {name: gold}
  - {name: other, consumers: [bob]}
plugins:
  - {name: key-auth}
`

func TestPluginsOfGroupsRunInKongsOrderOfPrecedence(t *testing.T) {
	order := []string{
		"consumer: alice, route: r, service: s", "consumer_group: gold, route: r, service: s", "consumer: alice, route: r", "consumer: alice, service: s",
		"consumer_group: gold, route: r", "consumer_group: gold, service: s", "route: r, service: s", "consumer: alice", "consumer_group: gold", "route: r", "service: s", "",
	}
	plugin := func(scope string) string {
		return fmt.Sprintf("  - {name: request-termination, %s, config: {status_code: 200, message: %q}}\n", strings.Trim(scope+", enabled: true", ", "), "="+scope)
	}
	for i, scope := range order {
		var text strings.Builder
		text.WriteString(grouped)
		for _, less := range order[i:] {
			text.WriteString(plugin(less))
		}
		e := start(t, text.String())
		assert.Equal(t, "="+scope, e.get("/api", "apikey: alice-key-0123456789").json(t)["detail"])
		bobs := scope
		for _, own := range order[i:] {
			if bobs = own; !strings.Contains(own, "alice") && !strings.Contains(own, "gold") {
				break
			}
		}
		assert.Equal(t, "="+bobs, e.get("/api", "apikey: bob-key-0123456789abc").json(t)["detail"], "who is in no such group")
	}
}

func TestConsumerGroupsInTheAdminAPI(t *testing.T) {
	e := start(t, grouped)
	names := func(path, field string) string {
		r := do(t, "GET", e.admin+path, "")
		require.Equal(t, 200, r.status, r.body)
		var all []string
		data, _ := r.json(t)["data"].([]any)
		for _, one := range data {
			all = append(all, fmt.Sprint(one.(map[string]any)[field])) //nolint:forcetypeassert // of a test
		}
		return strings.Join(all, " ")
	}
	assert.Equal(t, "alice", names("/consumer_groups/gold/consumers", "username"))
	assert.Empty(t, names("/consumer_groups/gold/consumers?tags=none", "username"))
	assert.Equal(t, 400, do(t, "GET", e.admin+"/consumer_groups/gold/consumers?tags=", "").status)
	whole := do(t, "GET", e.admin+"/consumer_groups/gold", "").json(t)
	assert.Equal(t, "gold", whole["consumer_group"].(map[string]any)["name"]) //nolint:forcetypeassert // of a test
	assert.Len(t, whole["consumers"], 1, "beside its consumers, as in Kong")
	assert.Equal(t, "other", names("/consumers/bob/consumer_groups", "name"))
	require.Equal(t, 201, e.form("POST", "/consumer_groups", "name", "silver").status)
	require.Equal(t, 201, e.form("POST", "/consumer_groups/silver/consumers", "consumer", "bob").status)
	assert.Equal(t, 409, e.form("POST", "/consumer_groups/silver/consumers", "consumer", "bob").status)
	assert.Equal(t, 404, e.form("POST", "/consumer_groups/silver/consumers", "consumer", "nobody").status)
	assert.Equal(t, 400, e.form("POST", "/consumer_groups/silver/consumers", "consumers", "bob").status)
	require.Equal(t, 201, e.form("POST", "/consumers/alice/consumer_groups", "group", "silver").status)
	require.Equal(t, 201, e.form("POST", "/consumer_groups/silver/plugins", "name", "rate-limiting", "config.minute", "1").status)
	assert.Equal(t, 400, e.form("POST", "/consumer_groups/silver/plugins", "name", "cors", "config.origins", "https://a").status)

	bob := "apikey: bob-key-0123456789abc"
	assert.Equal(t, 502, e.get("/api", bob).status)
	assert.Equal(t, 429, e.get("/api", bob).status)
	assert.Equal(t, 502, e.get("/api", "apikey: alice-key-0123456789").status, "each of them has a count")

	require.Equal(t, 201, e.form("POST", "/consumers?save=true", "username", "new").status)
	require.NoError(t, e.g.Reload(t.Context()), "it is written as it can be read")
	assert.Equal(t, 429, e.get("/api", bob).status)
	assert.Equal(t, 200, do(t, "GET", e.admin+"/consumers/bob/consumer_groups/silver", "").status)
	require.Equal(t, 204, do(t, "DELETE", e.admin+"/consumer_groups/silver/consumers/bob", "").status)
	assert.Equal(t, 404, do(t, "DELETE", e.admin+"/consumer_groups/silver/consumers/bob", "").status)
	assert.Equal(t, 404, do(t, "GET", e.admin+"/consumers/bob/consumer_groups/silver", "").status)
	assert.Equal(t, 502, e.get("/api", bob).status)
	require.Equal(t, 204, do(t, "DELETE", e.admin+"/consumer_groups/gold", "").status)
	assert.Equal(t, "silver", names("/consumers/alice/consumer_groups", "name"))
	require.Equal(t, 204, do(t, "DELETE", e.admin+"/consumers/alice", "").status)
	assert.Empty(t, names("/consumer_groups/silver/consumers", "username"))
}

func TestAPluginForAConsumerAndAGroupIsAMistake(t *testing.T) {
	e := start(t, grouped)
	r := e.form("POST", "/consumer_groups/gold/plugins", "name", "request-termination", "consumer.username", "alice")
	assert.Equal(t, 400, r.status)
	assert.Contains(t, r.body, "for a consumer or for a group")
}

func TestAGroupOnARouteWithoutAServiceGoesBeforeAConsumer(t *testing.T) {
	e := start(t, strings.Replace(grouped, "services:", "routes: [{name: alone, paths: [/alone]}]\nservices:", 1)+`
  - {name: request-termination, consumer: alice, config: {status_code: 200, message: consumer}}
  - {name: request-termination, consumer_group: gold, route: alone, config: {status_code: 200, message: group and route}}
`)
	assert.Equal(t, "group and route", e.get("/alone", "apikey: alice-key-0123456789").json(t)["detail"])
	assert.Equal(t, "consumer", e.get("/api", "apikey: alice-key-0123456789").json(t)["detail"])
}
