package kong_test

import (
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kong/go-database-reconciler/pkg/diff"
	"github.com/kong/go-database-reconciler/pkg/dump"
	"github.com/kong/go-database-reconciler/pkg/file"
	"github.com/kong/go-database-reconciler/pkg/state"
	"github.com/kong/go-database-reconciler/pkg/utils"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// counts is how many entities a run has made, changed and removed.
type counts struct{ made, changed, removed int32 }

// current reads what the gateway has: with tags, only the entities that have them.
func (s *server) current(t *testing.T, tags []string) (*state.KongState, dump.Config) {
	t.Helper()
	cfg := dump.Config{SelectorTags: tags, IsConsumerGroupScopedPluginSupported: true}
	raw, err := dump.Get(t.Context(), s.Client, cfg)
	require.NoError(t, err)
	now, err := state.Get(raw)
	require.NoError(t, err)
	return now, cfg
}

// reconcile does what deck gateway sync does, or diff if it is dry.
func (s *server) reconcile(t *testing.T, name string, tags []string, dry bool) counts {
	t.Helper()
	root, err := s.Root(t.Context())
	require.NoError(t, err)
	text, _ := root["version"].(string)
	version, err := utils.ParseKongVersion(text)
	require.NoError(t, err)
	now, cfg := s.current(t, tags)
	content, err := file.GetContentFromFiles([]string{name}, false)
	require.NoError(t, err)
	raw, err := file.Get(t.Context(), content, file.RenderConfig{CurrentState: now, KongVersion: version}, cfg, s.Client)
	require.NoError(t, err)
	wanted, err := state.Get(raw)
	require.NoError(t, err)
	var said strings.Builder
	say := func(a ...any) {
		for _, part := range a {
			if text, ok := part.(string); ok {
				said.WriteString(text)
			}
		}
	}
	syncer, err := diff.NewSyncer(diff.SyncerOpts{
		CurrentState: now, TargetState: wanted, KongClient: s.Client,
		CreatePrintln: say, UpdatePrintln: say, DeletePrintln: say,
	})
	require.NoError(t, err)
	stats, errs, _ := syncer.Solve(t.Context(), 1, dry, false)
	require.Empty(t, errs)
	got := counts{stats.CreateOps.Count(), stats.UpdateOps.Count(), stats.DeleteOps.Count()}
	if dry && got != (counts{}) {
		t.Log(said.String())
	}
	return got
}

// dumped writes what deck gateway dump does.
func (s *server) dumped(t *testing.T, tags []string) string {
	t.Helper()
	now, _ := s.current(t, tags)
	name := filepath.Join(t.TempDir(), "dump.yml")
	require.NoError(t, file.KongStateToFile(now, file.WriteConfig{Filename: name, FileFormat: file.YAML, SelectTags: tags, KongVersion: "3.9.1"}))
	return name
}

// everything lists all rows of all collections.
func (s *server) everything(t *testing.T) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for _, path := range []string{
		"/services", "/routes", "/consumers", "/key-auths", "/jwts", "/acls", "/upstreams", "/targets",
		"/certificates", "/snis", "/ca_certificates", "/plugins", "/consumer_groups",
	} {
		rows := s.rows(t, path)
		assert.NotEmpty(t, rows, path)
		maps.Copy(all, rows)
	}
	return all
}

// document is a file with every entity that there is, for one team.
func document(t *testing.T, team string) string {
	t.Helper()
	cert, key := certificate(t, false, team+".example", "more."+team+".example")
	ca, _ := certificate(t, true)
	block := func(pem string) string { return strings.ReplaceAll(strings.TrimSpace(pem), "\n", "\n    ") }
	text := strings.NewReplacer("TEAM", team, "CERT", block(cert), "KEY", block(key), "AUTHORITY", block(ca), "DIGEST", digest(t, ca), "DIGIT", map[string]string{"a": "1", "b": "2"}[team]).Replace(`_format_version: "3.0"
services:
- name: s-TEAM
  host: up-TEAM.internal
  routes:
  - name: r-TEAM
    paths: [/TEAM]
    headers: {x-team: [TEAM]}
    strip_path: false
    plugins:
    - name: rate-limiting
      config: {minute: 5}
    - name: cors
      config: {origins: ["https://TEAM.example"], max_age: 60}
  plugins:
  - name: key-auth
    config: {key_names: [x-key]}
  - name: acl
    config: {allow: [g-TEAM]}
consumer_groups:
- name: cg-TEAM
  plugins:
  - name: request-size-limiting
    config: {allowed_payload_size: 7}
upstreams:
- name: up-TEAM.internal
  slots: 10000
  hash_on: none
  healthchecks: {passive: {unhealthy: {tcp_failures: 2}}}
  targets:
  - target: 127.0.0.1:9490
    weight: 10
  - target: 127.0.0.1:9491
consumers:
- username: c-TEAM
  custom_id: id-TEAM
  groups:
  - name: cg-TEAM
  keyauth_credentials:
  - key: a-key-of-the-team-TEAM
  jwt_secrets:
  - key: issuer-TEAM
    algorithm: HS256
    secret: a-secret-of-the-team-TEAM-32-bytes-long
  acls:
  - group: g-TEAM
  plugins:
  - name: request-termination
    config: {status_code: 418}
certificates:
- id: 0000000DIGIT-0000-4000-8000-000000000000
  cert: |
    CERT
  key: |
    KEY
  snis:
  - name: TEAM.example
  - name: more.TEAM.example
ca_certificates:
- id: 0000000DIGIT-0000-4000-8000-000000000001
  cert: |
    AUTHORITY
  cert_digest: DIGEST
`)
	name := filepath.Join(t.TempDir(), team+".yml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// digest is what Kong makes of a certificate. This version of the reconciler compares
// it; later ones know that it is made.
func digest(t *testing.T, cert string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(cert))
	require.NotNil(t, block)
	return fmt.Sprintf("%x", sha256.Sum256(block.Bytes))
}

func TestTheReconcilerSyncsDiffsAndDumpsEverything(t *testing.T) {
	for name, tags := range map[string][]string{"by tag": {"team-a"}, "all of it": nil} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			if tags != nil {
				assert.Equal(t, counts{made: 21}, s.reconcile(t, document(t, "b"), []string{"team-b"}, false))
			}
			theirs := map[string]map[string]any{}
			if tags != nil {
				theirs = s.everything(t)
			}
			mine := document(t, "a")
			assert.Equal(t, counts{made: 21}, s.reconcile(t, mine, tags, true))
			assert.Equal(t, counts{made: 21}, s.reconcile(t, mine, tags, false))
			assert.Equal(t, counts{}, s.reconcile(t, mine, tags, true), "a second diff is empty")

			copied := s.dumped(t, tags)
			assert.Equal(t, counts{}, s.reconcile(t, copied, tags, true), "what is dumped is what is there")

			own := []string{"/plans/gold", `{"rate": 5}`, "/consumers/c-a", `{"plan": "gold"}`, "/consumers/c-a/key-auth/a-key-of-the-team-a", `{"enabled": false}`}
			for i := 0; i < len(own); i += 2 { // what Kong has not
				method := http.MethodPatch
				if i == 0 {
					method = http.MethodPut
				}
				r, err := s.NewRequest(method, own[i], nil, json.RawMessage(own[i+1]))
				require.NoError(t, err)
				_, err = s.Do(t.Context(), r, nil)
				require.NoError(t, err)
			}
			assert.Equal(t, counts{}, s.reconcile(t, mine, tags, true), "and does not see")

			text, err := os.ReadFile(mine)
			require.NoError(t, err)
			changed := filepath.Join(t.TempDir(), "changed.yml")
			require.NoError(t, os.WriteFile(changed, []byte(strings.NewReplacer(
				"minute: 5", "hour: 9", "weight: 10", "weight: 20", "[/a]", "[/a, /c]", "custom_id: id-a", "custom_id: other", "status_code: 418", "status_code: 503",
			).Replace(string(text))), 0o600))
			assert.Equal(t, counts{changed: 6}, s.reconcile(t, changed, tags, false), "five, and the membership of the consumer")
			for _, c := range s.rows(t, "/plans/gold/consumers") {
				assert.Equal(t, "other", c["custom_id"], "it is changed, and keeps its plan")
			}
			assert.Len(t, s.rows(t, "/plans/gold/consumers"), 1)
			for _, k := range s.rows(t, "/consumers/c-a/key-auth") {
				assert.Equal(t, false, k["enabled"])
			}
			assert.Equal(t, counts{}, s.reconcile(t, changed, tags, true))

			nothing := filepath.Join(t.TempDir(), "nothing.yml")
			require.NoError(t, os.WriteFile(nothing, []byte("_format_version: \"3.0\"\n"), 0o600))
			assert.Equal(t, counts{removed: 21}, s.reconcile(t, nothing, tags, false))
			if tags != nil {
				assert.Equal(t, theirs, s.everything(t), "another team's entities are as they were")
			} else {
				assert.Equal(t, counts{}, s.reconcile(t, nothing, nil, true))
			}
		})
	}
}
