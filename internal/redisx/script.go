package redisx

import (
	"context"
	"crypto/sha1" //nolint:gosec // by which EVALSHA names a script; no secret, no signature
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// A Script is one atomic step.
type Script struct{ text, sha string }

// NewScript returns the script with that text.
func NewScript(text string) Script {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // see the import
	return Script{text, hex.EncodeToString(sum[:])}
}

// Run runs a script: words are that many keys and then its arguments. A server
// that does not know the script, such as a fresh one, one that a failover made the
// master or one whose scripts were flushed, is sent its text: nothing of it has
// run by then.
func (c *Client) Run(ctx context.Context, s Script, keys int, words ...any) (any, error) {
	if c == nil {
		return nil, errZero
	}
	ctx, cancel := c.limit(ctx) // for both
	defer cancel()
	args := append([]any{"EVALSHA", s.sha, strconv.Itoa(keys)}, words...)
	reply, err := c.Do(ctx, args...)
	if unknownScript(err) {
		args = slices.Clone(args) // the client may still read the others
		args[0], args[1] = "EVAL", s.text
		return c.Do(ctx, args...)
	}
	return reply, err
}

func unknownScript(err error) bool { return err != nil && strings.Contains(err.Error(), "NOSCRIPT") }

// scriptFailed reports whether the server ran a script and that failed for a
// reason that concerns its keys and arguments alone. Clients may cut off the code
// ERR; Redis before 7 puts the error of a command behind its own text.
func scriptFailed(err error) bool {
	if !strings.Contains(err.Error(), "user_script") {
		return false
	}
	for _, code := range [...]string{"OOM ", "READONLY ", "MISCONF ", "NOREPLICAS ", "MASTERDOWN ", "CLUSTERDOWN ", "LOADING ", "BUSY "} {
		if strings.Contains(err.Error(), code) {
			return false
		}
	}
	return true
}
