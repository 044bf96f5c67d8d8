package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/attack"
	"github.com/ecolaura/rampart/internal/weak"
)

// A session runs commands as a shell does that has these variables.
type session map[string]string

// do runs a command with text as its input.
func (s session) do(t *testing.T, text string, args ...string) (status int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = run(t.Context(), append([]string{"rampart"}, args...), terminal{
		in: strings.NewReader(text), out: &stdout, err: &stderr, env: func(name string) string { return s[name] },
	})
	return status, stdout.String(), stderr.String()
}

// serveWeak runs the service and returns its URL.
func serveWeak(t *testing.T, cfg weak.Config) (*weak.Server, string) {
	t.Helper()
	s, err := weak.New(t.Context(), cfg)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return s, "http://" + ln.Addr().String()
}

// found are the ids of a report in JSON, once each.
func found(t *testing.T, report string) []string {
	t.Helper()
	var doc struct {
		Findings []struct{ ID, Detail, Curl string }
	}
	require.NoError(t, json.Unmarshal([]byte(report), &doc), report)
	var ids []string
	for _, f := range doc.Findings {
		ids = append(ids, f.ID)
		t.Log(f.ID, f.Detail, f.Curl)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func TestWithoutAConfigTheWeakServiceHasManyWeaknessesAndItsTwinHasNone(t *testing.T) {
	var all []string
	for _, w := range attack.Weaknesses() {
		all = append(all, w.ID)
	}
	_, url := serveWeak(t, weak.Config{Weak: all, Direct: true})
	status, out, errOut := session{}.do(t, "", "attack", "-format", "json", url)
	assert.Equal(t, exitFound, status, errOut)
	assert.GreaterOrEqual(t, len(found(t, out)), 8)

	_, url = serveWeak(t, weak.Config{Direct: true})
	status, out, errOut = session{}.do(t, "", "attack", url)
	assert.Equal(t, exitClean, status, out+errOut)
	assert.Contains(t, out, "no weakness found")
}

func TestEachWeaknessAloneIsExactlyWhatTheCommandFinds(t *testing.T) {
	sample := []string{"", "slow-body", "csrf", "no-token", "key-ended", "log-secret", "limit-early", "jwks-private"} // the suite's own tests have all
	for _, w := range append(attack.Weaknesses(), attack.Weakness{}) {
		if os.Getenv("RAMPART_BARS") != "1" && !slices.Contains(sample, w.ID) {
			continue
		}
		t.Run(w.ID, func(t *testing.T) {
			t.Parallel()
			logged := filepath.Join(t.TempDir(), "log")
			log, err := os.Create(logged)
			require.NoError(t, err)
			t.Cleanup(func() { _ = log.Close() })
			cfg := weak.Config{Log: log}
			var want []string
			if w.ID != "" {
				cfg.Weak, want = []string{w.ID}, []string{w.ID}
			}
			s, url := serveWeak(t, cfg)
			target := s.Target()
			shell := session{"BOB_PASSWORD": target.Bob.Password, "EXPIRED": target.Expired, "API_KEY": target.Key, "ENDED_KEY": target.EndedKeys[0]}
			file := "testdata/weak.yml"
			switch {
			case strings.HasPrefix(w.ID, "slow-"):
				file = "testdata/weak-slow.yml"
			case slices.Contains([]string{"csrf", "session-fixed", "session-after-logout"}, w.ID):
				file = "testdata/weak-cookies.yml"
			default: // the log is where the test puts it
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				file = filepath.Join(t.TempDir(), "target.yml")
				require.NoError(t, os.WriteFile(file, append(text, "log: "+logged+"\n"...), 0o600))
			}
			status, out, errOut := shell.do(t, "", "attack", "-config", file, "-format", "json", url)
			require.Equal(t, len(want), status, errOut) // 0 or 1
			assert.Equal(t, want, found(t, out))
			for _, secret := range shell {
				assert.NotContains(t, out+errOut, secret, "a secret is printed")
			}
		})
	}
}
