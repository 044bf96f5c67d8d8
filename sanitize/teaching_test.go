package sanitize_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/sanitize"
)

// TestMistakesInTagsTeach: the error says what would be right for slips that people
// make who come from the validator library.
func TestMistakesInTagsTeach(t *testing.T) {
	type slips struct {
		A string            `json:"a" validate:"eqfield=b"`
		B string            `json:"b" validate:"required_if=A"`
		C string            `json:"c" validate:"required_without"`
		D []string          `json:"d" validate:"oneof=a b"`
		E int               `json:"e" validate:"oneof=a b"`
		F map[string]string `json:"f" validate:"keys,min=2,endkeys"`
		G string            `json:"g" validate:"required, email"`
		H string            `json:"h" validate:"max"`
		I string            `json:"i" validate:"emial"`
		J int               `json:"j" validate:"email"`
	}
	_, err := sanitize.NewBinder[slips](sanitize.Config{})
	for _, want := range []string{
		`A: invalid "validate:eqfield=b": name Go fields of this struct`,
		`B: invalid "validate:required_if=A": write pairs of a Go field`,
		`C: invalid "validate:required_without": name Go fields of this struct`,
		`D: unsupported "validate:oneof=a b": the rule does not fit a list or map; for its elements, write it behind "dive"`,
		`E: invalid "validate:oneof=a b": each choice must be a number`,
		`F: unsupported "validate:keys": these stand behind the "dive" of a map`,
		`G: unknown "validate: email": only a comma separates rules; remove the space`,
		`H: invalid "validate:max": the rule has a wrong parameter`,
		`I: unknown "validate:emial": there is no such rule; fix the spelling`,
		`J: unsupported "validate:email": the rule does not fit the field's type`,
	} {
		assert.ErrorContains(t, err, want)
	}
}
