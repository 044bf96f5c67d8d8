package sanitize

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"unicode/utf8"
)

// toStore checks the beginning of a file and writes it to the store piece by piece, or
// returns what is wrong with it. It stops when the file is too large or not of its type.
func (in *incoming) toStore(f *File, n *node) (*Invalid, error) {
	buf := make([]byte, maxHead)
	got, err := io.ReadFull(in.body, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	t, inv := n.admit(f, buf[:got])
	if inv != nil {
		return inv, nil
	}
	f.Stored = new(Stored)
	if int64(got) > n.most {
		f.Stored.Size = int64(got) // the rule on the size says the rest
		return nil, nil
	}
	if inv, err := in.open(f); inv != nil || err != nil {
		return inv, err
	}
	sum := sha256.New()
	var text utf8Check
	for err = nil; err == nil; got, err = in.body.Read(buf) {
		piece := buf[:got]
		f.Stored.Size += int64(got)
		switch {
		case f.Stored.Size > n.most:
			return nil, nil
		case t.isText && !text.add(piece):
			return n.wrongType(), nil
		}
		wrote, err := f.Stored.Upload.Write(piece)
		if err == nil && wrote < got {
			err = io.ErrShortWrite
		}
		if err != nil {
			return nil, storeError{err}
		}
		_, _ = sum.Write(piece) // a hash returns no error
	}
	switch {
	case !errors.Is(err, io.EOF):
		return nil, err
	case len(text.tail) > 0:
		return n.wrongType(), nil
	}
	if err := f.Stored.Upload.Close(); err != nil {
		return nil, storeError{err}
	}
	sum.Sum(f.Stored.SHA256[:0])
	return nil, nil
}

// open opens f in the store.
func (in *incoming) open(f *File) (*Invalid, error) {
	up, err := in.store(in.req.Context(), File{Name: f.Name, ContentType: f.ContentType})
	if inv, ok := errors.AsType[*Invalid](err); ok && inv != nil {
		return inv, nil
	}
	if err == nil && up == nil {
		err = errors.New("the Store returned no Upload")
	}
	if err != nil {
		return nil, storeError{err}
	}
	*in.kept = append(*in.kept, up)
	f.Stored.Upload = up
	return nil, nil
}

// utf8Check checks a text that comes in pieces.
type utf8Check struct{ tail []byte } // of a character that goes on

// add reports whether the text is valid up to the end of piece.
func (c *utf8Check) add(piece []byte) bool {
	if bytes.IndexByte(piece, 0) >= 0 {
		return false
	}
	text := append(c.tail, piece...)
	end := len(text) - cutOff(text)
	c.tail = append([]byte(nil), text[end:]...)
	return utf8.Valid(text[:end])
}

// cutOff returns how many bytes at the end of b begin a character that goes on.
func cutOff(b []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if tail := b[len(b)-i:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return i
		}
	}
	return 0
}
