package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/jose"
)

func keysCommand(t terminal) *cli.Command {
	alg := &cli.StringFlag{Name: "alg", Usage: "`ALGORITHM`, such as ES256, EdDSA, RS256 or HS256; \"\": what fits the key"}
	format := &cli.StringFlag{Name: "to", Value: "pem", Usage: "`FORMAT`: pem or jwk"}
	out := &cli.StringFlag{Name: "o", Usage: "`FILE` in place of the standard output, readable by its owner alone"}
	over := &cli.BoolFlag{Name: "over", Usage: "write over that file"}
	return &cli.Command{
		Name:  "keys",
		Usage: "make, rotate, publish and convert signing keys",
		Description: `   rampart keys make -alg ES256 -o key.pem
   rampart keys publish key.pem old.pem > jwks.json
   rampart keys rotate -old old.pem key.pem > jwks.json
   rampart keys convert -to jwk key.pem`,
		Commands: []*cli.Command{
			{
				Name: "make", Usage: "make a key", Flags: []cli.Flag{alg, format, out, over},
				Action: func(_ context.Context, cmd *cli.Command) error {
					if cmd.Args().Present() {
						return usage(cmd, "it takes no arguments")
					}
					material, err := makeKey(auth.Algorithm(cmd.String("alg")))
					if err != nil {
						return err
					}
					text, err := encodeKey(material, auth.Algorithm(cmd.String("alg")), cmd.String("to"))
					if err != nil {
						return err
					}
					return t.putSecret(cmd.String("o"), text, cmd.Bool("over"))
				},
			},
			{
				Name: "publish", Usage: "print the public keys of files as a JWK set", ArgsUsage: "FILE…", Flags: []cli.Flag{alg},
				Action: func(_ context.Context, cmd *cli.Command) error {
					return t.publish(auth.Algorithm(cmd.String("alg")), cmd.Args().Slice()...)
				},
			},
			{
				Name: "rotate", Usage: "put a new key of the same kind in place of a file's, and print the JWK set of both", ArgsUsage: "FILE",
				Flags:  []cli.Flag{alg, &cli.StringFlag{Name: "old", Usage: "`FILE` that the old key goes to; it must not be there"}},
				Action: func(_ context.Context, cmd *cli.Command) error { return t.rotateKey(cmd) },
			},
			{
				Name: "convert", Usage: "print a key in the other form", ArgsUsage: "FILE",
				Flags: []cli.Flag{alg, format, out, over, &cli.BoolFlag{Name: "public", Usage: "leave out what is secret"}},
				Action: func(_ context.Context, cmd *cli.Command) error {
					if cmd.NArg() != 1 {
						return usage(cmd, "give one file")
					}
					text, err := t.readFile(cmd.Args().First())
					if err != nil {
						return err
					}
					material, err := decodeKey(text)
					if err != nil {
						return err
					}
					if cmd.Bool("public") {
						if material, err = publicOf(material); err != nil {
							return err
						}
					}
					if text, err = encodeKey(material, auth.Algorithm(cmd.String("alg")), cmd.String("to")); err != nil {
						return err
					}
					return t.putSecret(cmd.String("o"), text, cmd.Bool("over"))
				},
			},
		},
	}
}

// makeKey makes what an algorithm signs with.
func makeKey(alg auth.Algorithm) (any, error) {
	switch alg {
	case auth.ES256, "":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case auth.ES384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case auth.ES512:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case auth.EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case auth.RS256, auth.RS384, auth.RS512, auth.PS256, auth.PS384, auth.PS512:
		return rsa.GenerateKey(rand.Reader, 3072) // 128 bits (NIST SP 800-57)
	case auth.HS256, auth.HS384, auth.HS512:
		secret := make([]byte, map[auth.Algorithm]int{auth.HS256: 32, auth.HS384: 48, auth.HS512: 64}[alg])
		_, err := rand.Read(secret)
		return secret, err
	default:
		return nil, errors.New("-alg: " + jose.WantAlgorithm)
	}
}

// algorithmOf is the first algorithm that fits a key.
func algorithmOf(material any) auth.Algorithm {
	for _, alg := range append(publicAlgorithms(), auth.HS256) {
		if _, err := auth.NewKey(alg, "", material); err == nil {
			return alg
		}
	}
	return ""
}

// parseKey reads a key in PEM or as a JWK.
func parseKey(text []byte, alg auth.Algorithm) (*auth.Key, error) {
	material, err := decodeKey(text)
	if err != nil {
		return nil, err
	}
	if alg == "" {
		var said struct{ Alg auth.Algorithm }
		_ = json.Unmarshal(text, &said) // PEM says none
		if alg = said.Alg; alg == "" {
			alg = algorithmOf(material)
		}
	}
	if _, secret := material.([]byte); secret {
		return auth.NewKey(alg, "", material)
	}
	return auth.ParseKey(alg, "", text)
}

// publish prints the public keys of files.
func (t terminal) publish(alg auth.Algorithm, files ...string) error {
	if len(files) == 0 {
		return errors.New("give the files of the keys")
	}
	var keys []*auth.Key
	for _, name := range files {
		text, err := t.readFile(name)
		if err != nil {
			return err
		}
		key, err := parseKey(text, alg)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if jose.IsHMAC(key.Algorithm()) {
			return fmt.Errorf("%s: it is a secret, and has no public key", name)
		}
		keys = append(keys, key)
	}
	set, err := jose.PublicSet(keys)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "%s\n", set)
	return err
}

// rotateKey keeps the old key in a file of its own: tokens that it signed are good for
// a while. The new key is in place whole or not at all.
func (t terminal) rotateKey(cmd *cli.Command) error {
	name, old := cmd.Args().First(), cmd.String("old")
	if cmd.NArg() != 1 || old == "" {
		return usage(cmd, "give -old and one file")
	}
	text, err := t.readFile(name)
	if err != nil {
		return err
	}
	key, err := parseKey(text, auth.Algorithm(cmd.String("alg")))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	material, err := makeKey(key.Algorithm())
	if err != nil {
		return err
	}
	form := "pem"
	if json.Valid(text) {
		form = "jwk"
	}
	fresh, err := encodeKey(material, key.Algorithm(), form)
	if err != nil {
		return err
	}
	if err := writeSecret(old, text, false); err != nil {
		return err
	}
	beside := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".new")
	if err := writeSecret(beside, fresh, false); err != nil {
		return err
	}
	if err := os.Rename(beside, name); err != nil {
		return err
	}
	if jose.IsHMAC(key.Algorithm()) {
		return nil
	}
	return t.publish(key.Algorithm(), name, old)
}
