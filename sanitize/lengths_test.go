package sanitize_test

import (
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/go-playground/validator/v10"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

// TestFormatsHaveALargestLength: a text of the largest length is accepted, and one that
// is a byte longer is refused, as docs/sanitizing.md says.
func TestFormatsHaveALargestLength(t *testing.T) {
	repeat := func(begin, more, end string, most int) string {
		return begin + strings.Repeat(more, most-len(begin)-len(end)) + end
	}
	aliases := func(v *validator.Validate) error {
		v.RegisterAlias("times", "cron")
		return nil
	}
	for rule, text := range map[string]string{
		"uri":                       repeat("https://a.example/", "a", "", 8000),
		"http_url":                  repeat("https://a.example/", "a", "", 8000),
		"https_url":                 repeat("https://a.example/", "a", "", 8000),
		"urn_rfc2141":               repeat("urn:isbn:", "a", "", 8000),
		"mongodb_connection_string": repeat("mongodb://a", "a", "", 1024),
		"filepath":                  repeat("/", "a", "", 4096),
		"semver":                    repeat("1.0.0-", "a", "", 256),
		"cron":                      repeat("0", "0", " * * * *", 256),
		"times":                     repeat("0", "0", " * * * *", 256),
	} {
		typ := reflect.StructOf([]reflect.StructField{{Name: "X", Type: reflect.TypeFor[string](), Tag: reflect.StructTag("validate:" + strconv.Quote(rule))}})
		bind, err := sanitize.BindAs(sanitize.Config{Logger: quiet(), Validator: aliases}, typ)
		require.NoError(t, err, rule)
		longer := strings.Replace(text, "00", "000", 1)
		if longer == text {
			longer += "a"
		}
		assert.NoError(t, bind(httptest.NewRecorder(), post("application/json", `{"X":"`+text+`"}`)), rule)
		assert.Equal(t, []string{"#/X:" + rule}, faults(bind(httptest.NewRecorder(), post("application/json", `{"X":"`+longer+`"}`))), rule)
	}
}
