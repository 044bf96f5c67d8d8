package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAThousandServicesAreChangedWithoutAPause(t *testing.T) {
	var text strings.Builder
	text.WriteString("_format_version: \"3.0\"\nservices:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - name: s%d\n    url: UPSTREAM\n    routes: [{name: r%d, paths: [/p%d/]}]\n    plugins: [{name: rate-limiting, config: {second: 5}}]\n", i, i, i)
	}
	begin := time.Now()
	e := start(t, text.String())
	loaded := time.Since(begin)
	begin = time.Now()
	require.Equal(t, 201, e.form("POST", "/services/s7/plugins", "name", "cors", "config.origins", "https://a.example").status)
	changed := time.Since(begin)
	t.Logf("1000 services loaded in %v, one change in %v", loaded, changed)
	assert.Less(t, loaded, 3*time.Minute) // most of it may be what else runs here
	assert.Less(t, changed, time.Minute)
	assert.Equal(t, 200, e.get("/p999/x").status)
}
