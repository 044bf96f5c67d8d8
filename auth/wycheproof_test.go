package auth_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
)

type wycheproofGroup struct {
	File    string            `json:"file"`
	Comment string            `json:"comment"`
	Keys    []json.RawMessage `json:"keys"`
	Tests   []struct {
		TcID    int             `json:"tcId"`
		Comment string          `json:"comment"`
		JWS     json.RawMessage `json:"jws"` // a string, or an object: JSON serialisation
		Result  string          `json:"result"`
	} `json:"tests"`
}

// TestWycheproof runs the JWS vectors. Their payloads are no claims, so a good
// signature shows in that the claims are what is refused.
func TestWycheproof(t *testing.T) {
	deviations := map[int]string{ // of json_web_signature_test.json
		346: "mislabelled: a PS384 token for a key whose alg is PS256",
		347: "the key names an algorithm ES521, which there is not (RFC 7518 section 3.1)",
		350: "as 346",
		351: "as 347",
		367: "mislabelled: the text of 357, which is valid",
		370: "as 367",
		372: "mislabelled: a question mark in the header segment",
		373: "mislabelled: a question mark in the payload segment",
	}
	text, err := os.ReadFile("testdata/wycheproof/jws.json")
	require.NoError(t, err)
	var file struct {
		Groups []wycheproofGroup `json:"groups"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	ran := 0
	for _, g := range file.Groups {
		v, keyErr := wycheproofVerifier(g.Keys)
		for _, tt := range g.Tests {
			ran++
			valid, raw := false, string(tt.JWS)
			_ = json.Unmarshal(tt.JWS, &raw)
			if keyErr == nil {
				_, err := v.Verify(t.Context(), raw, auth.Access)
				valid = reason(err) == auth.TokenClaims
			}
			want := tt.Result == "valid"
			if _, deviates := deviations[tt.TcID]; deviates && g.File == "json_web_signature_test.json" {
				want = !want
			}
			assert.Equal(t, want, valid, "%s %d %s %s: key %v", g.File, tt.TcID, g.Comment, tt.Comment, keyErr)
		}
	}
	assert.Equal(t, 476, ran)
}

func wycheproofVerifier(texts []json.RawMessage) (*auth.Verifier, error) {
	var parsed []*auth.Key
	for _, text := range texts {
		var k struct{ Alg, Kty string }
		if err := json.Unmarshal(text, &k); err != nil {
			return nil, err
		}
		if k.Alg == "" {
			k.Alg = map[string]string{"RSA": "RS256", "EC": "ES256"}[k.Kty]
		}
		key, err := auth.ParseKey(auth.Algorithm(k.Alg), "", text)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, key)
	}
	set, err := auth.NewKeys(parsed[0], parsed[1:]...)
	if err != nil {
		return nil, err
	}
	return auth.NewVerifier(auth.VerifierConfig{Keys: set, Issuer: "*", Audiences: []string{"*"}})
}
