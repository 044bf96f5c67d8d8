package kong_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/kong/go-kong/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refused asserts that err is an answer with that status.
func refused(t *testing.T, status int, err error) {
	t.Helper()
	var api *kong.APIError
	require.ErrorAs(t, err, &api)
	assert.Equal(t, status, api.Code(), api.Error())
}

// TestKongsClientManagesEveryEntity makes, reads, changes, lists and removes each
// kind of entity by Kong's own client.
func TestKongsClientManagesEveryEntity(t *testing.T) {
	s := start(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *server)
	}{
		{"the gateway", about},
		{"services", services},
		{"routes", routes},
		{"consumers and credentials", consumers},
		{"upstreams and targets", upstreams},
		{"certificates", certificates},
		{"plugins", plugins},
		{"a whole configuration", wholeConfiguration},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, s) })
	}
	assert.GreaterOrEqual(t, s.calls.Load(), int64(60))
}

func about(t *testing.T, s *server) {
	ctx, str := t.Context(), kong.String
	status, err := s.Status(ctx)
	require.NoError(t, err)
	assert.True(t, status.Database.Reachable)
	info, err := s.Info.Get(ctx)
	require.NoError(t, err)
	_, err = kong.NewVersion(info.Version)
	require.NoError(t, err)
	root, err := s.Root(ctx)
	require.NoError(t, err)
	assert.Contains(t, root["server"], "rampart")
	has, err := s.Tags.Exists(ctx)
	require.NoError(t, err)
	assert.True(t, has)
	for _, entity := range []string{"services", "routes", "consumers", "upstreams", "targets", "plugins", "certificates", "snis", "ca_certificates", "acls"} {
		schema, err := s.Schemas.Get(ctx, entity)
		require.NoError(t, err, entity)
		assert.NotEmpty(t, schema["fields"], entity)
	}
	ok, text, err := s.Schemas.Validate(ctx, kong.EntityTypeServices, &kong.Service{Host: str("a"), Port: new(70000)})
	require.NoError(t, err)
	assert.False(t, ok)
	assert.Contains(t, text, "port")
	ok, _, err = s.Schemas.Validate(ctx, kong.EntityTypeServices, &kong.Service{Host: str("a")})
	require.NoError(t, err)
	assert.True(t, ok)
}

func services(t *testing.T, s *server) {
	ctx, str := t.Context(), kong.String
	made, err := s.Services.Create(ctx, &kong.Service{Name: str("one"), Host: str("127.0.0.1"), Port: new(9490), Tags: kong.StringSlice("a", "b")})
	require.NoError(t, err)
	const id = "11111111-1111-4111-8111-111111111111"
	for range 3 {
		put, err := s.Services.Create(ctx, &kong.Service{ID: str(id), Name: str("two"), URL: str("http://127.0.0.1:9490/x"), Tags: kong.StringSlice("b", "c")})
		require.NoError(t, err)
		assert.Equal(t, "two", *put.Name)
		assert.Equal(t, "/x", *put.Path)
	}
	_, err = s.Services.Create(ctx, &kong.Service{Name: str("one"), Host: str("b")})
	refused(t, http.StatusConflict, err)
	got, err := s.Services.Get(ctx, str("one"))
	require.NoError(t, err)
	assert.Equal(t, made, got)
	_, err = s.Services.Get(ctx, str("none"))
	assert.True(t, kong.IsNotFoundErr(err))
	made.Retries = new(2)
	changed, err := s.Services.Update(ctx, made)
	require.NoError(t, err)
	assert.Equal(t, 2, *changed.Retries)

	for _, c := range []struct {
		tags []string
		all  bool
		want int
	}{{[]string{"a"}, false, 1}, {[]string{"a", "c"}, false, 2}, {[]string{"a", "b"}, true, 1}, {[]string{"b"}, true, 2}, {[]string{"zzz"}, false, 0}} {
		list, _, err := s.Services.List(ctx, &kong.ListOpt{Tags: kong.StringSlice(c.tags...), MatchAllTags: c.all})
		require.NoError(t, err)
		assert.Len(t, list, c.want, c.tags)
	}
	first, next, err := s.Services.List(ctx, &kong.ListOpt{Size: 1})
	require.NoError(t, err)
	require.NotNil(t, next)
	second, end, err := s.Services.List(ctx, next)
	require.NoError(t, err)
	assert.Nil(t, end)
	assert.NotEqual(t, *first[0].ID, *second[0].ID)

	require.NoError(t, s.Services.Delete(ctx, str(id)))
	require.NoError(t, s.Services.Delete(ctx, str(id)), "it is gone")
	all, err := s.Services.ListAll(ctx)
	require.NoError(t, err)
	assert.Len(t, all, 1)
}

func routes(t *testing.T, s *server) {
	ctx, str := t.Context(), kong.String
	service, err := s.Services.Get(ctx, str("one"))
	require.NoError(t, err)
	in, err := s.Routes.CreateInService(ctx, service.ID, &kong.Route{Name: str("in"), Paths: kong.StringSlice("/in"), Headers: map[string][]string{"x-a": {"1"}}})
	require.NoError(t, err)
	_, err = s.Routes.Create(ctx, &kong.Route{Name: str("whole"), Paths: kong.StringSlice("/whole"), Service: service})
	require.NoError(t, err)
	list, _, err := s.Routes.ListForService(ctx, str("one"), nil)
	require.NoError(t, err)
	assert.Len(t, list, 2)
	of, err := s.Services.GetForRoute(ctx, in.ID)
	require.NoError(t, err)
	assert.Equal(t, "one", *of.Name)
	in.StripPath = new(false)
	changed, err := s.Routes.Update(ctx, in)
	require.NoError(t, err)
	assert.False(t, *changed.StripPath)
	assert.Equal(t, map[string][]string{"x-a": {"1"}}, changed.Headers)
	refused(t, http.StatusBadRequest, s.Services.Delete(ctx, service.ID))
	require.NoError(t, s.Routes.Delete(ctx, str("whole")))
	_, err = s.Routes.Get(ctx, str("whole"))
	assert.True(t, kong.IsNotFoundErr(err))
}

func consumers(t *testing.T, s *server) {
	ctx, str := t.Context(), kong.String
	made, err := s.Consumers.Create(ctx, &kong.Consumer{Username: str("carol"), CustomID: str("c-1"), Tags: kong.StringSlice("a")})
	require.NoError(t, err)
	_, err = s.Consumers.Create(ctx, &kong.Consumer{Username: str("dave")})
	require.NoError(t, err)
	_, err = s.Consumers.Create(ctx, &kong.Consumer{Username: str("eve"), CustomID: str("c-1")})
	refused(t, http.StatusConflict, err)
	got, err := s.Consumers.GetByCustomID(ctx, str("c-1"))
	require.NoError(t, err)
	assert.Equal(t, made, got)

	key, err := s.KeyAuths.Create(ctx, str("carol"), &kong.KeyAuth{Key: str("a-key-of-carol-0001")})
	require.NoError(t, err)
	random, err := s.KeyAuths.Create(ctx, str("carol"), &kong.KeyAuth{})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(*random.Key), 22)
	found, err := s.KeyAuths.Get(ctx, str("carol"), str("a-key-of-carol-0001"))
	require.NoError(t, err)
	assert.Equal(t, *key.ID, *found.ID)
	_, err = s.KeyAuths.Get(ctx, str("dave"), key.ID)
	assert.True(t, kong.IsNotFoundErr(err), "it is another's")
	key.Tags = kong.StringSlice("a")
	_, err = s.KeyAuths.Update(ctx, str("dave"), key)
	assert.True(t, kong.IsNotFoundErr(err), "it is another's")
	_, err = s.KeyAuths.Update(ctx, str("carol"), key)
	require.NoError(t, err)
	assert.True(t, kong.IsNotFoundErr(s.KeyAuths.Delete(ctx, str("dave"), key.ID)), "it is another's")
	require.NoError(t, s.KeyAuths.Delete(ctx, str("carol"), str("a-key-of-carol-0001")))
	keys, _, err := s.KeyAuths.ListForConsumer(ctx, str("carol"), nil)
	require.NoError(t, err)
	assert.Len(t, keys, 1)

	token, err := s.JWTAuths.Create(ctx, str("carol"), &kong.JWTAuth{})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(*token.Secret), 32)
	_, err = s.JWTAuths.Get(ctx, str("carol"), token.Key)
	require.NoError(t, err)
	tokens, err := s.JWTAuths.ListAll(ctx)
	require.NoError(t, err)
	assert.Len(t, tokens, 1)

	group, err := s.ACLs.Create(ctx, str("carol"), &kong.ACLGroup{Group: str("admins")})
	require.NoError(t, err)
	_, err = s.ACLs.Create(ctx, str("carol"), &kong.ACLGroup{Group: str("admins")})
	refused(t, http.StatusConflict, err)
	_, err = s.ACLs.Create(ctx, str("dave"), &kong.ACLGroup{Group: str("admins")})
	require.NoError(t, err)
	member, err := s.ACLs.Get(ctx, str("carol"), str("admins"))
	require.NoError(t, err)
	assert.Equal(t, *group.ID, *member.ID)
	require.NoError(t, s.ACLs.Delete(ctx, str("carol"), str("admins")))
	groups, err := s.ACLs.ListAll(ctx)
	require.NoError(t, err)
	assert.Len(t, groups, 1, "dave's is left")

	require.NoError(t, s.Consumers.Delete(ctx, made.ID))
	keys, err = s.KeyAuths.ListAll(ctx)
	require.NoError(t, err)
	assert.Empty(t, keys, "they went with carol")
}

func upstreams(t *testing.T, s *server) {
	ctx, str := t.Context(), kong.String
	up, err := s.Upstreams.Create(ctx, &kong.Upstream{Name: str("up.internal"), Slots: new(10000), HashOn: str("none")})
	require.NoError(t, err)
	up.HostHeader = str("up.example")
	_, err = s.Upstreams.Update(ctx, up)
	require.NoError(t, err)
	target, err := s.Targets.Create(ctx, up.Name, &kong.Target{Target: str("127.0.0.1:9490"), Weight: new(10)})
	require.NoError(t, err)
	_, err = s.Targets.Create(ctx, up.Name, &kong.Target{Target: str("127.0.0.1:9490")})
	refused(t, http.StatusConflict, err)
	_, err = s.Targets.Create(ctx, up.Name, &kong.Target{ID: str("22222222-2222-4222-8222-222222222222"), Target: str("127.0.0.1")})
	require.NoError(t, err)
	require.NoError(t, s.Targets.MarkUnhealthy(ctx, up.Name, target))
	health, err := s.UpstreamNodeHealth.ListAll(ctx, up.Name)
	require.NoError(t, err)
	well := map[string]string{}
	for _, h := range health {
		well[*h.Target] = *h.Health
	}
	assert.Equal(t, map[string]string{"127.0.0.1:9490": "UNHEALTHY", "127.0.0.1:8000": "HEALTHY"}, well)
	require.NoError(t, s.Targets.MarkHealthy(ctx, up.Name, &kong.Target{Target: str("127.0.0.1:9490")}))
	require.NoError(t, s.Targets.Delete(ctx, up.Name, target.Target), "by host and port")
	require.NoError(t, s.Targets.Delete(ctx, up.Name, str("22222222-2222-4222-8222-222222222222")))
	assert.True(t, kong.IsNotFoundErr(s.Targets.Delete(ctx, up.Name, target.ID)))
	targets, err := s.Targets.ListAll(ctx, up.ID)
	require.NoError(t, err)
	assert.Empty(t, targets)
	require.NoError(t, s.Upstreams.Delete(ctx, up.Name))
}

func certificates(t *testing.T, s *server) {
	ctx, str := t.Context(), kong.String
	cert, key := certificate(t, false, "a.example", "b.example")
	made, err := s.Certificates.Create(ctx, &kong.Certificate{Cert: &cert, Key: &key, SNIs: kong.StringSlice("a.example")})
	require.NoError(t, err)
	assert.Equal(t, kong.StringSlice("a.example"), made.SNIs)
	sni, err := s.SNIs.Create(ctx, &kong.SNI{Name: str("b.example"), Certificate: made})
	require.NoError(t, err)
	got, err := s.Certificates.Get(ctx, str("b.example"))
	require.NoError(t, err, "by an SNI")
	assert.Equal(t, *made.ID, *got.ID)
	assert.Equal(t, kong.StringSlice("a.example", "b.example"), got.SNIs)
	_, err = s.SNIs.Create(ctx, &kong.SNI{Name: str("b.example"), Certificate: made})
	refused(t, http.StatusConflict, err)
	names, _, err := s.SNIs.ListForCertificate(ctx, made.ID, nil)
	require.NoError(t, err)
	assert.Len(t, names, 2)
	require.NoError(t, s.SNIs.Delete(ctx, sni.Name))
	require.NoError(t, s.Certificates.Delete(ctx, str("a.example")))
	left, err := s.SNIs.ListAll(ctx)
	require.NoError(t, err)
	assert.Empty(t, left)

	root, _ := certificate(t, true)
	ca, err := s.CACertificates.Create(ctx, &kong.CACertificate{Cert: &root})
	require.NoError(t, err)
	assert.Len(t, *ca.CertDigest, 64)
	_, err = s.CACertificates.Create(ctx, &kong.CACertificate{Cert: &root})
	refused(t, http.StatusConflict, err)
	service, err := s.Services.Create(ctx, &kong.Service{Name: str("secure"), URL: str("https://a.example"), CACertificates: []*string{ca.ID}})
	require.NoError(t, err)
	assert.Equal(t, []*string{ca.ID}, service.CACertificates)
	refused(t, http.StatusBadRequest, s.CACertificates.Delete(ctx, ca.ID))
	require.NoError(t, s.Services.Delete(ctx, service.ID))
	require.NoError(t, s.CACertificates.Delete(ctx, ca.ID))
}

func plugins(t *testing.T, s *server) {
	ctx, str := t.Context(), kong.String
	route, err := s.Routes.Get(ctx, str("in"))
	require.NoError(t, err)
	onRoute, err := s.Plugins.Create(ctx, &kong.Plugin{Name: str("key-auth"), Route: route})
	require.NoError(t, err)
	_, err = s.Plugins.Create(ctx, &kong.Plugin{Name: str("key-auth"), Route: route})
	refused(t, http.StatusConflict, err)
	limit, err := s.Plugins.CreateForService(ctx, str("one"), &kong.Plugin{Name: str("rate-limiting"), Config: kong.Configuration{"minute": 5, "hour": 50}})
	require.NoError(t, err)
	assert.Nil(t, limit.Config["second"])
	limit.Config["hour"] = nil
	limit, err = s.Plugins.UpdateForService(ctx, str("one"), limit)
	require.NoError(t, err)
	assert.Nil(t, limit.Config["hour"])
	assert.InDelta(t, 5, limit.Config["minute"], 0)
	ok, _, err := s.Plugins.Validate(ctx, &kong.Plugin{Name: str("rate-limiting"), Config: kong.Configuration{"minute": 5}})
	require.NoError(t, err)
	assert.True(t, ok)
	ok, text, err := s.Plugins.Validate(ctx, &kong.Plugin{Name: str("rate-limiting"), Config: kong.Configuration{"minutes": 5}})
	require.NoError(t, err)
	assert.False(t, ok)
	assert.Contains(t, text, "minutes")
	schema, err := s.Plugins.GetFullSchema(ctx, str("rate-limiting"))
	require.NoError(t, err)
	filled := &kong.Plugin{Name: str("rate-limiting"), Config: kong.Configuration{"minute": 5}}
	require.NoError(t, kong.FillPluginsDefaults(filled, schema))
	assert.Equal(t, "consumer", filled.Config["limit_by"])
	assert.InDelta(t, 429, filled.Config["error_code"], 0)
	for _, list := range []func() ([]*kong.Plugin, error){
		func() ([]*kong.Plugin, error) { return s.Plugins.ListAllForRoute(ctx, str("in")) },
		func() ([]*kong.Plugin, error) { return s.Plugins.ListAllForService(ctx, str("one")) },
	} {
		all, err := list()
		require.NoError(t, err)
		assert.Len(t, all, 1)
	}
	require.NoError(t, s.Plugins.Delete(ctx, onRoute.ID))
	all, err := s.Plugins.ListAll(ctx)
	require.NoError(t, err)
	assert.Len(t, all, 1)
}

func wholeConfiguration(t *testing.T, s *server) {
	ctx := t.Context()
	text := `{"_format_version":"3.0","services":[{"name":"only","host":"b"}]}`
	err := s.ReloadDeclarativeRawConfig(ctx, strings.NewReader(text), true, false)
	require.NoError(t, err)
	list, err := s.Services.ListAll(ctx)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "only", *list[0].Name)
	err = s.ReloadDeclarativeRawConfig(ctx, strings.NewReader(`{"_format_version":"3.0","x":1}`), false, false)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "400")
}
