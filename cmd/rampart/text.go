package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
)

// clean returns s with nothing that a terminal acts on: what a target sends may hold
// escape sequences, and letters that turn the direction of a line.
func clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n', r == '\t', unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\r':
			b.WriteString(`\r`)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// isTerminal reports whether somebody reads, or writes, there.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A painter colours words, if somebody looks.
type painter struct{ on bool }

func (t terminal) painter() painter {
	return painter{on: isTerminal(t.out) && t.env("NO_COLOR") == "" && t.env("TERM") != "dumb"}
}

// Colours of ECMA-48.
const (
	red    = "31"
	yellow = "33"
	green  = "32"
	bold   = "1"
)

func (p painter) paint(colour, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// maxInput bounds what is read of a file or a stream, in bytes: it is held in memory.
const maxInput = 64 << 20

// readAll reads what is no longer than maxInput.
func readAll(in io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = fmt.Errorf("more than %d MiB", maxInput>>20)
	}
	return text, err
}

// readFile reads a file; "-" is the standard input.
func (t terminal) readFile(name string) ([]byte, error) {
	if name == "-" {
		return readAll(t.in)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was read only
	text, err := readAll(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

// writeSecret makes a file that its owner alone can read, whatever the umask. It does
// not write over one that is there, unless it is told to.
func writeSecret(name string, text []byte, over bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if over {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		return err
	}
	// Before the secret goes in: a file that was there may have another mode, and a
	// umask may have taken what its owner needs.
	err = f.Chmod(0o600)
	if err == nil {
		_, err = f.Write(text)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// putSecret writes a secret to a file, or to the standard output if name is "".
func (t terminal) putSecret(name string, text []byte, over bool) error {
	if name == "" || name == "-" {
		_, err := t.out.Write(text)
		return err
	}
	return writeSecret(name, text, over)
}
