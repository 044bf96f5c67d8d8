package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/ecolaura/rampart/crypto/fernet"
)

func fernetCommand(t terminal) *cli.Command {
	do := func(f func(*fernet.Cipher, time.Duration, io.Reader, io.Writer) error) cli.ActionFunc {
		return func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() { // a key never comes from an argument: other users can read those
				return usage(cmd, "it takes no arguments; keys are in FERNET_KEYS or FERNET_KEYS_FILE")
			}
			ring, err := fernet.KeyringFromEnv("FERNET_KEYS")
			if err != nil {
				return err
			}
			ttl := time.Duration(-1)
			if cmd.IsSet("ttl") {
				ttl = cmd.Duration("ttl")
			}
			var out bytes.Buffer // nothing is written that is not whole
			if err := f(ring.Cipher(), ttl, t.in, &out); err != nil {
				return err
			}
			return t.putSecret(cmd.String("o"), out.Bytes(), cmd.Bool("over"))
		}
	}
	file := func() []cli.Flag {
		return []cli.Flag{
			&cli.StringFlag{Name: "o", Usage: "`FILE` in place of the standard output, readable by its owner alone"},
			&cli.BoolFlag{Name: "over", Usage: "write over that file"},
		}
	}
	return &cli.Command{
		Name:  "fernet",
		Usage: "make keys, encrypt, decrypt and rotate, as Python's cryptography.fernet does",
		Description: `The keys, the one that encrypts first, are in FERNET_KEYS ("new,old") or in the file
that FERNET_KEYS_FILE names, never in an argument.

   rampart fernet generate -o keys
   export FERNET_KEYS_FILE=keys
   rampart fernet encrypt < text > token
   rampart fernet decrypt -ttl 1h < token
   rampart fernet rotate < tokens -o tokens.new`,
		Commands: []*cli.Command{
			{
				Name: "generate", Usage: "print a new key", Flags: file(),
				Action: func(_ context.Context, cmd *cli.Command) error {
					if cmd.Args().Present() {
						return usage(cmd, "it takes no arguments")
					}
					return t.putSecret(cmd.String("o"), []byte(fernet.GenerateKey().Reveal()+"\n"), cmd.Bool("over"))
				},
			},
			{Name: "encrypt", Usage: "encrypt the standard input", Flags: file(), Action: do(encrypt)},
			{
				Name: "decrypt", Usage: "decrypt a token", Action: do(decrypt),
				Flags: append(file(), &cli.DurationFlag{Name: "ttl", Usage: "refuse a token that is older than `TIME`"}),
			},
			{Name: "rotate", Usage: "encrypt tokens, one a line, under the first key", Flags: file(), Action: do(rotate)},
		},
	}
}

func encrypt(c *fernet.Cipher, _ time.Duration, in io.Reader, out io.Writer) error {
	text, err := readAll(in)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", c.Encrypt(text))
	return err
}

// decrypt forgives the line end that a shell puts behind a token.
func decrypt(c *fernet.Cipher, ttl time.Duration, in io.Reader, out io.Writer) error {
	token, err := readAll(in)
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

// rotate writes nothing if one of the tokens does not open, or if there are more than
// it reads: a file that is half rotated would be taken for the whole.
func rotate(c *fernet.Cipher, _ time.Duration, in io.Reader, out io.Writer) error {
	tokens, err := readAll(in)
	if err != nil {
		return err
	}
	n := 0
	for line := range bytes.Lines(tokens) {
		n++
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			if line, _, err = c.Rotate(line); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
		if _, err := fmt.Fprintf(out, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}
