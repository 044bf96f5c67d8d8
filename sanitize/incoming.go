package sanitize

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// incoming reads the parts of one multipart body.
type incoming struct {
	*uploads

	req    *http.Request
	body   *multipartBody
	root   *node
	limits *Limits
	kept   *[]Upload // opened so far
	texts  int       // bytes of text so far
}

// A storeError is an error of a Store or an Upload. No client may see it.
type storeError struct{ error }

// multipart reads a multipart body into v. Its files go to the store or, without a
// store, stay in memory.
func (d *decoder) multipart(e *engine, v reflect.Value, w http.ResponseWriter, r *http.Request, src io.Reader) *rampart.Problem {
	b := boundary(r)
	in := &incoming{e.uploads, r, newMultipartBody(src, b), e.root, &e.limits, &d.kept, 0}
	list, err := in.parts(b)
	inv, isInvalid := errors.AsType[*Invalid](err)
	failed, isStore := errors.AsType[storeError](err)
	switch {
	case isStore:
		e.uploads.complain(r, "a file could not be stored", failed.error)
		return &rampart.Problem{Status: http.StatusInternalServerError, Code: "not_stored"}
	case isInvalid:
		return strictjson.Unreadable.Problem(inv.at(rampart.FieldError{Pointer: "#"}))
	case err != nil:
		return strictjson.ReadProblem(w, r, err)
	}
	d.fromPath(e.root, v, r)
	d.params(e.root, v, list, &e.limits)
	return e.finish(w, d, v, nil)
}

// settle removes the stored files of a refused request, and every trace of them from
// d, which serves another request next.
func (e *engine) settle(d *decoder, r *http.Request) {
	kept, good := d.kept, d.good
	d.kept, d.good = nil, false
	if !good {
		e.uploads.abort(r, kept)
	}
}

// abort aborts all uploads in list, even if an Abort panics.
func (u *uploads) abort(r *http.Request, list []Upload) {
	if len(list) == 0 {
		return
	}
	defer u.abort(r, list[1:])
	if err := list[0].Abort(); err != nil {
		u.complain(r, "a file of a refused request could not be removed", err)
	}
}

func (u *uploads) complain(r *http.Request, what string, err error) {
	logger := u.logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.LogAttrs(r.Context(), slog.LevelError, "sanitize: the store failed", slog.String("what", what), slog.Any("error", err))
}

// parts reads all parts, in the order in which they were sent. The error is an
// [*Invalid], a storeError or that of the source.
func (in *incoming) parts(boundary string) ([]strictjson.Pair, error) {
	if boundary == "" {
		return nil, malformed()
	}
	if err := in.body.start(); err != nil {
		return nil, err
	}
	var list []strictjson.Pair
	files := 0
	for n := 0; ; n++ {
		p, err := in.body.next()
		switch {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, err
		case n == in.limits.MaxParams:
			return nil, &Invalid{Code: CodeTooManyParams, Detail: "Too many parts."}
		}
		pr := strictjson.Pair{Name: p.name}
		if p.isFile {
			empty, err := in.body.empty()
			if err == nil && empty && p.filename == "" { // a form without a file chosen
				continue
			}
			if files++; files > in.limits.MaxFiles {
				return nil, &Invalid{Code: CodeTooManyFiles, Detail: "Too many files."}
			}
			pr.Part, err = in.file(&p)
			if err != nil {
				return nil, err
			}
		} else if pr.Value, pr.Part, err = in.text(&p); err != nil {
			return nil, err
		}
		list = append(list, pr)
	}
}

// skip reads the rest of a part.
func (in *incoming) skip() error {
	_, err := io.Copy(io.Discard, in.body)
	return err
}

// text reads a part that is not a file. It reads no more of a long text than the rule
// on its length needs.
func (in *incoming) text(p *part) (value string, wrong any, err error) {
	most := int64(in.limits.MaxString) + utf8.UTFMax
	data, err := io.ReadAll(io.LimitReader(in.body, most))
	if err != nil {
		return "", nil, err
	}
	in.texts += len(data)
	const all = 4 // times MaxString; without a store MaxBody bounds them
	if in.store != nil && in.texts/all > in.limits.MaxString {
		return "", nil, &http.MaxBytesError{Limit: int64(in.limits.MaxString) * all}
	}
	isWhole := int64(len(data)) < most
	if isWhole && p.charset != "" {
		if data, err = in.decode(p.charset, data); err != nil {
			return "", nil, err
		}
	}
	switch {
	case isWhole && !utf8.Valid(data):
		return "", nil, &Invalid{Code: CodeInvalidUTF8, Detail: "A part is not valid UTF-8."}
	case p.media != "" && p.media != "text/plain":
		wrong = &Invalid{Code: CodeFileType, Detail: "A field that is not a file must be of type text/plain."}
	}
	return string(data), wrong, in.skip()
}

// file reads a file. It returns a *File, or an *Invalid if something is wrong with
// it.
func (in *incoming) file(p *part) (any, error) {
	if p.charset != "" {
		return nil, malformed()
	}
	name, inv := in.name(p.filename)
	f := &File{Name: name, ContentType: p.media}
	n := in.root.fileAt(in.root.object.path(p.name, in.limits))
	switch {
	case inv != nil:
		return inv, in.skip()
	case n == nil: // not a field for files: refused later
		return f, in.skip()
	case in.store == nil:
		return f, in.keep(f, n.most)
	}
	inv, err := in.toStore(f, n)
	switch {
	case err != nil:
		return nil, err
	case inv != nil:
		return inv, in.skip()
	}
	return f, in.skip()
}

// keep reads a file into memory. It reads no more of a large file than the rule on its
// size needs, and does not end within a character.
func (in *incoming) keep(f *File, most int64) error {
	var data bytes.Buffer
	_, err := data.ReadFrom(io.LimitReader(in.body, min(most, math.MaxInt64-utf8.UTFMax)+utf8.UTFMax))
	if err != nil {
		return err
	}
	f.Data = data.Bytes()
	if int64(len(f.Data)) > most {
		f.Data = f.Data[:len(f.Data)-cutOff(f.Data)]
	}
	f.Data = slices.Clip(f.Data)
	return in.skip()
}
