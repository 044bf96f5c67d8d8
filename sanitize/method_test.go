package sanitize_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/sanitize"
)

type stay struct {
	From   int                      `json:"from"`
	To     int                      `json:"to" validate:"lte=100"`
	Guests []guest                  `json:"guests"`
	Lead   *guest                   `json:"lead"`
	Extras map[string]guest         `json:"extras"`
	Opt    sanitize.Optional[guest] `json:"opt"`
}

func (s *stay) Validate() error {
	switch {
	case s.To == 99:
		return &rampart.Problem{Status: http.StatusConflict, Code: "taken", Detail: "Taken."}
	case s.From > s.To:
		return &rampart.Problem{Errors: []rampart.FieldError{
			{Pointer: "#/from", Code: "late", Detail: "After the end."}, {Pointer: "#/to", Code: "early", Detail: "Before the start."},
		}}
	case s.From == s.To:
		return &sanitize.Invalid{Code: "no_night", Detail: "Stay for a night."}
	case s.To == 98:
		return errors.New("a secret")
	case s.To == 97:
		var nothing *rampart.Problem
		return nothing
	case s.To == 96:
		var nothing *sanitize.Invalid
		return nothing
	}
	return nil
}

type guest struct {
	Name string `json:"name" validate:"max=5"`
}

type userKey struct{}

func (g guest) Validate(ctx context.Context) error {
	if g.Name == "" {
		return nil
	}
	if g.Name == ctx.Value(userKey{}) {
		return &rampart.Problem{Errors: []rampart.FieldError{{Pointer: "#/name", Code: "self", Detail: "Not yourself."}, {Code: "whole", Detail: "Bad guest."}}}
	}
	return nil
}

func TestValidateMethodsAreCalledLast(t *testing.T) {
	b := newBinder[stay](t, sanitize.Config{Limits: sanitize.Limits{MaxErrors: 5}})
	bind := func(body string) error {
		r := post("application/json", body)
		_, err := b.Bind(httptest.NewRecorder(), r.WithContext(context.WithValue(r.Context(), userKey{}, "a/b")))
		return err
	}
	for body, want := range map[string][]string{
		`{"from":1,"to":2}`:                               nil,
		`{"from":3,"to":2}`:                               {"#/from:late", "#/to:early"},
		`{"from":2,"to":2}`:                               {"#:no_night"},
		`{"from":300,"to":200}`:                           {"#/to:max_value"},
		`{"from":1,"to":98}`:                              {"#:invalid"},
		`{"from":1,"to":97}`:                              {"#:invalid"},
		`{"from":1,"to":96}`:                              {"#:invalid"},
		`{"to":1,"guests":[{"name":"x"},{"name":"a/b"}]}`: {"#/guests/1/name:self", "#/guests/1:whole"},
		`{"to":1,"lead":{"name":"a/b"}}`:                  {"#/lead/name:self", "#/lead:whole"},
		`{"to":1,"lead":null,"opt":null}`:                 nil,
		`{"to":1,"opt":{"name":"a/b"}}`:                   {"#/opt/name:self", "#/opt:whole"},
		`{"to":1,"extras":{"x/y":{"name":"a/b"}}}`:        {"#/extras/x~1y/name:self", "#/extras/x~1y:whole"},
		`{"to":0,"guests":[{"name":"a/b"},{"name":"a/b"},{"name":"a/b"}]}`: {"#/guests/0/name:self", "#/guests/0:whole", "#/guests/1/name:self", "#/guests/1:whole", "#/guests/2/name:self"},
	} {
		err := bind(body)
		if assert.Equal(t, want, faults(err), body); want != nil {
			assert.Equal(t, http.StatusUnprocessableEntity, problem(t, err).Status, body)
			assert.NotContains(t, problem(t, err).Errors[0].Detail, "secret")
		}
	}
	assert.Equal(t, &rampart.Problem{Status: http.StatusConflict, Code: "taken", Detail: "Taken."}, problem(t, bind(`{"from":1,"to":99}`)))
	assert.Equal(t, []string{"#:no_night"}, faults(b.Value(&stay{From: 2, To: 2})))
	assert.Equal(t, "taken", problem(t, b.Value(&stay{To: 99})).Code)
	_, err := b.BindQuery(httptest.NewRequest(http.MethodGet, "/?from=3&to=2&lead.name=x", nil))
	assert.Equal(t, []string{"from:late", "to:early"}, faults(err))
}

// party is a list that checks itself.
type party []guest

func (p party) Validate() error {
	if len(p) > 2 {
		return &sanitize.Invalid{Code: "crowd", Detail: "Too many."}
	}
	return nil
}

func TestAListCanHaveAMethodToo(t *testing.T) {
	b := newBinder[party](t, sanitize.Config{})
	_, got := bindJSON(t, b, `[{},{},{}]`)
	assert.Equal(t, []string{"#:crowd"}, got)
	_, got = bindJSON(t, b, `[{}]`)
	assert.Empty(t, got)
}
