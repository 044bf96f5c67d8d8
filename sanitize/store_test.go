package sanitize_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

// A shelf is a store in memory that notes what happens.
type shelf struct {
	log  []string
	held map[string]string // what has been closed and not aborted

	storeErr, writeErr, closeErr, abortErr error
	short, panics                          bool
}

type book struct {
	*shelf

	name string
	data bytes.Buffer
}

func (s *shelf) store(_ context.Context, f sanitize.File) (sanitize.Upload, error) {
	s.log = append(s.log, "open "+f.Name+" "+f.ContentType)
	if s.storeErr != nil {
		return nil, s.storeErr
	}
	return &book{shelf: s, name: f.Name}, nil
}

func (b *book) Write(p []byte) (int, error) {
	switch {
	case b.panics:
		panic("full")
	case b.writeErr != nil:
		return 0, b.writeErr
	case b.short:
		return len(p) - 1, nil
	}
	return b.data.Write(p)
}

func (b *book) Close() error {
	b.log = append(b.log, "close "+b.name)
	if b.held == nil {
		b.held = map[string]string{}
	}
	b.held[b.name] = b.data.String()
	return b.closeErr
}

func (b *book) Abort() error {
	b.log = append(b.log, "abort "+b.name)
	delete(b.held, b.name)
	return b.abortErr
}

type album struct {
	Title  string                           `json:"title" validate:"required,max=20"`
	Photos []sanitize.File                  `json:"photos" validate:"max=2,dive,types=image/png,max=100000"`
	Notes  sanitize.Optional[sanitize.File] `json:"notes" validate:"types=text/plain,max=70000"`
}

func albums(t testing.TB, s *shelf) *sanitize.Binder[album] {
	t.Helper()
	return newBinder[album](t, sanitize.Config{Uploads: sanitize.Uploads{Store: s.store}, Limits: sanitize.Limits{ContentTypes: []string{multipartType}, MaxString: 50}})
}

func TestFilesGoToTheStore(t *testing.T) {
	s := new(shelf)
	b := albums(t, s)
	picture := png + strings.Repeat("\r\n--", 20_000)
	text := strings.Repeat("aé€😀\r", 5000) // so that pieces end within characters
	body := file("photos", "a.png", "image/png", picture) + field("title", "x") + file("photos", "b.png", "image/png", png) + file("notes", "n.txt", "text/plain", text) + "--b--\r\n"
	for desc, r := range map[string]io.Reader{"at once": strings.NewReader(body), "byte by byte": iotest.OneByteReader(strings.NewReader(body))} {
		*s = shelf{}
		req := sendMultipart("")
		req.Body, req.ContentLength = readCloser{r}, -1
		v, err := b.Bind(httptest.NewRecorder(), req)
		require.NoError(t, err, desc)
		assert.Equal(t, []string{"open a.png image/png", "close a.png", "open b.png image/png", "close b.png", "open n.txt text/plain", "close n.txt"}, s.log)
		assert.Equal(t, map[string]string{"a.png": picture, "b.png": png, "n.txt": text}, s.held)
		require.Len(t, v.Photos, 2)
		f := v.Photos[0]
		assert.Equal(t, int64(len(picture)), f.Size())
		assert.Equal(t, sha256.Sum256([]byte(picture)), f.Stored.SHA256)
		assert.Equal(t, "a.png", f.Stored.Upload.(*book).name)
		assert.Nil(t, f.Data)
		require.Error(t, f.Save(nil))
		require.NoError(t, b.Value(&v))
		v.Photos[0].ContentType = "text/plain"
		assert.Equal(t, []string{"#/photos/0:file_type"}, faults(b.Value(&v)))
	}
}

func TestWhatARefusedRequestStoredIsAbandoned(t *testing.T) {
	good := file("photos", "a.png", "image/png", png)
	kept := []string{"open a.png image/png", "close a.png", "abort a.png"}
	text := func(content string) string { return file("notes", "n.txt", "text/plain", content) }
	textLog := []string{"open a.png image/png", "close a.png", "open n.txt text/plain", "abort a.png", "abort n.txt"}
	tests := []struct {
		desc, rest string
		status     int
		want       []string
		log        []string
	}{
		{"a field that is missing", "--b--", 422, []string{"#/title:required"}, kept},
		{"a field that is wrong", field("title", strings.Repeat("x", 21)) + "--b--", 422, []string{"#/title:max_length"}, kept},
		{"an unknown field", field("x", "y") + "--b--", 422, []string{"#/x:unknown_field", "#/title:required"}, kept},
		{"a file in an unknown field", file("x", "a.png", "image/png", png) + "--b--", 422, []string{"#/x:unknown_field", "#/title:required"}, kept},
		{"a file of another type", field("title", "x") + file("photos", "b.png", "image/png", "GIF89a;") + "--b--", 422, []string{"#/photos:file_type"}, kept},
		{"an empty file", field("title", "x") + file("photos", "b.png", "image/png", "") + "--b--", 422, []string{"#/photos:empty"}, kept},
		{"a bad name", field("title", "x") + file("photos", "../b.png", "image/png", png) + "--b--", 422, []string{"#/photos:filename"}, kept},
		{"a body that is cut off", field("title", "x"), 400, []string{"#:syntax"}, kept},
		{"a body that goes on", field("title", "x") + "--b--x", 400, []string{"#:syntax"}, kept},
		{"a text that is not UTF-8", field("title", "\xff") + "--b--", 400, []string{"#:invalid_utf8"}, kept},
		{"a file that is cut off", "--b\r\nContent-Disposition: form-data; name=photos; filename=b.png\r\nContent-Type: image/png\r\n\r\n" + png + strings.Repeat("a", 50_000), 400, []string{"#:syntax"}, []string{"open a.png image/png", "close a.png", "open b.png image/png", "abort a.png", "abort b.png"}},
		{"a file that is cut off at once", "--b\r\nContent-Disposition: form-data; name=photos; filename=b.png\r\nContent-Type: image/png\r\n\r\n" + png, 400, []string{"#:syntax"}, kept},
		{"a file that is too large", field("title", "x") + file("photos", "b.png", "image/png", png+strings.Repeat("a", 100_000)) + "--b--", 422, []string{"#/photos:max_length"}, []string{"open a.png image/png", "close a.png", "open b.png image/png", "abort a.png", "abort b.png"}},
		{"one file too many", field("title", "x") + file("photos", "b.png", "image/png", png) + file("photos", "c.png", "image/png", png) + "--b--", 422, []string{"#/photos:max_length"}, []string{"open a.png image/png", "close a.png", "open b.png image/png", "close b.png", "open c.png image/png", "close c.png", "abort a.png", "abort b.png", "abort c.png"}},
		{"binary data far down in a text", field("title", "x") + text(strings.Repeat("a", 40_000)+"\x00") + "--b--", 422, []string{"#/notes:file_type"}, textLog},
		{"a bad byte far down in a text", field("title", "x") + text(strings.Repeat("a", 40_000)+"\xff") + "--b--", 422, []string{"#/notes:file_type"}, textLog},
		{"half a character at the end of a text", field("title", "x") + text(strings.Repeat("a", 40_000)+"\xe2\x82") + "--b--", 422, []string{"#/notes:file_type"}, textLog},
		{"more text than forms have", field("title", strings.Repeat("x", 60)) + strings.Repeat(field("x", strings.Repeat("x", 50)), 3) + "--b--", 413, []string{}, kept},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			s := new(shelf)
			v, err := albums(t, s).Bind(httptest.NewRecorder(), sendMultipart(good+tt.rest))
			require.Equal(t, tt.status, problem(t, err).Status)
			assert.Equal(t, tt.want, faults(err))
			assert.Equal(t, tt.log, s.log)
			assert.Empty(t, s.held)
			assert.Zero(t, v)
		})
	}
}

func TestNothingIsStoredOfAFileThatIsTooLargeFromTheStart(t *testing.T) {
	type in struct {
		F sanitize.File `json:"f" validate:"types=image/png,lt=20"`
	}
	s := new(shelf)
	b := newBinder[in](t, sanitize.Config{Uploads: sanitize.Uploads{Store: s.store}, Limits: sanitize.Limits{ContentTypes: []string{multipartType}}})
	_, err := b.Bind(httptest.NewRecorder(), sendMultipart(file("f", "a.png", "image/png", png+"1234")+"--b--"))
	assert.Equal(t, []string{"#/f:max_length"}, faults(err))
	assert.Empty(t, s.log)
}

func TestLargeTextsInMemoryAreTooLarge(t *testing.T) {
	type in struct {
		F sanitize.File `json:"f" validate:"types=text/plain,max=5"`
	}
	b := newBinder[in](t, sanitize.Config{Limits: sanitize.Limits{ContentTypes: []string{multipartType}}})
	for _, content := range []string{"123456", "12345€", "1234€", "12345😀😀", strings.Repeat("é", 9)} {
		_, err := b.Bind(httptest.NewRecorder(), sendMultipart(file("f", "a.txt", "text/plain", content)+"--b--"))
		assert.Equal(t, []string{"#/f:max_length"}, faults(err), content)
	}
	v, err := b.Bind(httptest.NewRecorder(), sendMultipart(file("f", "a.txt", "text/plain", "12345")+"--b--"))
	require.NoError(t, err)
	assert.Equal(t, "12345", string(v.F.Data))
}

func TestAStoreThatFails(t *testing.T) {
	broken := errors.New("disk on fire")
	body := field("title", "x") + file("photos", "a.png", "image/png", png) + "--b--"
	for desc, tt := range map[string]struct {
		shelf shelf
		log   []string
		says  string
	}{
		"to open":            {shelf{storeErr: broken}, []string{"open a.png image/png"}, "disk on fire"},
		"to write":           {shelf{writeErr: broken}, []string{"open a.png image/png", "abort a.png"}, "disk on fire"},
		"to write all of it": {shelf{short: true}, []string{"open a.png image/png", "abort a.png"}, "short write"},
		"to close":           {shelf{closeErr: broken}, []string{"open a.png image/png", "close a.png", "abort a.png"}, "disk on fire"},
		"to abort, too":      {shelf{writeErr: broken, abortErr: errors.New("nor to remove")}, []string{"open a.png image/png", "abort a.png"}, "nor to remove"},
	} {
		t.Run(desc, func(t *testing.T) {
			s := tt.shelf
			var log bytes.Buffer
			b, err := sanitize.NewBinder[album](sanitize.Config{
				Uploads: sanitize.Uploads{Store: s.store}, Limits: sanitize.Limits{ContentTypes: []string{multipartType}},
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			require.NoError(t, err)
			_, err = b.Bind(httptest.NewRecorder(), sendMultipart(body))
			require.Equal(t, 500, problem(t, err).Status)
			assert.Equal(t, "not_stored", problem(t, err).Code)
			assert.NotContains(t, err.Error(), "fire", "the client does not see it")
			assert.Equal(t, tt.log, s.log)
			assert.Contains(t, log.String(), tt.says)
		})
	}
	s := &shelf{storeErr: &sanitize.Invalid{Code: "quota", Detail: "Your space is full."}}
	_, err := albums(t, s).Bind(httptest.NewRecorder(), sendMultipart(body))
	assert.Equal(t, []string{"#/photos:quota"}, faults(err), "or refuses")
	b := newBinder[album](t, sanitize.Config{
		Uploads: sanitize.Uploads{Store: func(context.Context, sanitize.File) (sanitize.Upload, error) { return nil, nil }}, //nolint:nilnil // the mistake that is tested
		Limits:  sanitize.Limits{ContentTypes: []string{multipartType}},
	})
	_, err = b.Bind(httptest.NewRecorder(), sendMultipart(body))
	assert.Equal(t, 500, problem(t, err).Status, "or returns nothing")
	s = &shelf{panics: true}
	assert.PanicsWithValue(t, "full", func() { _, _ = albums(t, s).Bind(httptest.NewRecorder(), sendMultipart(body)) })
	assert.Equal(t, []string{"open a.png image/png", "abort a.png"}, s.log, "or panics")
}

func TestLimitsHoldForStoredFiles(t *testing.T) {
	type in struct {
		Film sanitize.File `json:"film" validate:"required,types=video/mp4"`
	}
	s := new(shelf)
	b := newBinder[in](t, sanitize.Config{Uploads: sanitize.Uploads{Store: s.store}, Limits: sanitize.Limits{ContentTypes: []string{multipartType}, MaxBody: 100_000}})
	body := file("film", "a.mp4", "video/mp4", ftyp("mp42", "mp42")+strings.Repeat("a", 100_000)) + "--b--"
	_, err := b.Bind(httptest.NewRecorder(), sendMultipart(body))
	require.Equal(t, 413, problem(t, err).Status)
	assert.Empty(t, s.log, "the client said how much it is")
	r := sendMultipart(body)
	r.ContentLength = -1
	_, err = b.Bind(httptest.NewRecorder(), r)
	require.Equal(t, 413, problem(t, err).Status)
	assert.Equal(t, []string{"open a.mp4 video/mp4", "abort a.mp4"}, s.log)

	*s = shelf{}
	r = sendMultipart("")
	r.Body, r.ContentLength = readCloser{io.MultiReader(strings.NewReader(body[:50_000]), iotest.ErrReader(errors.New("i/o timeout")))}, -1
	_, err = b.Bind(httptest.NewRecorder(), r)
	require.Equal(t, 400, problem(t, err).Status, "the server's deadline has passed")
	assert.Equal(t, []string{"open a.mp4 video/mp4", "abort a.mp4"}, s.log)
}

func TestABodyThatCannotBeReadIsRefused(t *testing.T) {
	b := pictures(t, sanitize.Uploads{})
	for _, begin := range []string{"", "--b", "--b\r\nContent-", strings.TrimSuffix(field("title", "x"), "\r\n"), strings.TrimSuffix(file("photo", "a.png", "image/png", png), "\r\n"), field("title", "x") + "--b", field("title", "x") + "--b--"} {
		r := sendMultipart("")
		r.Body, r.ContentLength = readCloser{io.MultiReader(strings.NewReader(begin), iotest.ErrReader(errors.New("i/o timeout")))}, -1
		_, err := b.Bind(httptest.NewRecorder(), r)
		require.Equal(t, 400, problem(t, err).Status, begin)
		assert.Equal(t, "The request body could not be read.", problem(t, err).Errors[0].Detail, begin)
	}
}

func TestAFailureOfTheStoreGoesToTheDefaultLogger(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	s := &shelf{storeErr: errors.New("disk on fire")}
	b, err := sanitize.NewBinder[album](sanitize.Config{Uploads: sanitize.Uploads{Store: s.store}, Limits: sanitize.Limits{ContentTypes: []string{multipartType}}})
	require.NoError(t, err)
	_, err = b.Bind(httptest.NewRecorder(), sendMultipart(file("photos", "a.png", "image/png", png)+"--b--"))
	require.Error(t, err)
	assert.Contains(t, log.String(), "disk on fire")
}

func TestAHandlerGetsWhatIsStored(t *testing.T) {
	s := new(shelf)
	server := httptest.NewServer(albums(t, s).Handler(func(w http.ResponseWriter, _ *http.Request, v album) {
		_, _ = io.WriteString(w, v.Photos[0].Name)
	}))
	defer server.Close()
	for body, want := range map[string]string{field("title", "x") + file("photos", "a.png", "image/png", png) + "--b--": "a.png", file("photos", "a.png", "image/png", png) + "--b--": `"required"`} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", multipartType+"; boundary=b")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Contains(t, string(got), want)
	}
}

// FuzzStore: a body that is stored as it arrives is taken for what it is in memory,
// and nothing is left of one that is refused.
func FuzzStore(f *testing.F) {
	for _, s := range []string{file("photos", "a.png", "image/png", png) + field("title", "x"), file("notes", "a.txt", "text/plain", "é"), file("photos", "a.png", "image/png", "x"), field("title", "\r\n-")} {
		f.Add(s + "--b--\r\n")
		f.Add(s + "--b--")
		f.Add(s + "--b")
	}
	memory := newBinder[album](f, sanitize.Config{Limits: sanitize.Limits{ContentTypes: []string{multipartType}, MaxString: 50}})
	f.Fuzz(func(t *testing.T, body string) {
		s := new(shelf)
		r := sendMultipart("")
		r.Body, r.ContentLength = readCloser{iotest.OneByteReader(strings.NewReader(body))}, -1
		v, err := albums(t, s).Bind(httptest.NewRecorder(), r)
		want, wantErr := memory.Bind(httptest.NewRecorder(), sendMultipart(body))
		if err != nil && problem(t, err).Status == 413 {
			return // more text than forms have
		}
		require.Equal(t, faults(wantErr), faults(err))
		if err != nil {
			require.Empty(t, s.held)
			return
		}
		require.Len(t, v.Photos, len(want.Photos))
		for i, f := range want.Photos {
			require.Equal(t, f.Name, v.Photos[i].Name)
			require.Equal(t, sha256.Sum256(f.Data), v.Photos[i].Stored.SHA256)
			require.Equal(t, f.Size(), v.Photos[i].Size())
		}
	})
}

func TestFilesOfNestedFieldsGoToTheStore(t *testing.T) {
	type slide struct {
		Photo *sanitize.File `json:"photo" validate:"omitempty,types=image/png,max=1000"`
	}
	type show struct {
		Slides []slide         `json:"slides"`
		Extra  []sanitize.File `json:"extra" validate:"dive,types=image/png,max=1000"`
	}
	s := new(shelf)
	b := newBinder[show](t, sanitize.Config{Uploads: sanitize.Uploads{Store: s.store}, Limits: sanitize.Limits{ContentTypes: []string{multipartType}}})
	body := file("slides[0].photo", "a.png", "image/png", png) + file("extra[]", "b.png", "image/png", png) + "--b--\r\n"
	v, err := b.Bind(httptest.NewRecorder(), sendMultipart(body))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a.png": png, "b.png": png}, s.held)
	require.Len(t, v.Slides, 1)
	assert.Equal(t, int64(len(png)), v.Slides[0].Photo.Size())
	assert.Equal(t, int64(len(png)), v.Extra[0].Size())

	body = file("slides[0].photo", "c.png", "image/png", png) + file("slides[0].nope", "d.png", "image/png", png) + "--b--\r\n"
	_, err = b.Bind(httptest.NewRecorder(), sendMultipart(body))
	require.Error(t, err)
	assert.Equal(t, map[string]string{"a.png": png, "b.png": png}, s.held, "of a refused request nothing stays")
}
