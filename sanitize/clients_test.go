package sanitize_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

// What clients send: testdata/README.md says how each body came about.
func TestMultipartBodiesOfClients(t *testing.T) {
	files, err := filepath.Glob("testdata/multipart/*.txt")
	require.NoError(t, err)
	require.Len(t, files, 19)
	strict, detecting := pictures(t, sanitize.Uploads{}), pictures(t, sanitize.Uploads{Detect: true})
	untyped := []string{"apache-httpclient", "dart", "dotnet", "go", "python-requests"}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			header, body, ok := strings.Cut(string(raw), "\r\n\r\n")
			require.True(t, ok)
			media := strings.TrimPrefix(header, "Content-Type: ")
			v, err := detecting.Bind(httptest.NewRecorder(), post(media, body))
			require.NoError(t, err)
			assert.Equal(t, "Café — 1 €", v.Title)
			assert.Contains(t, []string{"Ann’s photo.png", "Screenshot 2024-01-01 at 9.41.00\u202fAM.png", "photo.png", "IMG_0001.png", "IMG_20240101_094100.png", "image_picker_1.png"}, v.Photo.Name)
			assert.Equal(t, "image/png", v.Photo.ContentType)
			assert.True(t, strings.HasPrefix(string(v.Photo.Data), "\x89PNG\r\n\x1a\n") && strings.HasSuffix(string(v.Photo.Data), "IEND\xaeB\x60\x82"))
			assert.Nil(t, v.Notes)

			r := post(media, "")
			r.Body, r.ContentLength = readCloser{iotest.OneByteReader(strings.NewReader(body))}, -1
			slow, err := detecting.Bind(httptest.NewRecorder(), r)
			require.NoError(t, err)
			assert.Equal(t, v, slow, "however it arrives")

			_, err = strict.Bind(httptest.NewRecorder(), post(media, body))
			var want []string
			for _, s := range untyped {
				if s == name {
					want = []string{"#/photo:file_type"}
				}
			}
			assert.Equal(t, want, faults(err), "without Detect")
		})
	}
}

// A file name that is there twice says the same twice.
func TestExtendedFileNamesMustAgree(t *testing.T) {
	b := pictures(t, sanitize.Uploads{})
	for params, want := range map[string]string{
		`filename=a.png; filename*=utf-8''a.png`:                         "a.png",
		`filename*=UTF-8''a%20b.png; filename="a b.png"`:                 "a b.png",
		`filename="=?utf-8?B?w6kucG5n?="; filename*=utf-8''%C3%A9.png`:   "é.png",
		`filename="=?utf-8?B?w6kucG5n?="`:                                "-", // a name with question marks
		`filename*=utf-8''a.png`:                                         "",
		`filename=a.png; filename*=utf-8''b.png`:                         "",
		`filename=a.png; filename*=utf-8''a.png; filename*=utf-8''a.png`: "",
		`filename=a.png; filename*=utf-8''`:                              "",
		`filename=a.png; filename*=utf-8'en'a.png`:                       "",
		`filename=a.png; filename*=a.png`:                                "",
		`filename=a.png; filename*="x"`:                                  "",
		`filename="a%.png"; filename*="utf-8''a%.png"`:                   "",
		`filename="=?utf-8?B?w6kucG5n"; filename*=utf-8''%C3%A9.png`:     "",
		`filename="=?utf-8?B?!?="; filename*=utf-8''%C3%A9.png`:          "",
		`filename="=?utf-8?B?/y5wbmc=?="; filename*=utf-8''%FF.png`:      "",
		`filename=a.png; filename*0=a.png`:                               "",
		`filename="a\"; filename*=utf-8''a.png`:                          "",
	} {
		body := "--b\r\nContent-Disposition: form-data; name=photo; " + params + "\r\nContent-Type: image/png\r\n\r\n" + png + "\r\n--b--"
		v, err := b.Bind(httptest.NewRecorder(), sendMultipart(body))
		switch want {
		case "":
			assert.Equal(t, []string{"#:syntax"}, faults(err), params)
		case "-":
			assert.Equal(t, []string{"#/photo:filename"}, faults(err), params)
		default:
			require.NoError(t, err, params)
			assert.Equal(t, want, v.Photo.Name)
		}
	}
}

type readCloser struct {
	r interface{ Read([]byte) (int, error) }
}

func (c readCloser) Read(p []byte) (int, error) { return c.r.Read(p) }
func (readCloser) Close() error                 { return nil }
