package gateway_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestChangesLoseNoRequestAndNoCount(t *testing.T) {
	e := start(t, one("  - {name: key-auth, instance_name: keys}\n  - {name: rate-limiting, instance_name: limit, config: {hour: 1000}}"))
	e.made("/consumers", `{"username":"bob"}`)
	e.made("/consumers/bob/key-auth", `{"key":"a-key-of-bobs-0001"}`)
	var wait sync.WaitGroup
	const each = 40
	for range 4 {
		wait.Go(func() {
			for range each {
				assert.Equal(t, 200, e.get("/api", "apikey: a-key-of-bobs-0001").status)
			}
		})
	}
	for i := range 15 {
		assert.Equal(t, 200, e.json("PATCH", "/services/svc", fmt.Sprintf(`{"retries":%d}`, i)).status)
		assert.Equal(t, 200, e.json("PUT", "/consumers/eve", fmt.Sprintf(`{"custom_id":"%d"}`, i)).status)
		assert.Equal(t, 201, e.json("POST", "/consumers/eve/key-auth", `{}`).status)
		assert.Equal(t, 200, e.json("PATCH", "/plugins/keys", fmt.Sprintf(`{"config":{"hide_credentials":%v}}`, i%2 == 0)).status)
		assert.Equal(t, 201, e.json("POST", "/services/svc/routes", fmt.Sprintf(`{"paths":["/more%d"]}`, i)).status)
		assert.Equal(t, 204, do(t, "DELETE", e.admin+"/consumers/eve", "").status)
	}
	wait.Wait()
	assert.Contains(t, e.get("/api", "apikey: a-key-of-bobs-0001").header.Get("Ratelimit"), fmt.Sprintf("r=%d", 1000-4*each-1))
}
