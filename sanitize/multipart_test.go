package sanitize_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

type upload struct {
	Title string                           `json:"title" sanitize:"text" validate:"required,max=20"`
	Photo sanitize.File                    `json:"photo" validate:"required,types=image/png image/jpeg,max=100"`
	Notes []sanitize.File                  `json:"notes" validate:"max=2,dive,types=text/plain text/csv"`
	Any   *sanitize.File                   `json:"any" validate:"types=application/pdf application/zip application/gzip audio/mpeg audio/wav text/markdown application/json application/vnd.openxmlformats-officedocument.wordprocessingml.document application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"`
	Opt   sanitize.Optional[sanitize.File] `json:"opt" validate:"types=image/gif"`
	Count int                              `json:"count"`
}

const (
	multipartType = "multipart/form-data"
	png           = "\x89PNG\r\n\x1a\n and so on"
)

func uploads() sanitize.Config {
	return sanitize.Config{Limits: sanitize.Limits{ContentTypes: []string{multipartType, "application/json", formType}, MaxParams: 6, MaxFiles: 4, MaxString: 30}}
}

// field and file are parts as a browser sends them.
func field(name, value string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

func file(name, filename, media, content string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"" + filename + "\"\r\nContent-Type: " + media + "\r\n\r\n" + content + "\r\n"
}

const photo = "--b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n" + png + "\r\n"

func sendMultipart(body string) *http.Request { return post(multipartType+"; boundary=b", body) }

func TestBindReadsMultipart(t *testing.T) {
	b := newBinder[upload](t, uploads())
	var body bytes.Buffer
	w := multipart.NewWriter(&body) // what Go's own client sends
	require.NoError(t, w.WriteField("title", " Soap é "))
	require.NoError(t, w.WriteField("count", "7"))
	for _, f := range [][4]string{{"photo", "bar.PNG", "image/png", png}, {"notes", "a.txt", "text/plain; charset=utf-8", "first"}, {"notes", "cafe\u0301.csv", "Text/CSV", "a,b"}, {"opt", "", "application/octet-stream", ""}} {
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + f[0] + `"; filename="` + f[1] + `"`}, "Content-Type": {f[2]}, "Content-Transfer-Encoding": {"binary"}})
		require.NoError(t, err)
		_, err = part.Write([]byte(f[3]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	v, err := b.Bind(httptest.NewRecorder(), post(w.FormDataContentType(), body.String()))
	require.NoError(t, err)
	assert.Equal(t, upload{
		Title: "Soap é", Count: 7, Photo: sanitize.File{Name: "bar.PNG", ContentType: "image/png", Data: []byte(png)},
		Notes: []sanitize.File{{Name: "a.txt", ContentType: "text/plain", Data: []byte("first")}, {Name: "café.csv", ContentType: "text/csv", Data: []byte("a,b")}},
	}, v)
	_, err = b.Bind(httptest.NewRecorder(), sendMultipart(field("title", "another request")+file("photo", "x.jpg", "image/jpeg", "\xff\xd8\xff")+"--b--"))
	require.NoError(t, err)
	assert.Equal(t, png, string(v.Photo.Data), "a file is the handler's own")
}

func TestFilesMustBeWhatTheySay(t *testing.T) {
	wav := "RIFF\x00\x00\x00\x00WAVE"
	tests := []struct {
		desc, part string
		want       string // of the fault; empty: none
	}{
		{"a GIF", file("opt", "a.gif", "image/gif", "GIF89a;"), ""},
		{"a PDF", file("any", "a.pdf", "application/pdf", "%PDF-1.7"), ""},
		{"an archive", file("any", "a.tgz", "application/gzip", "\x1f\x8b\x08"), ""},
		{"a document", file("any", "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", container(t, "[Content_Types].xml", "word/document.xml")), ""},
		{"a sheet", file("any", "a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", container(t, "[Content_Types].xml", "xl/workbook.xml")), ""},
		{"a sound", file("any", "a.wav", "audio/wav", wav), ""},
		{"a song", file("any", "a.mp3", "audio/mpeg", "ID3\x03"), ""},
		{"Markdown", file("any", "a.md", "text/markdown", "# a"), ""},
		{"JSON", file("any", "a.json", "application/json", "{}"), ""},
		{"a script with an image's beginning", file("opt", "a.php", "image/gif", "GIF89a<?php"), "#/opt:file_type"},
		{"a page that is called an image", file("opt", "a.gif", "image/gif", "<html>"), "#/opt:file_type"},
		{"an image that is declared another", file("opt", "a.gif", "image/png", "GIF89a;"), "#/opt:file_type"},
		{"a page that is declared text", file("notes", "a.txt", "text/plain", "<script>alert(1)</script>"), "#/notes:file_type"},
		{"text in UTF-16", file("notes", "a.txt", "text/plain", "\xff\xfea\x00"), "#/notes:file_type"},
		{"binary data far down in a text", file("notes", "a.txt", "text/plain", strings.Repeat("a", 600)+"\x00"), "#/notes:file_type"},
		{"no extension", file("opt", "gif", "image/gif", "GIF89a;"), "#/opt:file_type"},
		{"two extensions", file("opt", "a.gif.php", "image/gif", "GIF89a;"), "#/opt:file_type"},
		{"a type that is not in the list", file("opt", "a.png", "image/png", png), "#/opt:file_type"},
		{"no type", "--b\r\nContent-Disposition: form-data; name=opt; filename=a.gif\r\n\r\nGIF89a;\r\n", "#/opt:file_type"},
		{"an empty file", file("opt", "a.gif", "image/gif", ""), "#/opt:empty"},
		{"a name with a path", file("opt", "../a.gif", "image/gif", "GIF89a;"), "#/opt:filename"},
		{"a device's name", file("opt", "con.gif", "image/gif", "GIF89a;"), "#/opt:filename"},
		{"a reordered name", file("opt", "a\u202efig.gif", "image/gif", "GIF89a;"), "#/opt:filename"},
		{"content without a name", file("opt", "", "image/gif", "GIF89a;"), "#/opt:filename"},
		{"two files for one field", file("opt", "a.gif", "image/gif", "GIF89a;") + file("opt", "b.gif", "image/gif", "GIF89a;"), "#/opt:repeated"},
		{"a large file", file("opt", "a.gif", "image/gif", "GIF89a;"+strings.Repeat("a", 100)), ""},
		{"text for a file", field("opt", "GIF89a;"), "#/opt:invalid"},
		{"a file for text", file("count", "a.txt", "text/plain", "7"), "#/count:invalid"},
		{"a file for nobody", file("x", "a.txt", "text/plain", "7"), "#/x:unknown_field"},
		{"text of another type", "--b\r\nContent-Disposition: form-data; name=count\r\nContent-Type: application/json\r\n\r\n7\r\n", "#/count:file_type"},
		{"text of the default type", "--b\r\nContent-Disposition: form-data; name=count\r\nContent-Type: text/plain\r\n\r\n7\r\n", ""},
		{"a long text", field("count", strings.Repeat("7", 31)), "#/count:string_too_long"},
		{"a long text that is cut off within a character", field("count", strings.Repeat("7", 33)+"é"), "#/count:string_too_long"},
		{"three files where two may be", strings.Repeat(file("notes", "a.txt", "text/plain", "x"), 3), "#/notes:max_length"},
	}
	b := newBinder[upload](t, uploads())
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			_, err := b.Bind(httptest.NewRecorder(), sendMultipart(field("title", "x")+photo+tt.part+"--b--\r\n"))
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			status := 422
			if strings.HasSuffix(tt.want, ":repeated") || strings.HasSuffix(tt.want, ":invalid") { // not of the field's type
				status = 400
			}
			require.Equal(t, status, problem(t, err).Status)
			assert.Equal(t, []string{tt.want}, faults(err))
		})
	}
	_, err := b.Bind(httptest.NewRecorder(), sendMultipart(file("photo", "a.png", "image/png", png+strings.Repeat("a", 100))+field("title", "x")+"--b--"))
	assert.Equal(t, []string{"#/photo:max_length"}, faults(err))
	_, err = b.Bind(httptest.NewRecorder(), sendMultipart(field("count", "x")+field("title", strings.Repeat("a", 21))+"--b--"))
	assert.Equal(t, []string{"#/count:invalid", "#/title:max_length", "#/photo:required"}, faults(err), "in input order")
	_, err = b.Bind(httptest.NewRecorder(), post("application/json", `{"title":"x","photo":"a.png"}`))
	assert.Equal(t, []string{"#/photo:invalid"}, faults(err))
	_, err = b.Bind(httptest.NewRecorder(), post(formType, "title=x&photo=a.png"))
	assert.Equal(t, []string{"#/photo:invalid"}, faults(err))
}

func TestMalformedMultipart(t *testing.T) {
	head := "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n"
	tests := []struct{ desc, body, want string }{
		{"nothing", "", "syntax"},
		{"another boundary", strings.ReplaceAll(field("title", "x")+"--b--", "--b", "--c"), "syntax"},
		{"a preamble", "hello\r\n" + field("title", "x") + "--b--", "syntax"},
		{"an epilogue", field("title", "x") + "--b--\r\nhello", "syntax"},
		{"no end", field("title", "x"), "syntax"},
		{"half an end", field("title", "x") + "--b-", "syntax"},
		{"a boundary that goes on", field("title", "x\r\n--bc") + "--b--", "syntax"},
		{"a boundary with a blank", field("title", "x") + "--b \r\n--b--", "syntax"},
		{"line feeds only", strings.ReplaceAll(field("title", "x")+"--b--", "\r\n", "\n"), "syntax"},
		{"no header", "--b\r\n\r\nx\r\n--b--", "syntax"},
		{"a header without end", "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n--b--", "syntax"},
		{"a delimiter that shares the line break of a header", head + "\r\n--b\r\n--b--", "syntax"},
		{"a part without name", "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", "syntax"},
		{"a part without disposition", "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--", "syntax"},
		{"another disposition", "--b\r\nContent-Disposition: attachment; name=\"title\"\r\n\r\nx\r\n--b--", "syntax"},
		{"two dispositions", head + "content-disposition: form-data; name=\"x\"\r\n\r\nx\r\n--b--", "syntax"},
		{"two names", "--b\r\nContent-Disposition: form-data; name=\"title\"; name=\"x\"\r\n\r\nx\r\n--b--", "syntax"},
		{"two file names", "--b\r\nContent-Disposition: form-data; name=\"title\"; filename=\"x\"; filename=\"y\"\r\n\r\nx\r\n--b--", "syntax"},
		{"an encoded file name", "--b\r\nContent-Disposition: form-data; name=\"title\"; filename*=utf-8''x\r\n\r\nx\r\n--b--", "syntax"},
		{"a name with a backslash", "--b\r\nContent-Disposition: form-data; name=\"ti\\\"tle\"\r\n\r\nx\r\n--b--", "syntax"},
		{"a name that does not end", "--b\r\nContent-Disposition: form-data; name=\"title\r\n\r\nx\r\n--b--", "syntax"},
		{"a name that is no token", "--b\r\nContent-Disposition: form-data; name=a@b\r\n\r\nx\r\n--b--", "syntax"},
		{"a parameter without semicolon", "--b\r\nContent-Disposition: form-data name=a\r\n\r\nx\r\n--b--", "syntax"},
		{"a parameter without value", "--b\r\nContent-Disposition: form-data; name\r\n\r\nx\r\n--b--", "syntax"},
		{"a header line without a colon", head + "x\r\n\r\nx\r\n--b--", "syntax"},
		{"a folded header", head + " x: y\r\n\r\nx\r\n--b--", "syntax"},
		{"a control character in a header", head + "X: a\x00b\r\n\r\nx\r\n--b--", "syntax"},
		{"invalid UTF-8 in a header", head + "X: \xff\r\n\r\nx\r\n--b--", "syntax"},
		{"a transfer encoding", head + "Content-Transfer-Encoding: base64\r\n\r\neA==\r\n--b--", "syntax"},
		{"a type that does not parse", head + "Content-Type: /\r\n\r\nx\r\n--b--", "syntax"},
		{"another charset", head + "Content-Type: text/plain; charset=utf-16\r\n\r\nx\r\n--b--", "syntax"},
		{"a long header", head + "X: " + strings.Repeat("a", 5000) + "\r\n\r\nx\r\n--b--", "syntax"},
		{"many header lines", head + "A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\nG:\r\nH:\r\n\r\nx\r\n--b--", "syntax"},
		{"invalid UTF-8 in a field", field("title", "\xff") + "--b--", "invalid_utf8"},
		{"too many parts", strings.Repeat(field("title", "x"), 7) + "--b--", "too_many_parameters"},
		{"too many files", strings.Repeat(file("notes", "a.txt", "text/plain", "x"), 5) + "--b--", "too_many_files"},
	}
	b := newBinder[upload](t, uploads())
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			_, err := b.Bind(httptest.NewRecorder(), sendMultipart(tt.body))
			require.Equal(t, 400, problem(t, err).Status)
			assert.Equal(t, []string{"#:" + tt.want}, faults(err))
		})
	}
	for _, media := range []string{multipartType, multipartType + `; boundary=""`, multipartType + `; boundary="b "`, multipartType + `; boundary="b*"`, multipartType + "; boundary=" + strings.Repeat("b", 71)} {
		_, err := b.Bind(httptest.NewRecorder(), post(media, field("title", "x")+"--b--"))
		assert.Equal(t, []string{"#:syntax"}, faults(err), media)
	}
}

func TestFileTagsAreChecked(t *testing.T) {
	type files struct {
		Untyped sanitize.File   `json:"a"`
		List    []sanitize.File `json:"b" validate:"max=1"`
		Page    sanitize.File   `json:"c" validate:"types=text/html"`
		Drawing sanitize.File   `json:"d" validate:"types=image/svg+xml"`
		Unknown sanitize.File   `json:"e" validate:"types=image/x"`
		Nothing sanitize.File   `json:"f" validate:"types="`
		Cleaned sanitize.File   `json:"g" sanitize:"trim" validate:"types=image/png,email"`
		Bad     sanitize.File   `json:"h" validate:"types=image/png,max=x"`
		Text    string          `json:"i" validate:"types=image/png"`
		Twice   sanitize.File   `json:"j" validate:"types=image/png,types=image/gif"`
		Choice  sanitize.File   `json:"k" validate:"types=image/png|max=9,types=image/gif"`
		Path    *sanitize.File  `path:"l" validate:"types=image/png"`
	}
	_, err := sanitize.NewBinder[files](sanitize.Config{Rules: map[string]func(string) error{"types": func(string) error { return nil }}})
	assert.Equal(t, []string{
		"Rules: conflict: types",
		"Untyped: missing: validate:types", "List: missing: validate:types", "Page: unsafe: validate:types=text/html", "Drawing: unsafe: validate:types=image/svg+xml",
		"Unknown: unknown: validate:types=image/x", "Nothing: invalid: validate:types", "Cleaned: unsupported: sanitize:trim", "Cleaned: unsupported: validate:email",
		"Bad: invalid: validate:max=x", "Text: unsupported: validate:types=image/png",
		"Twice: duplicate: validate:types=image/gif", "Choice: duplicate: validate:types=image/gif", "Path: unsupported: path:l",
		"Limits.ContentTypes: missing: multipart/form-data",
	}, mistakes(err))
}

func TestValueChecksFiles(t *testing.T) {
	b := newBinder[upload](t, uploads())
	v := upload{Title: "x", Photo: sanitize.File{Name: "../a.png", ContentType: "image/png", Data: []byte(png)}}
	assert.Equal(t, []string{"#/photo:filename"}, faults(b.Value(&v)))
	v.Photo.Name = "a.png"
	require.NoError(t, b.Value(&v))
}

func TestSaveStaysInItsDirectory(t *testing.T) {
	path := t.TempDir()
	dir, err := os.OpenRoot(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, dir.Close()) }()
	f := sanitize.File{Name: "a.png", Data: []byte(png)}
	require.NoError(t, f.Save(dir))
	got, err := os.ReadFile(path + "/a.png")
	require.NoError(t, err)
	assert.Equal(t, png, string(got))
	require.ErrorIs(t, f.Save(dir), fs.ErrExist)
	require.Error(t, sanitize.File{Name: "../a.png"}.Save(dir))
	require.NoError(t, os.Mkdir(path+"/sub", 0o700))
	require.Error(t, sanitize.File{Name: "sub"}.Save(dir))
}

// FuzzMultipart: what is accepted, Go's own lenient parser reads alike.
func FuzzMultipart(f *testing.F) {
	for _, s := range []string{photo, field("title", "x") + photo, file("notes", "a.txt", "text/plain", "x"), field("title", "\r\n-"), "--b\r\nContent-Disposition: form-data; name=title\r\nX: y\r\n\r\n\r\n"} {
		f.Add(s + "--b--\r\n")
		f.Add(s + "--b--")
	}
	cfg := uploads()
	cfg.AllowUnknown = true
	b := newBinder[struct {
		Title string          `json:"title"`
		Files []sanitize.File `json:"notes" validate:"dive,types=text/plain image/png"`
	}](f, cfg)
	f.Fuzz(func(t *testing.T, body string) {
		v, err := b.Bind(httptest.NewRecorder(), sendMultipart(body))
		if err != nil {
			require.Contains(t, []int{400, 413, 422}, problem(t, err).Status)
			return
		}
		r := multipart.NewReader(strings.NewReader(body), "b")
		files, title := 0, ""
		for {
			p, err := r.NextRawPart()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			data, err := io.ReadAll(p)
			require.NoError(t, err)
			switch {
			case p.FormName() == "notes" && len(data) > 0:
				require.Equal(t, string(data), string(v.Files[files].Data))
				files++
			case p.FormName() == "title":
				title = string(data)
			}
		}
		require.Equal(t, title, v.Title)
		require.Len(t, v.Files, files)
	})
}

// Of "charset" and "charset*" (RFC 2231) one server on the way reads the one, the
// next one the other.
func TestExtendedParametersOfAContentTypeAreRefused(t *testing.T) {
	type in struct {
		A string `json:"a"`
	}
	b, err := sanitize.NewBinder[in](sanitize.Config{Limits: sanitize.Limits{ContentTypes: []string{"application/json", "multipart/form-data"}}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	form := "--evil\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--good\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n--good--\r\n--evil--\r\n"
	part := "--x\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=utf-16; charset*=utf-8''utf-8\r\n\r\n1\r\n--x--\r\n"
	for media, body := range map[string]string{
		"application/json; charset=utf-16; charset*=utf-8''utf-8":          `{"a":"x"}`,
		"application/json; charset*=utf-16''utf-16":                        `{"a":"x"}`,
		"multipart/form-data; boundary=good; boundary*=utf-8''evil":        form,
		"multipart/form-data; boundary=good; boundary*0=ev; boundary*1=il": form,
		"multipart/form-data; boundary=x":                                  part,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", media)
		_, err := b.Bind(httptest.NewRecorder(), r)
		assert.Error(t, err, media)
	}
}

func TestABodyWithoutALimitIsAMistake(t *testing.T) {
	_, err := sanitize.NewGuard(sanitize.GuardConfig{Limits: sanitize.Limits{MaxBody: math.MaxInt64}})
	assert.ErrorContains(t, err, "Limits.MaxBody")
}
