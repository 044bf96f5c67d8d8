package sanitize

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

func malformed() error {
	return &Invalid{Code: CodeSyntax, Detail: "Not a well-formed multipart body."}
}

// A multipartBody takes a body apart as it arrives. It accepts only the form that
// browsers and clients send: no preamble or epilogue, lines that end with CR LF, no
// folded header, no transfer encoding, no name given twice. Parsers differ on all
// of these, and a filter before this server may have read another file than it.
//
// Its errors are malformed's and those of its source.
type multipartBody struct {
	src       *bufio.Reader // larger than maxPartHeader and any delimiter
	delimiter []byte        // CR LF, two hyphens and the boundary
	content   int           // how much of what is buffered belongs to this part
	ended     bool          // the delimiter comes after that
}

func newMultipartBody(src io.Reader, boundary string) *multipartBody {
	return &multipartBody{src: bufio.NewReaderSize(src, 4*maxPartHeader), delimiter: []byte("\r\n--" + boundary), ended: true}
}

// start reads the first delimiter.
func (m *multipartBody) start() error { return m.expect(string(m.delimiter[len("\r\n"):])) }

// expect reads s.
func (m *multipartBody) expect(s string) error {
	got, err := m.src.Peek(len(s))
	if string(got) != s {
		return malformedUnless(err)
	}
	_, err = m.src.Discard(len(s))
	return err
}

// malformedUnless returns the error of a source that could not be read; one that has
// ended was cut off.
func malformedUnless(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return malformed()
	}
	return err
}

// next reads up to the content of the next part and returns its header. At the end
// of the body it returns [io.EOF].
func (m *multipartBody) next() (p part, err error) {
	after, err := m.src.Peek(len("--"))
	switch string(after) {
	case "--":
		return p, m.end()
	case "\r\n":
		_, _ = m.src.Discard(len("\r\n")) // it has been peeked at
	default:
		return p, malformedUnless(err)
	}
	head, err := m.head()
	if err != nil {
		return p, err
	}
	p, ok := partHeader(head)
	if !ok {
		return p, malformed()
	}
	m.content, m.ended = 0, false
	_, err = m.src.Discard(len(head) + len("\r\n\r\n"))
	return p, err
}

// end reads what may come after the last delimiter.
func (m *multipartBody) end() error {
	_, _ = m.src.Discard(len("--")) // it has been peeked at
	rest, err := m.src.Peek(len("\r\n") + 1)
	if len(rest) > 0 && string(rest) != "\r\n" || !errors.Is(err, io.EOF) {
		return malformedUnless(err)
	}
	return io.EOF
}

// head returns the header of a part, which stays in the buffer. A delimiter must not
// share the line break at its end: to some parsers it is then one, to others text.
func (m *multipartBody) head() ([]byte, error) {
	const blank = "\r\n\r\n"
	for {
		buffered, _ := m.src.Peek(m.src.Buffered())
		end := bytes.Index(buffered[:min(len(buffered), maxPartHeader)], []byte(blank))
		cut := bytes.Index(buffered, m.delimiter)
		switch {
		case cut >= 0 && (end < 0 || cut < end+len(blank)), end < 0 && len(buffered) >= maxPartHeader:
			return nil, malformed()
		case end >= 0 && len(buffered) >= end+len(blank)+len(m.delimiter): // there is always so much left
			return buffered[:end], nil
		}
		if _, err := m.src.Peek(len(buffered) + 1); err != nil {
			return nil, malformedUnless(err)
		}
	}
}

// Read reads the content of the part that next has returned, and with its end the
// delimiter after it.
func (m *multipartBody) Read(p []byte) (int, error) {
	if empty, err := m.empty(); err != nil || empty {
		return 0, eofUnless(err)
	}
	n, err := m.src.Read(p[:min(len(p), m.content)])
	m.content -= n
	if m.content == 0 && m.ended && err == nil {
		_, err = m.src.Discard(len(m.delimiter))
	}
	return n, err
}

func eofUnless(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// empty reports whether there is nothing left of the part.
func (m *multipartBody) empty() (bool, error) {
	for m.content == 0 && !m.ended {
		if err := m.look(); err != nil {
			return false, err
		}
	}
	return m.content == 0, nil
}

// look finds out how much of what is buffered is content.
func (m *multipartBody) look() error {
	buffered, _ := m.src.Peek(m.src.Buffered())
	if at := bytes.Index(buffered, m.delimiter); at >= 0 {
		m.content, m.ended = at, true
		if at == 0 {
			_, err := m.src.Discard(len(m.delimiter))
			return err
		}
		return nil
	}
	if m.content = len(buffered) - len(m.delimiter) + 1; m.content > 0 { // the rest may begin a delimiter
		return nil
	}
	m.content = 0
	_, err := m.src.Peek(len(buffered) + 1)
	if err != nil {
		return malformedUnless(err)
	}
	return nil
}
