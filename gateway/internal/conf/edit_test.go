package conf_test

import (
	"net/url"
	"testing"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/plugin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReferencesMayBeNamesIDsOrTables(t *testing.T) {
	f, err := plugin.Types().Parse([]byte(`_format_version: "3.0"
services:
  - {id: 11111111-2222-4333-8444-555555555555, name: s, url: "https://up:444/x/", tls_verify: false, ca_certificates: []}
routes:
  - {name: a, paths: [/a], service: s}
  - {name: b, paths: [/b], service: {name: s}}
  - {name: c, paths: [/c], service: {id: 11111111-2222-4333-8444-555555555555}}
upstreams: [{name: u.internal}]
targets: [{target: 10.0.0.1, upstream: u.internal}]
consumers: [{username: bob}]
keyauth_credentials: [{consumer: {username: bob}, key: 0123456789abcdef}]
jwt_secrets: [{consumer: bob, key: k, secret: 0123456789abcdef0123456789abcdef}]
acls: [{consumer: bob, group: g}]
plugins: [{name: rate-limiting, consumer: bob, route: a, config: {minute: 5.0}}]
`))
	require.NoError(t, err)
	for _, r := range f.Routes {
		assert.Equal(t, conf.Ref("11111111-2222-4333-8444-555555555555"), r.Service)
	}
	assert.Equal(t, "10.0.0.1:8000", f.Targets[0].Target, "Kong's default port")
	assert.Equal(t, 5, f.Plugins[0].Config.(*plugin.RateLimiting).Minute) //nolint:forcetypeassert // of a test
	text, err := f.YAML()
	require.NoError(t, err)
	again, err := plugin.Types().Parse(text)
	require.NoError(t, err, "%s", text)
	assert.True(t, conf.Same(f, again))
	_, err = plugin.Types().Parse([]byte("_format_version: 3.0\nroutes:\n- {paths: [/], service: {hots: b}}"))
	require.ErrorContains(t, err, "a name, or {id")
	_, err = plugin.Types().Parse([]byte("_format_version: 3.0\nservices:\n- {host: a, routes: [{paths: [/], service: b}]}"))
	require.ErrorContains(t, err, "inside which it is written")
	_, err = plugin.Types().Parse([]byte("_format_version: 3.0\nservices: {}\nconsumers: 5\nroutes:\n- {paths: [/], service: [a], headers: [x], methods: {}}"))
	require.ErrorContains(t, err, "services: a list is wanted")
	require.ErrorContains(t, err, "headers: a table is wanted")
	require.ErrorContains(t, err, "service: a single value is wanted")
}

func TestFormsAreReadAsKongReadsThem(t *testing.T) {
	services, _ := conf.KindNamed("services")
	apply := func(form url.Values) (conf.Entity, error) {
		n, err := conf.FormNode(form)
		if err != nil {
			return nil, err
		}
		_, e, err := (&conf.File{}).Apply(conf.Change{Kind: services, Body: n})
		return e, err
	}
	e, err := apply(url.Values{"host": {"h"}, "tags[2]": {"b"}, "tags[1]": {"a"}, "port": {"81"}, "enabled": {"false"}})
	require.NoError(t, err)
	got := conf.JSON(e)
	assert.Equal(t, []any{"a", "b"}, got["tags"])
	assert.Equal(t, 81, got["port"])
	assert.Equal(t, false, got["enabled"])
	for name, form := range map[string]url.Values{
		"an open bracket":      {"tags[": {"a"}},
		"two values":           {"host": {"a", "b"}},
		"a value and a list":   {"host": {"a"}, "host[]": {"b"}},
		"a text for a number":  {"host": {"a"}, "port": {"http"}},
		"a number with a part": {"host": {"a"}, "port": {"80.5"}},
		"a text for a truth":   {"host": {"a"}, "enabled": {"perhaps"}},
	} {
		_, err := apply(form)
		assert.Error(t, err, name)
	}
}

func TestJSONMayHoldNulls(t *testing.T) {
	services, _ := conf.KindNamed("services")
	n, err := conf.JSONNode([]byte(`{"host":"a","port":8080.0,"path":null,"retries":null,"tags":null,"enabled":true,"tls_verify":null}`))
	require.NoError(t, err)
	f, e, err := (&conf.File{}).Apply(conf.Change{Kind: services, Entity: "11111111-2222-4333-8444-555555555555", Replace: true, Body: n})
	require.NoError(t, err)
	assert.Equal(t, "11111111-2222-4333-8444-555555555555", conf.ID(e))
	assert.Nil(t, conf.JSON(e)["name"])
	assert.Equal(t, 5, f.Services[0].Retries)
	assert.Equal(t, 8080, f.Services[0].Port)
	for _, bad := range []string{"", "{", `{} {}`} {
		_, err := conf.JSONNode([]byte(bad))
		require.Error(t, err, bad)
	}
	_, _, err = f.Apply(conf.Change{Kind: services, Entity: "none", Body: n})
	require.ErrorIs(t, err, conf.ErrNotFound)
	assert.Len(t, f.Services, 1)
}

func TestPUTNamesWhatItMakes(t *testing.T) {
	f := plugin.Types().Empty()
	n, err := conf.FormNode(url.Values{"host": {"a"}})
	require.NoError(t, err)
	services, _ := conf.KindNamed("services")
	f, _, err = f.Apply(conf.Change{Kind: services, Entity: "s", Replace: true, Body: n})
	require.NoError(t, err)
	for kind, form := range map[string]url.Values{
		"routes":    {"paths": {"/"}, "service": {"s"}},
		"consumers": nil,
		"upstreams": nil,
		"plugins":   {"name": {"cors"}, "config.origins": {"https://a.example"}},
	} {
		k, _ := conf.KindNamed(kind)
		n, err := conf.FormNode(form)
		require.NoError(t, err)
		next, e, err := f.Apply(conf.Change{Kind: k, Entity: "named", Replace: true, Body: n})
		require.NoError(t, err, kind)
		assert.Equal(t, e, k.Find(next, "named"))
	}
}

func TestAnEditLeavesTheOldFileAsItIs(t *testing.T) {
	f := kong(t)
	before, err := f.YAML()
	require.NoError(t, err)
	apply := func(kind, entity, text string) *conf.File {
		k, ok := conf.KindNamed(kind)
		require.True(t, ok)
		n, err := conf.JSONNode([]byte(text))
		require.NoError(t, err)
		next, _, err := f.Apply(conf.Change{Kind: k, Entity: entity, Body: n})
		require.NoError(t, err)
		return next
	}
	renamed := apply("consumers", f.Consumers[0].ID, `{"username":"renamed"}`)
	made := apply("consumers", "", `{"username":"made"}`)
	consumers, _ := conf.KindNamed("consumers")
	gone, err := f.Delete(consumers, f.Consumers[0])
	require.NoError(t, err)

	after, err := f.YAML()
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
	assert.Nil(t, f.Consumer("renamed"))
	assert.Nil(t, f.Consumer("made"))
	assert.Nil(t, renamed.Consumer("made"))
	assert.NotNil(t, made.Consumer("made"))
	assert.Nil(t, renamed.Consumer(f.Consumers[0].Username), "it is found by its new name alone")
	assert.NotNil(t, f.Consumer(f.Consumers[0].Username))
	assert.Nil(t, gone.Consumer(f.Consumers[0].ID))
	for i, s := range f.Services {
		assert.Same(t, s, renamed.Services[i], "what is not changed is shared")
	}
	assert.True(t, f.SameConsumers(apply("services", f.Services[0].ID, `{"retries":1}`)))
	assert.False(t, f.SameConsumers(renamed))
	assert.False(t, f.SameConsumers(gone))
}

func FuzzForm(f *testing.F) {
	for _, s := range []string{"name=a&host=b", "paths[]=/a&paths[2]=/b", "config.second=5&config=1", "a.b.c[=1", "url=http://a"} {
		f.Add(s)
	}
	services, _ := conf.KindNamed("services")
	f.Fuzz(func(t *testing.T, s string) {
		form, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		n, err := conf.FormNode(form)
		if err != nil {
			return
		}
		file, _, err := (&conf.File{}).Apply(conf.Change{Kind: services, Body: n, Now: 1})
		if err != nil {
			return
		}
		text, err := file.YAML()
		require.NoError(t, err)
		again, err := plugin.Types().Parse(text)
		require.NoError(t, err, "%s", text)
		require.True(t, conf.Same(file, again), "%s", text)
	})
}
