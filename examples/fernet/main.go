// Command fernet makes keys, encrypts, decrypts and rotates on the command line,
// hand in hand with Python's cryptography.fernet:
//
//	fernet generate > keys                      a new key, for a secret store
//	export FERNET_KEYS_FILE=keys                or FERNET_KEYS="new,old"
//	fernet encrypt < text > token               under the first key
//	fernet decrypt < token                      under whichever key fits
//	fernet decrypt -ttl 1h < token              not if it is older
//	fernet rotate < tokens > tokens.new         one token a line, to the first key
//
// A key never comes from an argument: other users of the machine can read those,
// and the shell keeps them.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// maxInput bounds what is read, in bytes: it is held in memory.
const maxInput = 64 << 20

const usage = `usage: fernet generate
       fernet encrypt < text
       fernet decrypt [-ttl duration] < token
       fernet rotate < tokens, one a line

The keys, the one that encrypts first, are in FERNET_KEYS ("new,old") or in the
file that FERNET_KEYS_FILE names`

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fernet:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what it would print repeats arguments, and somebody will try a key
	ttl := time.Duration(-1)
	if args[0] == "decrypt" {
		flags.DurationVar(&ttl, "ttl", -1, "refuse an older token")
	}
	if flags.Parse(args[1:]) != nil || flags.NArg() > 0 {
		return errors.New(usage)
	}
	if args[0] == "generate" {
		_, err := fmt.Fprintln(out, fernet.GenerateKey().Reveal())
		return err
	}
	command, ok := map[string]func(*fernet.Cipher, time.Duration, io.Reader, io.Writer) error{
		"encrypt": encrypt, "decrypt": decrypt, "rotate": rotate,
	}[args[0]]
	if !ok {
		return errors.New(usage)
	}
	ring, err := fernet.KeyringFromEnv("FERNET_KEYS")
	if err != nil {
		return err
	}
	return command(ring.Cipher(), ttl, in, out)
}

func read(in io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err == nil && len(text) > maxInput {
		err = fmt.Errorf("more than %d MiB", maxInput>>20)
	}
	return text, err
}

func encrypt(c *fernet.Cipher, _ time.Duration, in io.Reader, out io.Writer) error {
	text, err := read(in)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", c.Encrypt(text))
	return err
}

// decrypt forgives the line end that a shell puts behind a token.
func decrypt(c *fernet.Cipher, ttl time.Duration, in io.Reader, out io.Writer) error {
	token, err := read(in)
	if err != nil {
		return err
	}
	token = []byte(strings.TrimRight(string(token), "\r\n"))
	var text []byte
	if ttl >= 0 {
		text, err = c.DecryptAt(token, ttl, time.Now())
	} else {
		text, err = c.Decrypt(token)
	}
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// rotate writes nothing if one of the tokens does not open, or if there are more
// than it reads: a file that is half rotated would be taken for the whole.
func rotate(c *fernet.Cipher, _ time.Duration, in io.Reader, out io.Writer) error {
	tokens, err := read(in)
	if err != nil {
		return err
	}
	var all []byte
	n := 0
	for line := range bytes.Lines(tokens) {
		n++
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			if line, _, err = c.Rotate(line); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
		all = append(append(all, line...), '\n')
	}
	_, err = out.Write(all)
	return err
}
