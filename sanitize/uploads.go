package sanitize

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// Names says how the name that a client gives a file is treated.
type Names uint8

// Ways to treat a name.
const (
	NamesChecked  Names = iota // a name that [Filename] refuses is an error
	NamesRepaired              // [RepairFilename] mends it; without an extension it gets that of its type
	NamesDropped               // neither kept nor checked: the content and the declared type decide
)

// Uploads says how the parts of a multipart body are read. The zero value keeps
// files in memory and is strict.
type Uploads struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Names says how the files' names are treated.
	Names Names

	// Detect admits files that are declared application/octet-stream or nothing, as
	// scripts and libraries send them. They are of the first type of their field's
	// tag that content and name are of.
	Detect bool

	// Types are further types that files may have.
	Types []FileType

	// Charsets lists what the text fields of a form may be in besides UTF-8, if their part
	// says so, by the names that browsers know, such as "windows-1252" (which
	// "iso-8859-1" is to them). UTF-16 and ISO-2022-JP cannot be: a filter that does
	// not know them reads another text.
	Charsets []string

	// Store is where files go. Its context is the request's; of the File it knows
	// Name and ContentType, which have been checked, as the first 16 KiB of the
	// content have. An error that is an [*Invalid] is the client's; any other is a
	// 500 and is logged. If nil, files are kept in memory.
	Store func(context.Context, File) (Upload, error)
}

// An Upload takes the content of one file. One request writes to it, from one
// goroutine. After the last Write there is one Close, then either nothing, if the
// request is good, or one Abort; an Abort can also come in place of Close.
type Upload interface {
	io.WriteCloser

	// Abort removes what was written: the request is refused, for any reason, or was
	// cut off. Its error is logged.
	Abort() error
}

// Stored describes a file that [Uploads].Store took.
type Stored struct {
	Upload Upload   // as the Store returned it; closed
	Size   int64    // bytes
	SHA256 [32]byte // of the content
}

// uploads is the compiled form of Uploads.
type uploads struct {
	names    Names
	detect   bool
	types    map[string]fileType
	charsets map[string]encoding.Encoding // by canonical name
	store    func(context.Context, File) (Upload, error)
	logger   *slog.Logger // nil: the default one
}

func (u *Uploads) compile(logger *slog.Logger, bad *conferr.Mistakes) *uploads {
	out := &uploads{names: u.Names, detect: u.Detect, types: compileTypes(u.Types, bad), charsets: make(map[string]encoding.Encoding), store: u.Store, logger: logger}
	if u.Names > NamesDropped {
		bad.Add("Uploads.Names", rampart.ReasonInvalid, u.Names, "use NamesChecked, NamesRepaired or NamesDropped")
	}
	for _, label := range u.Charsets {
		enc, err := htmlindex.Get(label)
		if err != nil {
			bad.Add("Uploads.Charsets", rampart.ReasonUnknown, label, `use a name of the Encoding Standard, such as "windows-1252"`)
			continue
		}
		name, _ := htmlindex.Name(enc) // it has one: that is where enc is from
		if slices.Contains([]string{"utf-16le", "utf-16be", "iso-2022-jp", "replacement", "x-user-defined"}, name) {
			bad.Add("Uploads.Charsets", rampart.ReasonUnsafe, label, "a filter on the way reads another text; remove it")
		}
		out.charsets[name] = enc
	}
	return out
}

// fileType returns the type of the given name, or the reason why no tag may have it.
func (u *uploads) fileType(name string) (fileType, rampart.Reason) {
	if t, own := u.types[name]; own {
		return t, ""
	}
	return fileTypeNamed(name)
}

// name returns the name that a file gets for the name that was sent.
func (u *uploads) name(sent string) (string, *Invalid) {
	switch u.names {
	case NamesDropped:
		return "", nil
	case NamesRepaired:
		return RepairFilename(sent), nil
	default:
		name, err := Filename(sent)
		return name, asInvalid(err, tag{name: "filename"})
	}
}

// decode returns a text that was sent in a charset. The error is an [*Invalid].
func (u *uploads) decode(charset string, data []byte) ([]byte, error) {
	enc, err := htmlindex.Get(charset)
	if err != nil {
		return nil, malformed()
	}
	name, _ := htmlindex.Name(enc) // it has one: that is where enc is from
	if enc = u.charsets[name]; enc == nil {
		return nil, malformed()
	}
	text, err := enc.NewDecoder().Bytes(data)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return nil, &Invalid{Code: CodeInvalidUTF8, Detail: "A part is not text in its charset."}
	}
	return text, nil
}
