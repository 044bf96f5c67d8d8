package auth_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

type simplejwtTokens struct {
	Secret  string            `json:"secret"`
	Keys    map[string]string `json:"keys"`
	Configs map[string]struct {
		Algorithm    auth.Algorithm `json:"algorithm"`
		VerifyingKey string         `json:"verifying_key"`
		Audience     string         `json:"audience"`
		Issuer       string         `json:"issuer"`
		Leeway       int            `json:"leeway"` // seconds
	} `json:"configs"`
	Fixtures []struct {
		Name   string `json:"name"`
		Config string `json:"config"`
		Token  string `json:"token"`
		Strict string `json:"strict"`
		Why    string `json:"why"`
	} `json:"fixtures"`
}

// TestRecordedTokens holds our verdict on 154 tokens, made by simplejwt or
// forged, against what a strict verifier says of each.
func TestRecordedTokens(t *testing.T) {
	deviations := map[string]string{
		"rs256_aud-x-no-user_id": "a token without its subject claim is refused here, not left to the user look-up",
	}
	text, err := os.ReadFile("testdata/simplejwt_tokens.json")
	require.NoError(t, err)
	var file simplejwtTokens
	require.NoError(t, json.Unmarshal(text, &file))
	require.Len(t, file.Fixtures, 154)
	for _, f := range file.Fixtures {
		t.Run(f.Name, func(t *testing.T) {
			if f.Config == "hs512" {
				_, err := auth.NewKey(auth.HS512, "", []byte(file.Secret))
				assert.Equal(t, "material: weak", conferrtest.Text(err), "60 bytes are under RFC 7518 section 3.2")
				return
			}
			v := file.verifier(t, f.Config)
			want := f.Strict
			if _, ok := deviations[f.Name]; ok {
				want = "reject"
			}
			for _, kind := range []auth.Kind{auth.Access, auth.Refresh, auth.Sliding} {
				_, err := v.Verify(t.Context(), f.Token, kind)
				_ = reason(err)
				verdict, rest, _ := strings.Cut(want, ":")
				ok := verdict == "ok" && strings.TrimSuffix(rest, ":nokid") == string(kind)
				assert.Equal(t, ok, err == nil, "%s: %s: %v: %s", kind, f.Strict, err, f.Why)
			}
			_, err := v.Verify(t.Context(), f.Token, auth.Any)
			assert.Equal(t, strings.HasPrefix(want, "ok"), err == nil, "any: %v", err)
		})
	}
}

func (f *simplejwtTokens) verifier(tb testing.TB, name string, change ...func(*auth.VerifierConfig)) *auth.Verifier {
	tb.Helper()
	c, ok := f.Configs[name]
	require.True(tb, ok, name)
	key, err := auth.NewKey(auth.HS256, "", []byte(f.Secret))
	if c.VerifyingKey != "" {
		key, err = auth.ParseKey(c.Algorithm, "", []byte(f.Keys[c.VerifyingKey]))
	} else if c.Algorithm != auth.HS256 {
		key, err = auth.NewKey(c.Algorithm, "", []byte(f.Secret))
	}
	require.NoError(tb, err)
	return newVerifier(tb, func(cfg *auth.VerifierConfig) {
		cfg.Keys, err = auth.NewKeys(key)
		require.NoError(tb, err)
		if c.Audience != "" {
			cfg.Audiences, cfg.Issuer = []string{c.Audience}, c.Issuer
		}
		cfg.Leeway = time.Duration(c.Leeway) * time.Second
		for _, f := range change {
			f(cfg)
		}
	})
}
