package sanitize_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/sanitize"
)

// A judged upload is refused by its method, as the title says.
type judged struct {
	Title string        `json:"title"`
	Photo sanitize.File `json:"photo" validate:"required,types=image/png"`
	Extra sanitize.File `json:"extra" validate:"omitempty,types=image/png"`
	Inner judgedInner   `json:"inner"`
}

func (j judged) Validate(context.Context) error {
	switch j.Title {
	case "invalid":
		return &sanitize.Invalid{Code: "no", Detail: "No."}
	case "problem":
		return &rampart.Problem{Status: http.StatusConflict, Code: "taken"}
	case "fields":
		return &rampart.Problem{Errors: []rampart.FieldError{{Pointer: "#/photo", Code: "ugly"}}}
	case "other":
		return errors.New("a secret")
	case "panics":
		panic("no")
	}
	return nil
}

type judgedInner struct {
	Kind string `json:"kind"`
}

func (j *judgedInner) Validate() error {
	if j.Kind == "bad" {
		return &sanitize.Invalid{Code: "kind", Detail: "No."}
	}
	return nil
}

func judging(t *testing.T, store func(context.Context, sanitize.File) (sanitize.Upload, error)) *sanitize.Binder[judged] {
	t.Helper()
	return newBinder[judged](t, sanitize.Config{Uploads: sanitize.Uploads{Store: store}, Limits: sanitize.Limits{ContentTypes: []string{multipartType}}})
}

// TestAValidateMethodThatRefusesAbortsWhatIsStored: it is called when every file has
// been stored and closed.
func TestAValidateMethodThatRefusesAbortsWhatIsStored(t *testing.T) {
	files := file("photo", "a.png", "image/png", png) + file("extra", "b.png", "image/png", png)
	stored := []string{"open a.png image/png", "close a.png", "open b.png image/png", "close b.png"}
	for _, tt := range []struct {
		desc, fields string
		status       int
		want         []string
	}{
		{"an Invalid", field("title", "invalid"), 422, []string{"#:no"}},
		{"a Problem with a status of its own", field("title", "problem"), 409, []string{}},
		{"a Problem with field errors", field("title", "fields"), 422, []string{"#/photo:ugly"}},
		{"any other error", field("title", "other"), 422, []string{"#:invalid"}},
		{"the method of an inner struct", field("inner.kind", "bad"), 422, []string{"#/inner:kind"}},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			s := new(shelf)
			v, err := judging(t, s.store).Bind(httptest.NewRecorder(), sendMultipart(files+tt.fields+"--b--"))
			require.Equal(t, tt.status, problem(t, err).Status)
			assert.Equal(t, tt.want, faults(err))
			assert.Equal(t, append(stored[:4:4], "abort a.png", "abort b.png"), s.log)
			assert.Empty(t, s.held)
			assert.Zero(t, v)
		})
	}
	s := new(shelf)
	b := judging(t, s.store)
	assert.PanicsWithValue(t, "no", func() { _, _ = b.Bind(httptest.NewRecorder(), sendMultipart(files+field("title", "panics")+"--b--")) })
	assert.Empty(t, s.held, "a panic leaves nothing either")
	_, err := b.Bind(httptest.NewRecorder(), sendMultipart(files+field("title", "fine")+"--b--"))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a.png": png, "b.png": png}, s.held)
}

// A stuck Upload panics in Abort.
type stuck struct{ *book }

func (b stuck) Abort() error {
	_ = b.book.Abort()
	panic("no")
}

func TestAnAbortThatPanicsConcernsItsFileOnly(t *testing.T) {
	s := new(shelf)
	b := judging(t, func(ctx context.Context, f sanitize.File) (sanitize.Upload, error) {
		up, err := s.store(ctx, f)
		if book, ok := up.(*book); ok && strings.HasPrefix(f.Name, "stuck") {
			return stuck{book}, err
		}
		return up, err
	})
	assert.PanicsWithValue(t, "no", func() {
		_, _ = b.Bind(httptest.NewRecorder(), sendMultipart(file("photo", "stuck.png", "image/png", png)+file("extra", "b.png", "image/png", png)+field("title", "invalid")+"--b--"))
	})
	assert.Empty(t, s.held, "the other file is removed")
	s.log = nil
	for range 10 { // whichever decoder serves it
		_, err := b.Bind(httptest.NewRecorder(), sendMultipart(field("title", "invalid")+"--b--"))
		require.Error(t, err)
	}
	assert.Empty(t, s.log, "the next request leaves the files of others alone")
}

// A nil *Invalid in an error is an error: it neither passes nor panics.
func TestANilInvalidInAnErrorRefuses(t *testing.T) {
	wrapped := func() error {
		var nothing *sanitize.Invalid
		return nothing
	}
	b := judging(t, func(context.Context, sanitize.File) (sanitize.Upload, error) { return nil, wrapped() })
	_, err := b.Bind(httptest.NewRecorder(), sendMultipart(file("photo", "a.png", "image/png", png)+"--b--"))
	assert.Equal(t, 500, problem(t, err).Status)

	type form struct {
		X string `json:"x" validate:"own"`
		Y string `json:"y" validate:"own|len=9"`
	}
	rules := newBinder[form](t, sanitize.Config{Rules: map[string]func(string) error{"own": func(string) error { return wrapped() }}})
	_, got := bindJSON(t, rules, `{"x":"a","y":"a"}`)
	assert.Equal(t, []string{"#/x:own", "#/y:own|len"}, got)
}

// A file is never taken for an empty field: it would be stored and then forgotten.
func TestAFileIsThereAlthoughEmptyFieldsAreAbsent(t *testing.T) {
	s := new(shelf)
	b := newBinder[judged](t, sanitize.Config{EmptyAbsent: true, Uploads: sanitize.Uploads{Store: s.store}, Limits: sanitize.Limits{ContentTypes: []string{multipartType}}})
	v, err := b.Bind(httptest.NewRecorder(), sendMultipart(file("photo", "a.png", "image/png", png)+field("title", "")+"--b--"))
	require.NoError(t, err)
	assert.Equal(t, int64(len(png)), v.Photo.Size())
}
