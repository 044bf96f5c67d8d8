package gateway_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARouteWithoutAServiceIsAnsweredByItsPlugins(t *testing.T) {
	e := start(t, `_format_version: "3.0"
routes:
  - name: hello
    paths: [/hello]
    plugins:
      - {name: prometheus}
      - {name: rate-limiting, config: {minute: 100, limit_by: service}}
      - {name: request-termination, config: {status_code: 200, message: hello}}
  - {name: nothing, paths: [/nothing]}
  - {name: secure, paths: [/secure], protocols: [https]}
consumers: [{username: alice}]
plugins:
  - {name: http-log, config: {http_endpoint: "http://127.0.0.1:1", queue: {max_retry_time: 0}}}
`)
	assert.Equal(t, 200, e.get("/hello").status)
	r := e.get("/nothing")
	assert.Equal(t, 503, r.status)
	assert.Equal(t, "no_service", r.json(t)["code"])
	assert.Equal(t, 426, e.get("/secure").status)
	assert.Equal(t, 404, do(t, "GET", e.admin+"/routes/hello/service", "").status)
	assert.Nil(t, do(t, "GET", e.admin+"/routes/hello", "").json(t)["service"])

	require.Equal(t, 201, e.form("POST", "/routes?save=true", "name", "later", "paths", "/later").status)
	require.NoError(t, e.g.Reload(t.Context()), "it is written as it can be read")
	assert.Equal(t, 200, e.get("/hello").status)
	assert.Equal(t, 503, e.get("/later").status)
	require.Equal(t, 201, e.form("POST", "/services", "name", "s", "url", echo(t).URL).status)
	require.Equal(t, 200, e.form("PATCH", "/routes/later", "service.name", "s").status)
	assert.Equal(t, 200, e.get("/later").status)
	require.Equal(t, 200, do(t, "PATCH", e.admin+"/routes/later", `{"service":null}`, "Content-Type: application/json").status)
	assert.Equal(t, 503, e.get("/later").status)
	require.Equal(t, 204, do(t, "DELETE", e.admin+"/services/s", "").status)
}
