package sanitize

import (
	"errors"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
)

// A File is a file of a multipart/form-data body. Its field's validate tag must
// name the types that it may have, as in `validate:"required,types=image/png
// image/jpeg,max=1000000"`: what the client declares, what the content begins
// with (as [http.DetectContentType] reads it) and the extension must then all
// say the same, so that "photo.php" or a page called "photo.png" is refused.
// min and max count bytes. An empty file is refused.
//
// The content is in memory, within Limits.MaxBody: nothing is on disk unless
// [File.Save] puts it there. Only its beginning has been looked at, and a file
// can be of two types at once, so serve it with its ContentType, nosniff and as
// an attachment, from another site if you can.
type File struct {
	Name        string // canonical, as of [Filename]; the client's choice, so not a key
	ContentType string // lower-case, without parameters
	Data        []byte // the content
}

// fileData is the index of File's Data.
const fileData = 2

// Save writes f under its name into dir, which it cannot leave, readable by this
// user only. A file of that name is not overwritten: the error is then
// [io/fs.ErrExist]. After an error in writing it nothing is left of it.
func (f File) Save(dir *os.Root) error {
	out, err := dir.OpenFile(f.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(f.Data)
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return errors.Join(err, dir.Remove(f.Name))
	}
	return nil
}

// A fileType is what a file of a media type must look like.
type fileType struct {
	name    string
	sniffed string // by http.DetectContentType
	exts    string // that its name may have, in blanks
}

// sniffedText is what http.DetectContentType says of text that begins neither
// with markup nor with a byte order mark.
const sniffedText = "text/plain; charset=utf-8"

// fileTypeNamed returns the type of the given name, or the reason why no tag may
// have it: what runs code where it is shown, and what cannot be told from it.
func fileTypeNamed(name string) (t fileType, reason rampart.Reason) {
	t = fileType{name: name, sniffed: name}
	switch name {
	case "image/png", "image/gif", "image/webp", "image/bmp", "application/pdf", "application/zip", "video/mp4", "video/webm", "font/woff", "font/woff2":
		t.exts = " " + name[strings.IndexByte(name, '/')+1:] + " "
	case "image/jpeg":
		t.exts = " jpg jpeg "
	case "application/gzip":
		t.sniffed, t.exts = "application/x-gzip", " gz tgz "
	case "audio/mpeg":
		t.exts = " mp3 "
	case "audio/wav":
		t.sniffed, t.exts = "audio/wave", " wav "
	case "text/plain":
		t.sniffed, t.exts = sniffedText, " txt log "
	case "text/csv":
		t.sniffed, t.exts = sniffedText, " csv "
	case "text/markdown":
		t.sniffed, t.exts = sniffedText, " md markdown "
	case "application/json":
		t.sniffed, t.exts = sniffedText, " json "
	case "application/vnd.openxmlformats-officedocument.wordprocessingml.document":
		t.sniffed, t.exts = "application/zip", " docx "
	case "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":
		t.sniffed, t.exts = "application/zip", " xlsx "
	case "text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml", "text/javascript", "application/javascript",
		"application/octet-stream", "application/x-httpd-php", "application/x-sh", "multipart/form-data", "message/rfc822":
		return t, rampart.ReasonUnsafe
	default:
		return t, rampart.ReasonUnknown
	}
	return t, ""
}

// types adds the rule that a file is of one of the types in w.
func (n *node) types(w tag) (reason rampart.Reason) {
	var allowed []fileType
	for name := range strings.FieldsSeq(w.param) {
		t, reason := fileTypeNamed(name)
		if reason != "" {
			return reason
		}
		allowed = append(allowed, t)
	}
	if allowed == nil {
		return rampart.ReasonInvalid
	}
	n.files, n.fileTypes = allowed, w
	return ""
}

// checkFile says what is wrong with f, apart from its size.
func (n *node) checkFile(f *File) *Invalid {
	if len(f.Data) == 0 {
		return &Invalid{Code: CodeEmpty, Detail: "The submitted file is empty."}
	}
	if canonical, err := Filename(f.Name); err != nil || canonical != f.Name {
		return asInvalid(notAFilename(), tag{name: "filename"})
	}
	i := slices.IndexFunc(n.files, func(t fileType) bool { return t.name == f.ContentType })
	if i < 0 || !n.files[i].fits(f) {
		return &Invalid{Code: CodeFileType, Detail: "The file is of another type than it may have, or its name, type and content do not agree.", Params: n.fileTypes.params()}
	}
	return nil
}

// fits reports whether the content and the name of f are of type t.
func (t *fileType) fits(f *File) bool {
	ext := strings.ToLower(path.Ext(f.Name))
	if ext == "" || !strings.Contains(t.exts, " "+ext[1:]+" ") || http.DetectContentType(f.Data) != t.sniffed {
		return false
	}
	return t.sniffed != sniffedText || utf8.Valid(f.Data) && !slices.Contains(f.Data, 0)
}
