package sanitize

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
)

// A File is a file of a multipart/form-data body. Its field's validate tag must
// name the types that it may have, as in `validate:"required,types=image/png
// image/jpeg,max=1000000"`: what the client declares, what the content begins
// with and the extension must then all say the same, so that "photo.php" or a page
// called "photo.png" is refused. min and max count bytes. An empty file is refused.
//
// The types are PNG, JPEG, GIF, WebP, BMP, HEIC, HEIF and AVIF images; MP4,
// QuickTime, WebM and Ogg video; MP3, WAV, M4A (audio/mp4), WebM and Ogg audio; PDF,
// Word, Excel and PowerPoint documents (docx, xlsx, pptx); plain text, CSV, Markdown
// and JSON in UTF-8; ZIP, gzip, WOFF and WOFF2; and those of [Uploads].
//
// The content is in memory, within Limits.MaxBody, unless [Uploads] has a Store:
// nothing is on disk unless [File.Save] puts it there. Only its beginning has been
// looked at, and a file can be of two types at once, so serve it with its
// ContentType, nosniff and as an attachment, from another site if you can.
type File struct {
	Name        string  // canonical, as of [Filename]; the client's choice, so not a key; empty if names are dropped
	ContentType string  // lower-case, without parameters; one of those in the tag
	Data        []byte  // the content; nil if it is stored
	Stored      *Stored // nil unless Uploads has a Store
}

// Size returns the length of the content in bytes.
func (f File) Size() int64 {
	if f.Stored != nil {
		return f.Stored.Size
	}
	return int64(len(f.Data))
}

// Save writes f under its name into dir, which it cannot leave, readable by this
// user only. A file of that name is not overwritten: the error is then
// [io/fs.ErrExist]. After an error in writing it nothing is left of it. A file that
// has no name or is stored is not saved: the error is [io/fs.ErrInvalid].
func (f File) Save(dir *os.Root) error {
	if f.Name == "" || f.Stored != nil {
		return &os.PathError{Op: "save", Path: f.Name, Err: os.ErrInvalid}
	}
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

// types adds the rule that a file is of one of the types in w.
func (n *node) types(w tag, u *uploads) (reason rampart.Reason) {
	var allowed []fileType
	for name := range strings.FieldsSeq(w.param) {
		t, reason := u.fileType(name)
		if reason != "" {
			return reason
		}
		allowed = append(allowed, t)
	}
	if allowed == nil {
		return rampart.ReasonInvalid
	}
	n.files, n.fileTypes, n.uploads = allowed, w, u
	return ""
}

// mostBytes returns the size that rules allow at most: reading more is of no use.
func mostBytes(rules []tag) int64 {
	most := int64(math.MaxInt64)
	for _, w := range rules {
		limit, err := strconv.ParseInt(w.param, 10, 64)
		if err == nil && (w.name == "max" || w.name == "lte" || w.name == "len" || w.name == "lt") {
			most = min(most, limit)
		}
	}
	return most
}

// checkFile says what is wrong with f, apart from its size, and makes its type and
// name canonical.
func (n *node) checkFile(f *File) *Invalid {
	if f.Stored != nil { // the content has been checked on its way
		if !slices.ContainsFunc(n.files, func(t fileType) bool { return t.name == f.ContentType }) {
			return n.wrongType()
		}
		return n.checkName(f)
	}
	t, inv := n.admit(f, f.Data[:min(len(f.Data), maxHead)])
	if inv == nil && t.isText && (!utf8.Valid(f.Data) || bytes.IndexByte(f.Data, 0) >= 0) {
		return n.wrongType()
	}
	return inv
}

// admit returns the type of f, of whose content it sees the beginning, or says what
// is wrong with f. It makes f's type canonical and adds a missing extension.
func (n *node) admit(f *File, head []byte) (*fileType, *Invalid) {
	if len(head) == 0 {
		return nil, &Invalid{Code: CodeEmpty, Detail: "The submitted file is empty."}
	}
	if inv := n.checkName(f); inv != nil {
		return nil, inv
	}
	u := n.uploads
	bare := u.names == NamesRepaired && path.Ext(f.Name) == ""
	guess := u.detect && (f.ContentType == "" || f.ContentType == "application/octet-stream")
	for i := range n.files {
		t := &n.files[i]
		if (guess || t.declared(f.ContentType)) && (f.Name == "" || bare || t.named(f.Name)) && t.matches(head) {
			f.ContentType = t.name
			if bare {
				f.Name = RepairFilename(f.Name + "." + t.exts[0])
			}
			return t, nil
		}
	}
	return nil, n.wrongType()
}

func (n *node) checkName(f *File) *Invalid {
	if n.uploads.names == NamesDropped && f.Name == "" {
		return nil
	}
	canonical, err := Filename(f.Name)
	if err == nil && canonical != f.Name {
		err = notAFilename()
	}
	return asInvalid(err, tag{name: "filename"})
}

func (n *node) wrongType() *Invalid {
	return &Invalid{Code: CodeFileType, Detail: "The file is of another type than it may have, or its name, type and content do not agree.", Params: n.fileTypes.params()}
}

// fileAt returns the node of the File at a path; nil if something else is there.
func (n *node) fileAt(path []string) *node {
	for {
		switch {
		case n.kind == kindFile && len(path) == 0:
			return n
		case n.kind == kindPointer, n.kind == kindOptional, n.kind == kindNull, n.kind == kindList && len(path) == 0:
			n = n.elem
		case (n.kind == kindList || n.kind == kindDict) && len(path) > 0:
			n, path = n.elem, path[1:]
		case n.kind == kindObject && len(path) > 0:
			i, known := n.object.byName[path[0]]
			if !known {
				return nil
			}
			n, path = n.object.fields[i].node, path[1:]
		default:
			return nil
		}
	}
}
