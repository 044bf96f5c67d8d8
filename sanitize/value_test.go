package sanitize_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

func TestValueCleansInPlace(t *testing.T) {
	b := newBinder[everything](t, everythingConfig())
	text, list := "ab", []int{1}
	v := everything{
		Uint: 2, Float: 1, Level: 1, Color: "red", Tags: []string{" A"}, Labels: map[string]string{"k": "v"}, Home: address{"Main"},
		Others: []address{{"x"}}, Nullable: &text, Patch: sanitize.Optional[string]{Set: true, Value: "abc"},
		Deep: sanitize.Optional[*[]int]{Set: true, Value: &list}, Code: "ab", Shout: "hey", Total: "1", Whole: "7",
	}
	require.NoError(t, b.Value(&v))
	assert.Equal(t, []string{"a"}, v.Tags)
	assert.Equal(t, "HEY", v.Shout)
	assert.Equal(t, "1.00", v.Total)
}

func TestValueReportsEveryField(t *testing.T) {
	b := newBinder[everything](t, everythingConfig())
	text, list := "a", []int{1, 2, 3}
	v := everything{
		Int: 100, Uint: 2, Float: 1, Level: 1, Color: "red\x00", Tags: []string{"ok", "NO!"}, Labels: map[string]string{"b": "1234", "a": "\xff"},
		Home: address{"abcdef"}, Others: []address{{"a"}, {"abcdef"}}, Nullable: &text, Patch: sanitize.Optional[string]{Set: true, Null: true},
		Deep: sanitize.Optional[*[]int]{Set: true, Value: &list}, Code: "odd", Total: "1", Whole: "7",
	}
	assert.Equal(t, []string{
		"#/int:max_value", "#/color:null_characters_not_allowed", "#/tags/1:slug", "#/labels/a:invalid", "#/labels/b:max_length",
		"#/home/street:max_length", "#/others/1/street:max_length", "#/nullable:min_length", "#/deep:max_length", "#/code:even",
	}, faults(b.Value(&v)))
}

func TestValueIsBounded(t *testing.T) {
	type ring struct {
		Name string `json:"name" validate:"max=1"`
		Next *ring  `json:"next"`
	}
	b := newBinder[ring](t, sanitize.Config{Limits: sanitize.Limits{MaxDepth: 3}})
	r := ring{Name: "a"}
	r.Next = &r
	assert.Equal(t, []string{"#/next/next/next:too_deep"}, faults(b.Value(&r)))

	b = newBinder[ring](t, sanitize.Config{Limits: sanitize.Limits{MaxErrors: 2}})
	r.Name = "ab"
	assert.Len(t, faults(b.Value(&r)), 2)

	var zero sanitize.Binder[ring]
	assert.Error(t, zero.Value(&r))
}

func TestLongTextsAreMeasuredInCharacters(t *testing.T) {
	type note struct {
		S string `json:"s" validate:"max=3,gt=1"`
		T string `json:"t" validate:"lt=3"`
	}
	b := newBinder[note](t, sanitize.Config{})
	for s, want := range map[string][]string{"äöü": nil, "äöüß": {"#/s:max_length"}, "ä": {"#/s:min_length"}, "": {"#/s:blank"}} {
		assert.Equal(t, want, faults(b.Value(&note{S: s})), s)
	}
	assert.Equal(t, []string{"#/t:max_length"}, faults(b.Value(&note{S: "ab", T: strings.Repeat("ä", 3)})))
}
