package fernet

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// maxKeyFile bounds the size of a key file, in bytes.
const maxKeyFile = 16 << 10

// KeyringFromEnv returns the keyring that the environment names: the variable
// name holds the keys, the one that encrypts first, separated by commas
// ("new,old"), or the variable name_FILE holds the path of a file for
// [KeyringFromFile]. Both at once are refused, an empty variable counts as none.
// The errors are those of KeyringFromFile.
func KeyringFromEnv(name string) (*Keyring, error) {
	const function = "fernet.KeyringFromEnv"
	return keyringFrom(func() ([]Key, error) {
		text, path := os.Getenv(name), os.Getenv(name+"_FILE")
		switch {
		case text != "" && path != "":
			return nil, conferr.New(function, name, rampart.ReasonConflict, nil, "set "+name+" or "+name+"_FILE, not both")
		case path != "":
			return keysFromFile(function, name+"_FILE", path)
		default:
			return keysFromText(function, name, text)
		}
	})
}

// KeyringFromFile returns the keyring of the keys in a file, the one that
// encrypts first, separated by commas or line ends. Spaces around a key and
// empty lines are skipped; the keys themselves are read as strictly as by
// [ParseKey]. A file that everyone can read or that its group can write is
// refused (mode 0600 is right, 0440 is admitted: an orchestrator's secret
// volume), except on Windows, which has no such modes.
//
// Every mistake is a [*rampart.ConfigError] that names the position of a bad
// key, never its text; if the file could not be read, the cause is in the error
// tree as well.
func KeyringFromFile(path string) (*Keyring, error) {
	return keyringFrom(func() ([]Key, error) { return keysFromFile("fernet.KeyringFromFile", "path", path) })
}

// Reload reads the keys again from where [KeyringFromFile] or [KeyringFromEnv]
// read them, as a signal handler or a timer may want it, for every [Cipher] and
// [MAC] of the keyring at once. After an error the keyring is as it was; a
// keyring that was made of keys has nowhere to read and refuses.
func (r *Keyring) Reload() error {
	if r.source == nil {
		return conferr.New("fernet.Keyring", "Reload", rampart.ReasonMissing, nil, "a keyring made of keys has nowhere to read; use Reconfigure")
	}
	keys, err := r.source()
	if err != nil {
		return err
	}
	return r.Reconfigure(keys[0], keys[1:]...)
}

func keyringFrom(source func() ([]Key, error)) (*Keyring, error) {
	r := &Keyring{source: source}
	if err := r.Reload(); err != nil {
		return nil, err
	}
	return r, nil
}

func keysFromFile(function, field, path string) ([]Key, error) {
	text, err := readKeyFile(function, field, path)
	if err != nil {
		return nil, err
	}
	return keysFromText(function, field, text)
}

// readKeyFile asks the open file, not the path, for its mode: the path may name
// another file a moment later.
func readKeyFile(function, field, path string) (string, error) {
	mistake := func(reason rampart.Reason, want string, cause error) error {
		err := conferr.New(function, field, reason, path, want)
		if cause == nil {
			return err
		}
		return fmt.Errorf("%w: %w", err, cause)
	}
	f, err := os.Open(path) //nolint:gosec // G304: the operator names the file
	if err != nil {
		return "", mistake(rampart.ReasonUnreadable, conferr.WantFile, err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", mistake(rampart.ReasonUnreadable, conferr.WantFile, err)
	case !info.Mode().IsRegular() || info.Size() > maxKeyFile:
		return "", mistake(rampart.ReasonUnreadable, "name a regular file of at most 16 KiB", nil)
	case info.Mode().Perm()&0o027 != 0 && runtime.GOOS != "windows":
		return "", mistake(rampart.ReasonUnsafe, conferr.WantMode, nil)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return "", mistake(rampart.ReasonUnreadable, conferr.WantFile, err)
	}
	return string(text), nil
}

// keysFromText reads keys separated by commas or line ends: one at least.
func keysFromText(function, field, text string) ([]Key, error) {
	var keys []Key
	bad := conferr.For(function)
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		for word := range strings.SplitSeq(line, ",") {
			b, ok := parseKey(strings.TrimSpace(word))
			bad.If(!ok, fmt.Sprintf("%s[%d]", field, len(keys)), ReasonNotAKey, nil, wantKey)
			keys = append(keys, newKey(b))
		}
	}
	switch {
	case len(keys) == 0:
		return nil, conferr.New(function, field, rampart.ReasonMissing, nil, "give one key at least, the one that encrypts first")
	case len(keys) > MaxKeys:
		return nil, conferr.New(function, field, ReasonTooMany, nil, wantFewer)
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return keys, nil
}
