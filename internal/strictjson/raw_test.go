package strictjson_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/internal/strictjson"
)

func TestHasNUL(t *testing.T) {
	for raw, want := range map[string]bool{
		`"\u0000"`: true, `{"a\u0000":1}`: true, `"\\\u0000"`: true, `"\\u0000"`: false, `"u0000"`: false, `"\u00001"`: true, `"\u0001"`: false, `"\`: false, ``: false,
	} {
		assert.Equal(t, want, strictjson.HasNUL([]byte(raw)), raw)
	}
}

func TestIsOne(t *testing.T) {
	l := strictjson.Small(math.MaxInt)
	for text, want := range map[string]bool{
		` {"a":[1,"b",null]} `: true, `1`: true, `"a"`: true, ``: false, `1 2`: false, `{"a":1,"a":1}`: false, `[1,]`: false, "\"\xff\"": false,
		strings.Repeat("[", 17) + strings.Repeat("]", 17): false,
	} {
		assert.Equal(t, want, strictjson.IsOne(text, l), text)
	}
}

func TestRaw(t *testing.T) {
	var rd strictjson.Reader
	rd.Start([]byte(`{ "a" : {"b" : [1, 2]} , "c":"d", "e" : 1e5}`), strictjson.Small(math.MaxInt))
	rd.Bracket()
	var got []string
	for rd.More() {
		name := string(rd.Name())
		got = append(got, name+"="+string(rd.Raw()))
	}
	rd.Bracket()
	rd.End()
	assert.Nil(t, rd.Problem())
	assert.Equal(t, []string{`a={"b" : [1, 2]}`, `c="d"`, `e=1e5`}, got)
	rd.Start([]byte(`[1`), strictjson.Small(math.MaxInt))
	assert.Nil(t, rd.Raw())
}
