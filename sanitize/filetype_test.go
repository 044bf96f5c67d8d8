package sanitize_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

// container returns a ZIP file with entries of the given names.
func container(t testing.TB, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(name)
		require.NoError(t, err)
		_, err = f.Write([]byte("<x/>"))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String()
}

// ftyp returns the first box of an ISO media file.
func ftyp(major string, compatible ...string) string {
	brands := strings.Join(compatible, "")
	size := binary.BigEndian.AppendUint32(nil, uint32(16+len(brands)))
	return string(size) + "ftyp" + major + "\x00\x00\x00\x00" + brands + "\x00\x00\x00\x08moovheic"
}

func ogg(packet string) string {
	return "OggS\x00\x02" + strings.Repeat("\x00", 20) + "\x01\x13" + packet
}

const (
	officeType = "application/vnd.openxmlformats-officedocument."
	docx       = officeType + "wordprocessingml.document"
	xlsx       = officeType + "spreadsheetml.sheet"
	pptx       = officeType + "presentationml.presentation"
)

type anyFile struct {
	F sanitize.File `json:"f" validate:"types=image/jpeg image/webp image/heic image/heif image/avif video/mp4 video/quicktime video/webm audio/webm audio/mp4 audio/mpeg audio/wav audio/ogg video/ogg application/zip text/csv text/plain text/markdown application/gzip application/x-tally image/x-cr2 application/vnd.openxmlformats-officedocument.wordprocessingml.document application/vnd.openxmlformats-officedocument.spreadsheetml.sheet application/vnd.openxmlformats-officedocument.presentationml.presentation"`
}

func ownTypes() []sanitize.FileType {
	return []sanitize.FileType{
		{Name: "image/x-cr2", Extensions: []string{"cr2"}, Magic: "II*\x00", Matches: func(head []byte) bool { return len(head) > 10 && string(head[8:10]) == "CR" }},
		{Name: "application/x-tally", Extensions: []string{"tally", "tal"}, Aliases: []string{"application/tally"}, Matches: func(head []byte) bool { return bytes.Contains(head, []byte("tally")) }},
	}
}

func TestFilesByTheirContent(t *testing.T) {
	doc := container(t, "[Content_Types].xml", "_rels/.rels", "docProps/app.xml", "word/document.xml")
	sheet := container(t, "[Content_Types].xml", "xl/workbook.xml")
	slides := container(t, "_rels/.rels", "[Content_Types].xml", "docProps/thumbnail.jpeg", "ppt/presentation.xml")
	webm := "\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm"
	matroska := "\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska"
	heic, avif, mp4 := ftyp("heic", "mif1", "heic"), ftyp("avif", "mif1", "miaf"), ftyp("isom", "iso2", "avc1", "mp41")
	webp := "RIFF\x00\x00\x00\x00WEBPVP8 "
	tests := []struct {
		desc, name, media, content string
		want                       string // the type; empty: refused
	}{
		{"an iPhone's photo", "IMG_0001.HEIC", "image/heic", heic, "image/heic"},
		{"one that is declared HEIF", "IMG_0001.heic", "image/heif", ftyp("mif1", "mif1", "heic"), "image/heic"},
		{"an AVIF image", "a.avif", "image/avif", avif, "image/avif"},
		{"an AVIF image with another first brand", "a.avif", "image/avif", ftyp("mif1", "avif"), "image/avif"},
		{"an AVIF sequence", "a.avif", "image/avif", ftyp("avis", "avis"), "image/avif"},
		{"an AVIF image that is called HEIC", "a.heic", "image/heic", avif, ""},
		{"one of both", "a.heic", "image/heic", ftyp("heic", "avif"), ""},
		{"a HEIC image that is called AVIF", "a.avif", "image/avif", heic, ""},
		{"a HEIC image that is called a film", "a.mp4", "video/mp4", heic, ""},
		{"a HEIC image with a film's brand", "a.mp4", "video/mp4", ftyp("isom", "heic"), ""},
		{"a brand that is behind the box", "a.heic", "image/heic", ftyp("mif1", "mif1"), ""},
		{"a box that is cut off", "a.heic", "image/heic", heic[:14], ""},
		{"a box that says that it is larger", "a.heic", "image/heic", "\xff\xff\xff\xff" + heic[4:24], "image/heic"},
		{"a box without brands", "a.heic", "image/heic", "\x00\x00\x00\x00" + ftyp("mif1", "heic")[4:], ""},
		{"another box", "a.heic", "image/heic", strings.Replace(heic, "ftyp", "free", 1), ""},
		{"a WebP image", "a.webp", "image/webp", webp, "image/webp"},
		{"a photo as old clients declare it", "a.JPG", "image/pjpeg", "\xff\xd8\xff\xe0", "image/jpeg"},
		{"a film", "a.mp4", "video/mp4", mp4, "video/mp4"},
		{"a film of Android", "a.mp4", "video/mp4", ftyp("mp42", "isom", "mp42"), "video/mp4"},
		{"a film of another container", "a.mp4", "video/mp4", ftyp("3gp4", "3gp4"), ""},
		{"an iPhone's film", "a.MOV", "video/quicktime", ftyp("qt  ", "qt  "), "video/quicktime"},
		{"an iPhone's film that is called MP4", "a.mp4", "video/mp4", ftyp("qt  ", "mp42"), ""},
		{"a film that is called QuickTime", "a.mov", "video/quicktime", mp4, ""},
		{"nothing that is called QuickTime", "a.mov", "video/quicktime", "qt", ""},
		{"a recorder's sound", "a.m4a", "audio/x-m4a", ftyp("M4A ", "isom"), "audio/mp4"},
		{"WebM", "a.webm", "video/webm", webm, "video/webm"},
		{"a browser's sound", "a.webm", "audio/webm;codecs=opus", webm, "audio/webm"},
		{"Matroska", "a.webm", "video/webm", matroska, ""},
		{"a song with a tag", "a.mp3", "audio/mp3", "ID3\x04", "audio/mpeg"},
		{"a song without a tag", "a.mp3", "audio/mpeg", "\xff\xfb\x90\x64", "audio/mpeg"},
		{"a song of MPEG 2", "a.mp3", "audio/mpeg", "\xff\xf3\x48\xc4", "audio/mpeg"},
		{"a frame of another layer", "a.mp3", "audio/mpeg", "\xff\xfd\x90\x64", ""},
		{"a frame of a reserved version", "a.mp3", "audio/mpeg", "\xff\xeb\x90\x64", ""},
		{"a frame without a rate", "a.mp3", "audio/mpeg", "\xff\xfb\x00\x64", ""},
		{"a frame of a bad rate", "a.mp3", "audio/mpeg", "\xff\xfb\xf0\x64", ""},
		{"a frame of a reserved frequency", "a.mp3", "audio/mpeg", "\xff\xfb\x9c\x64", ""},
		{"half a frame's header", "a.mp3", "audio/mpeg", "\xff\xfb\x90", ""},
		{"text in UTF-16 that is called a song", "a.mp3", "audio/mpeg", "\xff\xfe<\x00", ""},
		{"a sound", "a.wav", "audio/x-wav", "RIFF\x00\x00\x00\x00WAVE", "audio/wav"},
		{"a voice message", "PTT-1.opus", "audio/ogg", ogg("OpusHead"), "audio/ogg"},
		{"Vorbis", "a.ogg", "audio/ogg", ogg("\x01vorbis"), "audio/ogg"},
		{"Ogg that a browser calls video", "a.ogg", "video/ogg", ogg("\x01vorbis"), "audio/ogg"},
		{"a film in Ogg", "a.ogv", "video/ogg", ogg("\x80theora"), "video/ogg"},
		{"a film in Ogg that is called a sound", "a.ogg", "audio/ogg", ogg("\x80theora"), ""},
		{"Ogg without anything", "a.ogg", "audio/ogg", "OggS\x00", ""},
		{"a sound without its container", "a.ogg", "audio/ogg", strings.Repeat(" ", 28) + "OpusHead", ""},
		{"a document", "a.docx", docx, doc, docx},
		{"a sheet", "a.xlsx", xlsx, sheet, xlsx},
		{"slides", "a.pptx", pptx, slides, pptx},
		{"a document that Google has made", "a.docx", docx, container(t, "word/numbering.xml", "[Content_Types].xml"), docx},
		{"a sheet that is called a document", "a.docx", docx, sheet, ""},
		{"a document that is called slides", "a.pptx", pptx, doc, ""},
		{"an archive that is called a document", "a.docx", docx, container(t, "evil.exe", "word/document.xml"), ""},
		{"an archive with a document's first entries only", "a.docx", docx, container(t, "[Content_Types].xml"), ""},
		{"a document that is cut off", "a.docx", docx, doc[:29], ""},
		{"an entry whose name is cut off", "a.docx", docx, doc[:36], ""},
		{"a document as an archive", "a.zip", "application/x-zip-compressed", doc, "application/zip"},
		{"a table as Windows declares it", "a.csv", "application/vnd.ms-excel", "a;b", "text/csv"},
		{"the user's own type", "a.tally", "application/tally", "my tally", "application/x-tally"},
		{"its second extension", "a.TAL", "application/x-tally", "my tally", "application/x-tally"},
		{"another extension", "a.txt", "application/x-tally", "my tally", ""},
		{"other content", "a.tally", "application/x-tally", "mine", ""},
		{"a page that the user's function takes", "a.tally", "application/x-tally", "<html>tally", ""},
		{"XML that the user's function takes", "a.tally", "application/x-tally", "<?xml tally", ""},
		{"magic and a function", "a.cr2", "image/x-cr2", "II*\x00\x10\x00\x00\x00CR\x02", "image/x-cr2"},
		{"magic without the function", "a.cr2", "image/x-cr2", "II*\x00\x10\x00\x00\x00xx\x02", ""},
		{"the function without magic", "a.cr2", "image/x-cr2", "MM*\x00\x10\x00\x00\x00CR\x02", ""},
	}
	cfg := sanitize.Config{Uploads: sanitize.Uploads{Types: ownTypes()}, Limits: sanitize.Limits{ContentTypes: []string{multipartType}}}
	b := newBinder[anyFile](t, cfg)
	cfg.Uploads.Store = new(shelf).store
	storing := newBinder[anyFile](t, cfg)
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			body := file("f", tt.name, tt.media, tt.content) + "--b--\r\n"
			v, err := b.Bind(httptest.NewRecorder(), sendMultipart(body))
			stored, storeErr := storing.Bind(httptest.NewRecorder(), sendMultipart(body))
			assert.Equal(t, faults(err), faults(storeErr))
			if tt.want == "" {
				assert.Equal(t, []string{"#/f:file_type"}, faults(err))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, v.F.ContentType)
			assert.Equal(t, tt.want, stored.F.ContentType)
			assert.Equal(t, tt.content, string(v.F.Data))
			require.NoError(t, b.Value(&v))
		})
	}
}

func TestDetectedTypes(t *testing.T) {
	cfg := sanitize.Config{Uploads: sanitize.Uploads{Detect: true}, Limits: sanitize.Limits{ContentTypes: []string{multipartType}}}
	type in struct {
		F sanitize.File `json:"f" validate:"types=image/png text/plain text/csv"`
	}
	b := newBinder[in](t, cfg)
	cfg.Uploads.Names = sanitize.NamesRepaired
	repairing := newBinder[in](t, cfg)
	cfg.Uploads.Names = sanitize.NamesDropped
	dropping := newBinder[in](t, cfg)
	for _, tt := range []struct {
		b                          *sanitize.Binder[in]
		name, media, content, want string // name and type, or the code
	}{
		{b, "a.png", "", png, "a.png image/png"},
		{b, "a.png", "application/octet-stream", png, "a.png image/png"},
		{b, "a.csv", "", "a,b", "a.csv text/csv"},
		{b, "a.txt", "", "a,b", "a.txt text/plain"},
		{b, "a.png", "", "a,b", "file_type"},
		{b, "a.csv", "", png, "file_type"},
		{b, "a.csv", "", "a\xff", "file_type"},
		{b, "a.csv", "image/png", "a,b", "file_type"},
		{b, "a.png", "application/x", png, "file_type"},
		{b, "a", "", png, "file_type"},
		{b, "a.php", "", png, "file_type"},
		{repairing, "a", "", png, "a.png image/png"},
		{repairing, "a", "", "a,b", "a.txt text/plain"},
		{repairing, strings.Repeat("a", 255), "", png, strings.Repeat("a", 251) + ".png image/png"},
		{repairing, "a.php", "", png, "file_type"},
		{repairing, "", "image/png", png, "file.png image/png"},
		{dropping, "a.php", "", png, " image/png"},
		{dropping, "../\u202e", "", "a,b", " text/plain"},
		{dropping, "a.png", "", "<html>", "file_type"},
	} {
		body := strings.Replace(file("f", tt.name, tt.media, tt.content), "Content-Type: \r\n", "", 1) + "--b--"
		v, err := tt.b.Bind(httptest.NewRecorder(), sendMultipart(body))
		got := v.F.Name + " " + v.F.ContentType
		if err != nil {
			got = strings.TrimPrefix(faults(err)[0], "#/f:")
		}
		assert.Equal(t, tt.want, got, "%s %s", tt.name, tt.media)
	}
}

func TestUploadsAreChecked(t *testing.T) {
	good := sanitize.FileType{Name: "image/tiff", Extensions: []string{"tiff"}, Magic: "II*\x00"}
	with := func(change func(*sanitize.FileType)) sanitize.FileType {
		t := good
		change(&t)
		return t
	}
	type in struct {
		F sanitize.File `json:"f" validate:"types=image/tiff"`
	}
	_, err := sanitize.NewBinder[in](sanitize.Config{
		Limits: sanitize.Limits{ContentTypes: []string{multipartType}},
		Uploads: sanitize.Uploads{
			Names: 3,
			Types: []sanitize.FileType{
				good, good,
				with(func(t *sanitize.FileType) { t.Name = "image/png" }),
				with(func(t *sanitize.FileType) { t.Name = "text/html" }),
				with(func(t *sanitize.FileType) { t.Name = "image/x+xml" }),
				with(func(t *sanitize.FileType) { t.Name = "image/a; b=c" }),
				with(func(t *sanitize.FileType) { t.Name = "Image/a" }),
				with(func(t *sanitize.FileType) { t.Name = "image" }),
				with(func(t *sanitize.FileType) { t.Name = "a/a"; t.Aliases = []string{"text/html"} }),
				with(func(t *sanitize.FileType) { t.Name = "a/b"; t.Extensions = nil }),
				with(func(t *sanitize.FileType) { t.Name = "a/c"; t.Extensions = []string{"php"} }),
				with(func(t *sanitize.FileType) { t.Name = "a/d"; t.Extensions = []string{".tif"} }),
				with(func(t *sanitize.FileType) { t.Name = "a/e"; t.Extensions = []string{"TIF"} }),
				with(func(t *sanitize.FileType) { t.Name = "a/f"; t.Extensions = []string{"a/b"} }),
				with(func(t *sanitize.FileType) { t.Name = "a/g"; t.Magic = "" }),
			},
			Charsets: []string{"klingon", "utf-16", "UTF-16BE", "iso-2022-jp", "x-user-defined", "windows-1252"},
		},
	})
	const types = "Uploads.Types: "
	assert.Equal(t, []string{
		types + "conflict: image/tiff", types + "conflict: image/png", types + "unsafe: text/html", types + "unsafe: image/x+xml",
		types + "invalid: image/a; b=c", types + "invalid: Image/a", types + "invalid: image", types + "invalid: a/a",
		types + "invalid: a/b", types + "invalid: a/c", types + "invalid: a/d", types + "invalid: a/e", types + "invalid: a/f", types + "missing: a/g",
		"Uploads.Names: invalid: 3",
		"Uploads.Charsets: unknown: klingon", "Uploads.Charsets: unsafe: utf-16", "Uploads.Charsets: unsafe: UTF-16BE", "Uploads.Charsets: unsafe: iso-2022-jp", "Uploads.Charsets: unsafe: x-user-defined",
	}, mistakes(err))
}

func TestTextsInDeclaredCharsets(t *testing.T) {
	b := pictures(t, sanitize.Uploads{Charsets: []string{"windows-1252", "shift_jis"}})
	for _, tt := range []struct{ charset, sent, want string }{
		{"windows-1252", "Caf\xe9 \x80", "Café €"},
		{"iso-8859-1", "Caf\xe9", "Café"},
		{"ISO-8859-1", "a", "a"},
		{"Shift_JIS", "\x93\xfa\x96{", "日本"},
		{"utf-8", "Café", "Café"},
		{"utf-8", "Caf\xe9", "#:invalid_utf8"},
		{"shift_jis", "\x93", "#:invalid_utf8"},
		{"iso-8859-5", "a", "#:syntax"},
		{"utf-16", "a\x00", "#:syntax"},
		{"klingon", "a", "#:syntax"},
	} {
		body := "--b\r\nContent-Disposition: form-data; name=title\r\nContent-Type: text/plain; charset=" + tt.charset + "\r\n\r\n" + tt.sent + "\r\n--b--"
		v, err := b.Bind(httptest.NewRecorder(), sendMultipart(body))
		if strings.HasPrefix(tt.want, "#") {
			assert.Equal(t, []string{tt.want}, faults(err), tt.charset)
			continue
		}
		require.NoError(t, err, tt.charset)
		assert.Equal(t, tt.want, v.Title)
	}
	_, err := pictures(t, sanitize.Uploads{}).Bind(httptest.NewRecorder(), sendMultipart("--b\r\nContent-Disposition: form-data; name=title\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\na\r\n--b--"))
	assert.Equal(t, []string{"#:syntax"}, faults(err), "by choice only")
	_, err = b.Bind(httptest.NewRecorder(), sendMultipart(file("notes", "a.txt", "text/plain; charset=windows-1252", "a")+"--b--"))
	assert.Equal(t, []string{"#:syntax"}, faults(err), "files are kept as they are")
}
