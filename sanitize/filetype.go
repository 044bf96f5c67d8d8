package sanitize

import (
	"bytes"
	"encoding/binary"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// maxHead is how many bytes of a file's beginning are looked at.
const maxHead = 16 << 10

// A FileType is a type of files that "types" may name, besides those of this
// package.
type FileType struct {
	Name       string   // media type, lower-case and without parameters, such as "image/tiff"
	Extensions []string // that a file of it may have, lower-case and without the dot; at least one
	Aliases    []string // other media types that clients declare for it

	// Magic is what its files begin with. If it is empty, Matches is needed.
	Magic string

	// Matches reports whether a file can begin with head, its first 16 KiB or all of
	// it if it is shorter. If nil, Magic decides. It must be safe for concurrent use.
	Matches func(head []byte) bool
}

// A fileType is what a file of a media type must look like.
type fileType struct {
	name    string
	exts    []string // that its name may have; the first is given to a name without one
	aliases []string // that clients declare for it
	isText  bool     // all of it is text in UTF-8
	matches func(head []byte) bool
}

// sniffedText is what http.DetectContentType says of text that begins neither
// with markup nor with a byte order mark other than UTF-8's.
const sniffedText = "text/plain; charset=utf-8"

// sniffs returns what reports whether the content is of the type that
// http.DetectContentType calls name.
func sniffs(name string) func([]byte) bool {
	return func(head []byte) bool { return http.DetectContentType(head) == name }
}

const office = "application/vnd.openxmlformats-officedocument."

// fileTypeNamed returns the type of the given name, or the reason why no tag may
// have it: what runs code where it is shown, and what cannot be told from it.
func fileTypeNamed(name string) (t fileType, reason rampart.Reason) {
	of := func(exts, aliases string, matches func([]byte) bool) (fileType, rampart.Reason) {
		return fileType{name: name, exts: strings.Fields(exts), aliases: strings.Fields(aliases), matches: matches}, ""
	}
	text := func(exts, aliases string) (fileType, rampart.Reason) {
		t, _ := of(exts, aliases, sniffs(sniffedText))
		t.isText = true
		return t, ""
	}
	switch name {
	case "image/png", "image/gif", "image/webp", "image/bmp", "application/pdf", "font/woff", "font/woff2":
		return of(name[strings.IndexByte(name, '/')+1:], "", sniffs(name))
	case "image/jpeg":
		return of("jpg jpeg jfif", "image/jpg image/pjpeg", sniffs(name))
	case "image/heic", "image/heif":
		return of("heic heif", "image/heic image/heif image/heic-sequence image/heif-sequence", isHEIF)
	case "image/avif":
		return of("avif", "", isAVIF)
	case "application/zip":
		return of("zip", "application/x-zip-compressed application/x-zip", sniffs(name))
	case "application/gzip":
		return of("gz tgz", "application/x-gzip", sniffs("application/x-gzip"))
	case "video/mp4":
		return of("mp4 m4v", "video/x-m4v", isMP4)
	case "video/quicktime":
		return of("mov qt", "", func(head []byte) bool {
			return slices.Equal(brands(head)[:min(1, len(brands(head)))], []string{"qt  "})
		})
	case "video/webm", "audio/webm":
		return of("webm", "", isWebM)
	case "audio/mp4":
		return of("m4a", "audio/x-m4a audio/m4a", isMP4)
	case "audio/mpeg":
		return of("mp3", "audio/mp3 audio/x-mp3 audio/x-mpeg", isMP3)
	case "audio/wav":
		return of("wav", "audio/wave audio/x-wav audio/vnd.wave", sniffs("audio/wave"))
	case "audio/ogg":
		return of("ogg oga opus", "audio/opus audio/x-opus+ogg application/ogg video/ogg", isOggAudio)
	case "video/ogg":
		return of("ogv ogg", "application/ogg", func(head []byte) bool { return isOgg(head) && bytes.Contains(head, []byte("\x80theora")) })
	case "text/plain":
		return text("txt log", "")
	case "text/csv":
		return text("csv", "application/csv application/vnd.ms-excel text/comma-separated-values") // the second is what Windows says that has Excel
	case "text/markdown":
		return text("md markdown", "text/x-markdown")
	case "application/json":
		return text("json", "")
	case office + "wordprocessingml.document":
		return of("docx", "", func(head []byte) bool { return partOf(head) == "word/" })
	case office + "spreadsheetml.sheet":
		return of("xlsx", "", func(head []byte) bool { return partOf(head) == "xl/" })
	case office + "presentationml.presentation":
		return of("pptx", "", func(head []byte) bool { return partOf(head) == "ppt/" })
	}
	if runsCode(name) {
		return t, rampart.ReasonUnsafe
	}
	return t, rampart.ReasonUnknown
}

// runsCode reports whether a file of the type runs code where it is shown, or is a
// file of any type.
func runsCode(name string) bool {
	switch name {
	case "text/html", "text/xml", "text/javascript", "application/javascript", "application/xml",
		"application/octet-stream", "application/x-httpd-php", "application/x-sh", "application/x-shockwave-flash", "multipart/form-data", "message/rfc822":
		return true
	}
	return strings.HasSuffix(name, "+xml")
}

// isMarkup reports whether a browser may take the content for a page, whatever else
// it is.
func isMarkup(head []byte) bool {
	sniffed := http.DetectContentType(head)
	return strings.HasPrefix(sniffed, "text/html") || strings.HasPrefix(sniffed, "text/xml")
}

// declared reports whether media is what clients say of files of type t.
func (t *fileType) declared(media string) bool {
	return media == t.name || slices.Contains(t.aliases, media)
}

// named reports whether a file of type t can be called name.
func (t *fileType) named(name string) bool {
	return slices.Contains(t.exts, strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")))
}

// A box is the first of an ISO media file (ISO/IEC 14496-12 section 4.3): it lists
// the formats that the file follows, the one that it follows best first.
func brands(head []byte) []string {
	if len(head) < 16 || string(head[4:8]) != "ftyp" {
		return nil
	}
	list := []string{string(head[8:12])}
	end := min(uint64(binary.BigEndian.Uint32(head)), uint64(len(head)))
	for i := uint64(16); i+4 <= end; i += 4 {
		list = append(list, string(head[i:i+4]))
	}
	return list
}

func isAVIF(head []byte) bool {
	list := brands(head)
	return slices.Contains(list, "avif") || slices.Contains(list, "avis")
}

func isHEIF(head []byte) bool {
	return !isAVIF(head) && slices.ContainsFunc(brands(head), func(brand string) bool {
		switch brand {
		case "heic", "heix", "heim", "heis", "hevc", "hevx":
			return true
		}
		return false
	})
}

func isMP4(head []byte) bool {
	list := brands(head)
	if len(list) == 0 || list[0] == "qt  " || isAVIF(head) || isHEIF(head) {
		return false
	}
	return slices.ContainsFunc(list, func(brand string) bool {
		switch brand {
		case "isom", "avc1", "dash", "M4V ", "M4A ", "M4B ":
			return true
		}
		return strings.HasPrefix(brand, "mp4") || strings.HasPrefix(brand, "iso")
	})
}

// isWebM looks at the type of the document, which the first element has: Matroska
// begins in the same way.
func isWebM(head []byte) bool {
	return http.DetectContentType(head) == "video/webm" && bytes.Contains(head[:min(len(head), 128)], []byte("webm"))
}

// isMP3 takes a tag or the header of a frame of layer III, without a value that is
// reserved (ISO/IEC 11172-3 section 2.4.2.3).
func isMP3(head []byte) bool {
	if bytes.HasPrefix(head, []byte("ID3")) {
		return true
	}
	return len(head) >= 4 && head[0] == 0xff && head[1]&0xe6 == 0xe2 && head[1]&0x18 != 0x08 &&
		head[2]>>4 != 0 && head[2]>>4 != 15 && head[2]&0x0c != 0x0c
}

func isOgg(head []byte) bool { return bytes.HasPrefix(head, []byte("OggS\x00")) }

// isOggAudio looks at the first packet, behind the header of the first page.
func isOggAudio(head []byte) bool {
	const pageHeader = 28
	return isOgg(head) && len(head) > pageHeader && slices.ContainsFunc([]string{"OpusHead", "\x01vorbis", "\x7fFLAC", "Speex   "}, func(codec string) bool {
		return bytes.HasPrefix(head[pageHeader:], []byte(codec))
	})
}

// partOf returns the directory that says which office document a ZIP container is:
// "word/", "xl/" or "ppt/"; empty if the first entries are of something else.
func partOf(head []byte) string {
	const fixed = 30 // bytes before an entry's name
	signature := []byte("PK\x03\x04")
	for at := 0; bytes.HasPrefix(head[at:], signature) && len(head)-at > fixed; {
		n := int(binary.LittleEndian.Uint16(head[at+26:]))
		name := string(head[at+fixed : min(at+fixed+n, len(head))])
		for _, dir := range []string{"word/", "xl/", "ppt/"} {
			if strings.HasPrefix(name, dir) {
				return dir
			}
		}
		if at == 0 && name != "[Content_Types].xml" && name != "_rels/.rels" && !strings.HasPrefix(name, "docProps/") {
			return ""
		}
		next := bytes.Index(head[at+fixed:], signature) // its size may stand behind it only
		if next < 0 {
			return ""
		}
		at += fixed + next
	}
	return ""
}

// compileTypes checks the types that the user adds and returns them by name.
func compileTypes(list []FileType, bad *conferr.Mistakes) map[string]fileType {
	out := make(map[string]fileType, len(list))
	for _, t := range list {
		const field = "Uploads.Types"
		_, reason := fileTypeNamed(t.Name)
		_, again := out[t.Name]
		switch {
		case reason == rampart.ReasonUnsafe:
			bad.Add(field, reason, t.Name, "a file of this type can run code in a browser; remove it")
		case reason == "" || again:
			bad.Add(field, rampart.ReasonConflict, t.Name, "there is a type of this name already; remove one")
		case !isMediaType(t.Name) || slices.ContainsFunc(t.Aliases, func(s string) bool { return !isMediaType(s) }):
			bad.Add(field, rampart.ReasonInvalid, t.Name, `a media type is lower-case and has no parameters, such as "image/tiff"`)
		case len(t.Extensions) == 0 || slices.ContainsFunc(t.Extensions, func(s string) bool { return !isExtension(s) }):
			bad.Add(field, rampart.ReasonInvalid, t.Name, `list the extensions, lower-case and without dots, but for those of pages and scripts`)
		case t.Magic == "" && t.Matches == nil:
			bad.Add(field, rampart.ReasonMissing, t.Name, "say what its files begin with, in Magic or Matches")
		default:
			out[t.Name] = fileType{name: t.Name, exts: slices.Clone(t.Extensions), aliases: slices.Clone(t.Aliases), matches: func(head []byte) bool {
				return bytes.HasPrefix(head, []byte(t.Magic)) && (t.Matches == nil || t.Matches(head)) && !isMarkup(head)
			}}
		}
	}
	return out
}

func isMediaType(s string) bool {
	media, params, err := mime.ParseMediaType(s)
	return err == nil && media == s && len(params) == 0 && strings.Contains(s, "/") && !runsCode(s)
}

// isExtension reports whether s can be the extension of a file that is no page or
// script, to any server that goes by the name.
func isExtension(s string) bool {
	switch s {
	case "html", "htm", "xhtml", "xht", "shtml", "svg", "svgz", "xml", "xsl", "js", "mjs", "php", "phtml", "phar", "cgi", "jsp", "asp", "aspx", "htaccess":
		return false
	}
	name, err := Filename("a." + s)
	return err == nil && name == "a."+s && strings.ToLower(s) == s && !strings.Contains(s, ".")
}
