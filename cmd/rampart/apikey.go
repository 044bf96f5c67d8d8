package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/ecolaura/rampart/apikey"
)

func apikeyCommand(t terminal) *cli.Command {
	prefix := &cli.StringFlag{Name: "prefix", Usage: "`PREFIX` of the keys, such as shop_live"}
	return &cli.Command{
		Name:  "apikey",
		Usage: "make and check API keys, and find leaked ones",
		Description: `   rampart apikey make -prefix shop_live -o key
   rampart apikey check -prefix shop_live < key
   rampart apikey scan -prefix shop_live .`,
		Commands: []*cli.Command{
			{
				Name: "make", Usage: "make a key, which no store knows yet",
				Flags: []cli.Flag{prefix, &cli.StringFlag{Name: "o", Usage: "`FILE` in place of the standard output, readable by its owner alone"}},
				Action: func(ctx context.Context, cmd *cli.Command) error {
					keys, err := apikey.New(apikey.Config{Store: apikey.NewMemoryStore(), Prefix: cmd.String("prefix"), Logger: slog.New(slog.DiscardHandler)})
					if err != nil {
						return err
					}
					key, secret, err := keys.Create(ctx, apikey.Key{Owner: "rampart", Name: "rampart"})
					if err != nil {
						return err
					}
					fmt.Fprintln(t.err, "id:", key.ID)
					return t.putSecret(cmd.String("o"), []byte(secret.Reveal()+"\n"), false)
				},
			},
			{
				Name: "check", Usage: "say whether the key on the standard input reads like one", Flags: []cli.Flag{prefix},
				Action: func(_ context.Context, cmd *cli.Command) error {
					if cmd.Args().Present() {
						return usage(cmd, "the key is read from the standard input")
					}
					text, err := io.ReadAll(io.LimitReader(t.in, 1000))
					if err != nil {
						return err
					}
					if !apikey.WellFormed(cmd.String("prefix"), strings.TrimSpace(string(text))) {
						fmt.Fprintln(t.out, "refused: the prefix, the length or the checksum is wrong")
						return errFound
					}
					fmt.Fprintln(t.out, "well-formed")
					return nil
				},
			},
			{
				Name: "scan", Usage: "look for keys in a tree, by prefix and checksum", ArgsUsage: "FOLDER…",
				Flags:  []cli.Flag{&cli.StringFlag{Name: "prefix", Usage: "`PREFIXES` of the keys, with commas between them; \"\": any"}},
				Action: func(_ context.Context, cmd *cli.Command) error { return t.scanKeys(cmd) },
			},
		},
	}
}

// keyLike is what may be a key; the checksum tells.
var keyLike = regexp.MustCompile(`\b([A-Za-z][A-Za-z0-9_]{0,31})_([0-9A-Za-z]{16})_[0-9A-Za-z]{36}\b`) // read-only

// scanKeys names keys by their ids, which may be logged.
func (t terminal) scanKeys(cmd *cli.Command) error {
	folders := cmd.Args().Slice()
	if len(folders) == 0 {
		folders = []string{"."}
	}
	wanted := map[string]bool{}
	for p := range strings.SplitSeq(cmd.String("prefix"), ",") {
		if p != "" {
			wanted[strings.TrimSpace(p)] = true
		}
	}
	found := 0
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !d.Type().IsRegular() {
				return nil
			}
			n, err := t.scanFile(path, wanted)
			found += n
			return err
		})
		if err != nil {
			return err
		}
	}
	if found > 0 {
		fmt.Fprintf(t.out, "%s: revoke them, and make others\n", plural(found, "key", "keys"))
		return errFound
	}
	return nil
}

// scanFile reads a file in pieces that overlap by more than a key is long.
func (t terminal) scanFile(path string, wanted map[string]bool) (found int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // it was read only
	const overlap = 100
	buffer := make([]byte, 0, 1<<20)
	line, seen := 1, map[string]bool{}
	for {
		n, err := io.ReadFull(f, buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		last := err != nil
		for _, at := range keyLike.FindAllSubmatchIndex(buffer, -1) {
			key, prefix, id := string(buffer[at[0]:at[1]]), string(buffer[at[2]:at[3]]), string(buffer[at[4]:at[5]])
			where := line + strings.Count(string(buffer[:at[0]]), "\n")
			tag := fmt.Sprint(where, key)
			if !last && at[1] == len(buffer) || len(wanted) > 0 && !wanted[prefix] || !apikey.WellFormed(prefix, key) || seen[tag] {
				continue
			}
			seen[tag] = true
			found++
			fmt.Fprintf(t.out, "%s:%d: %s_%s_…\n", clean(path), where, prefix, id)
		}
		if last {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				err = nil
			}
			return found, err
		}
		keep := len(buffer) - overlap
		line += strings.Count(string(buffer[:keep]), "\n")
		buffer = append(buffer[:0], buffer[keep:]...)
	}
}
