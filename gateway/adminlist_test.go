package gateway_test

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// names lists the names of a collection.
func (e *edge) names(path string) (all []string) {
	for _, row := range e.rows(path) {
		all = append(all, row.(map[string]any)["name"].(string)) //nolint:forcetypeassert // of a test
	}
	slices.Sort(all)
	return all
}

func TestListsAreFilteredByTags(t *testing.T) {
	e := start(t, empty)
	e.made("/services", `{"name":"a","host":"h","tags":["x"]}`)
	e.made("/services", `{"name":"b","host":"h","tags":["x","y"]}`)
	e.made("/services", `{"name":"c","host":"h","tags":["z"]}`)
	e.made("/services", `{"name":"d","host":"h"}`)
	e.made("/services/a/routes", `{"name":"r","paths":["/r"],"tags":["x"]}`)
	e.made("/services/a/routes", `{"name":"q","paths":["/q"]}`)
	for query, want := range map[string][]string{
		"x": {"a", "b"}, "x,y": {"b"}, "y,x": {"b"}, "y/z": {"b", "c"}, "x/none": {"a", "b"}, "none": nil, "x,z": nil,
	} {
		assert.Equal(t, want, e.names("/services?tags="+url.QueryEscape(query)), query)
	}
	assert.Equal(t, []string{"r"}, e.names("/services/a/routes?tags=x"))
	for _, bad := range []string{"", ",", "x,", "x//y", "x,y/z"} {
		r := do(t, "GET", e.admin+"/services?tags="+bad, "")
		assert.Equal(t, 400, r.status, bad)
		assert.InDelta(t, 11, r.json(t)["code"], 0, bad)
	}
	assert.Len(t, e.rows("/tags"), 5)
	assert.Len(t, e.rows("/tags/x"), 3)
	assert.Empty(t, e.rows("/tags/none"))
	row, _ := e.rows("/tags/y")[0].(map[string]any)
	assert.Equal(t, "services", row["entity_name"])
	assert.Equal(t, "y", row["tag"])
}

func TestListsComeInPages(t *testing.T) {
	e := start(t, empty)
	for i := range 25 {
		e.made("/services", fmt.Sprintf(`{"name":"s%02d","host":"h","tags":["t"]}`, i))
	}
	seen, path := map[string]int{}, "/services?size=10&tags=t"
	for page := 0; path != ""; page++ {
		list := do(t, "GET", e.admin+path, "").json(t)
		data, _ := list["data"].([]any)
		for _, row := range data {
			seen[row.(map[string]any)["name"].(string)]++ //nolint:forcetypeassert // of a test
		}
		path, _ = list["next"].(string)
		switch page {
		case 0:
			assert.Len(t, data, 10)
			assert.Contains(t, path, "tags=t")
			offset, _ := list["offset"].(string)
			assert.Contains(t, path, "offset="+offset)
			// What has been listed may go, without another one being left out.
			id, _ := data[9].(map[string]any)["id"].(string)
			require.Equal(t, 204, do(t, "DELETE", e.admin+"/services/"+id, "").status)
		case 2:
			assert.Len(t, data, 5)
			assert.NotContains(t, list, "offset")
			assert.Empty(t, path)
		}
		require.Less(t, page, 3)
	}
	assert.Len(t, seen, 25)
	assert.Len(t, e.rows("/services"), 24)
	for i := range 80 {
		e.made("/services", fmt.Sprintf(`{"name":"more%02d","host":"h"}`, i))
	}
	assert.Len(t, e.rows("/services"), 100, "unless it says otherwise")
	assert.Len(t, e.rows("/services?size=1000"), 104)
	for query, code := range map[string]float64{
		"size=0": 9, "size=1001": 9, "size=-1": 9, "size=x": 9, "size=": 9, "offset=": 7, "offset=!": 7,
		"siez=1": 11, "size=1&size=2": 11, "save=true": 11, "custom_id=x": 11, "a;b": 11,
	} {
		r := do(t, "GET", e.admin+"/services?"+query, "")
		assert.Equal(t, 400, r.status, query)
		assert.InDelta(t, code, r.json(t)["code"], 0, query)
	}
	assert.Empty(t, e.rows("/services?offset=fn5-"), "behind everything")
}

func TestAQueryParameterThatWouldBeIgnoredIsRefused(t *testing.T) {
	e := start(t, empty)
	for _, c := range []struct{ method, path string }{
		{"GET", "/?x=1"},
		{"GET", "/status?unit=m"},
		{"GET", "/config?x=1"},
		{"GET", "/tags?tags=x"},
		{"GET", "/schemas/services?x=1"},
		{"POST", "/services?tags=x"},
		{"PUT", "/services/s?size=1"},
		{"DELETE", "/services/s?sav=true"},
		{"POST", "/services?save=yes"},
		{"POST", "/config?check_hash=perhaps"},
		{"POST", "/config?flatten_errors=1"},
		{"GET", "/services/s?tags=x"},
	} {
		r := do(t, c.method, e.admin+c.path, `{"host":"a"}`, "Content-Type: application/json")
		assert.Equal(t, 400, r.status, c.path)
		assert.Equal(t, "invalid options", r.json(t)["name"], c.path)
	}
	assert.Empty(t, e.g.Current().Services)
}

func TestAConsumerIsFoundByItsCustomID(t *testing.T) {
	e := start(t, empty)
	id := e.made("/consumers", `{"username":"bob","custom_id":"a b/c"}`)
	list := do(t, "GET", e.admin+"/consumers?custom_id="+url.QueryEscape("a b/c"), "").json(t)
	data, _ := list["data"].([]any)
	require.Len(t, data, 1)
	assert.Equal(t, id, data[0].(map[string]any)["id"]) //nolint:forcetypeassert // of a test
	assert.Contains(t, list, "next")
	assert.Empty(t, e.rows("/consumers?custom_id=bob"))
	assert.Equal(t, 400, do(t, "GET", e.admin+"/consumers?custom_id=", "").status)
	require.Equal(t, 200, e.json("PATCH", "/consumers/bob", `{"custom_id":null}`).status)
	assert.Empty(t, e.rows("/consumers?custom_id="+url.QueryEscape("a b/c")))
}
