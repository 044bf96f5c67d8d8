package sanitize_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/ecolaura/rampart/sanitize"
)

type picture struct {
	Title string         `json:"title"`
	Photo *sanitize.File `json:"photo" validate:"types=image/png"`
	Notes *sanitize.File `json:"notes" validate:"types=text/plain"`
}

// pictures binds multipart forms with a picture in them.
func pictures(t testing.TB, u sanitize.Uploads) *sanitize.Binder[picture] {
	t.Helper()
	return newBinder[picture](t, sanitize.Config{Uploads: u, Limits: sanitize.Limits{ContentTypes: []string{multipartType}}})
}

// The names are those that operating systems and apps give; testdata/README.md says
// more.
func TestNamesThatPeoplesMachinesGive(t *testing.T) {
	var list []struct{ By, Name, Repaired string }
	raw, err := os.ReadFile("testdata/filenames-people.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &list))
	strict, repairing, dropping := pictures(t, sanitize.Uploads{}), pictures(t, sanitize.Uploads{Names: sanitize.NamesRepaired}), pictures(t, sanitize.Uploads{Names: sanitize.NamesDropped})
	for _, c := range list {
		t.Run(c.By+": "+c.Name, func(t *testing.T) {
			body := file("photo", c.Name, "image/png", png) + "--b--\r\n"
			want := c.Repaired
			if v, err := strict.Bind(httptest.NewRecorder(), sendMultipart(body)); want == "" {
				want = norm.NFC.String(strings.NewReplacer("\u200f", "").Replace(c.Name))
				require.NoError(t, err)
				assert.Equal(t, want, v.Photo.Name)
			} else if c.Name != "blob" { // a name, but not a picture's
				require.Error(t, err)
			}
			v, err := repairing.Bind(httptest.NewRecorder(), sendMultipart(body))
			require.NoError(t, err)
			assert.Equal(t, want, v.Photo.Name)
			v, err = dropping.Bind(httptest.NewRecorder(), sendMultipart(body))
			require.NoError(t, err)
			assert.Empty(t, v.Photo.Name)
			require.NoError(t, dropping.Value(&v))
		})
	}
}

func TestRepairFilename(t *testing.T) {
	long := strings.Repeat("é", 200)
	for in, want := range map[string]string{
		"":                                 "file",
		".":                                "file",
		"..":                               "file",
		"/":                                "file",
		".png":                             "file.png",
		"-.png":                            "file.png",
		"../../etc/passwd":                 "passwd",
		`..\..\x`:                          "x",
		`a/b\c.png`:                        "c.png",
		".htaccess":                        "file.htaccess",
		"-rf":                              "rf",
		"a. . ":                            "a",
		"CON":                              "_CON",
		"nul.png":                          "_nul.png",
		" con.png":                         "_con.png",
		"a\x00b\nc.png":                    "abc.png",
		"\u202egpj.exe":                    "gpj.exe",
		"\u2066a\u2069.txt":                "a.txt",
		"a\u200b\ufeff.txt":                "a.txt",
		"a\u200d.txt":                      "a.txt",
		"a\U000e0041.txt":                  "a.txt",
		"a\u2028b":                         "ab",
		"a%2fb":                            "a_2fb",
		"%2e%2E":                           "_2e_2E",
		"%252f":                            "_252f",
		"%\u202e2f":                        "_2f",
		"%0a":                              "_0a",
		"50%.png":                          "50%.png",
		"%zz":                              "%zz",
		"%1":                               "%1",
		"<script>":                         "_script_",
		`a:b*c?d"e|f`:                      "a_b_c_d_e_f",
		"a\xff.png":                        "a_.png",
		long + ".png":                      strings.Repeat("é", 125) + ".png",
		long:                               strings.Repeat("é", 127),
		"a." + strings.Repeat("b", 300):    "a." + strings.Repeat("b", 253),
		strings.Repeat("a", 254) + " b":    strings.Repeat("a", 254),
		strings.Repeat("\u0958", 84) + "b": strings.Repeat("\u0915\u093c", 42) + "\u0915",
	} {
		got := sanitize.RepairFilename(in)
		assert.Equal(t, want, got, "%q", in)
	}
}

func TestHostileNamesAreRefusedOrRepaired(t *testing.T) {
	strict, repairing := pictures(t, sanitize.Uploads{}), pictures(t, sanitize.Uploads{Names: sanitize.NamesRepaired})
	for name, want := range map[string]string{
		"../a.png": "a.png", `..\a.png`: "a.png", "/etc/a.png": "a.png", "a\u202egnp.png": "agnp.png", "a\u2067.png": "a.png",
		"nul.png": "_nul.png", "..%2fa.png": "_2fa.png", "%2e%2e%5ca.png": "_2e_2e_5ca.png", strings.Repeat("x", 300) + ".png": strings.Repeat("x", 251) + ".png",
	} {
		body := file("photo", name, "image/png", png) + "--b--\r\n"
		_, err := strict.Bind(httptest.NewRecorder(), sendMultipart(body))
		assert.Equal(t, []string{"#/photo:filename"}, faults(err), "%q", name)
		v, err := repairing.Bind(httptest.NewRecorder(), sendMultipart(body))
		require.NoError(t, err, "%q", name)
		assert.Equal(t, want, v.Photo.Name)
	}
	for _, name := range []string{"a\x00.png", "a\x1b.png", "a\xff.png", `a\`} {
		_, err := repairing.Bind(httptest.NewRecorder(), sendMultipart(file("photo", name, "image/png", png)+"--b--\r\n"))
		assert.Equal(t, []string{"#:syntax"}, faults(err), "%q", name)
	}
	_, err := repairing.Bind(httptest.NewRecorder(), sendMultipart(file("photo", "a.php", "image/png", png)+"--b--\r\n"))
	assert.Equal(t, []string{"#/photo:file_type"}, faults(err), "a name is repaired, not its type")
	v := picture{Photo: &sanitize.File{ContentType: "image/png", Data: []byte(png)}}
	assert.Equal(t, []string{"#/photo:filename"}, faults(strict.Value(&v)))
	v.Photo.Name = "e\u0301.png"
	assert.Equal(t, []string{"#/photo:filename"}, faults(strict.Value(&v)), "a name that is not canonical")
}

// FuzzFilename: what is repaired is good, what is good is not repaired any more.
func FuzzFilename(f *testing.F) {
	for _, s := range []string{"a.txt", "../a", "%\u202e2f", "\u212a\u200d", ".\u200d", "e\u200b\u0301", "CON.\u202e", strings.Repeat("\u0958", 130) + ".a", "\U0001f3f4\U000e0067", "\u1100\u200b\u1161\u200d", "a.\u200e", "\xff", "<\u0338", "-\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		repaired := sanitize.RepairFilename(s)
		got, err := sanitize.Filename(repaired)
		require.NoError(t, err, "%q became %q", s, repaired)
		require.Equal(t, repaired, got)
		require.Equal(t, repaired, sanitize.RepairFilename(repaired))
		name, err := sanitize.Filename(s)
		if err != nil {
			return
		}
		require.Equal(t, name, sanitize.RepairFilename(name))
		require.True(t, utf8.ValidString(name))
		require.Equal(t, -1, strings.IndexFunc(name, func(r rune) bool { return r < ' ' || strings.ContainsRune(`/\`, r) }))
	})
}
