package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
)

// TestRecordedRequests replays what simplejwt's authentication classes answered
// on a protected path, and on one that serves strangers too: 131 of the 219
// recorded exchanges; TestRecordedTokenRequests has the others. Each difference
// is listed with its reason.
func TestRecordedRequests(t *testing.T) {
	const (
		lookup = "Django looks the user up with each request; here a token is good until its session ends"
		crash  = "a 500 there, a 401 here"
		strict = "good there, refused here"
	)
	deviations := map[string]string{
		"protected lowercase bearer": "refused there, good here: RFC 9110 section 11.1 has the scheme in any case",
		"protected tab separator":    strict + ": RFC 6750 section 2.1 has spaces between scheme and token",

		"unknown user":              lookup,
		"inactive user":             lookup,
		"access after deactivation": lookup,
		"access after user deleted": lookup,
		"user_id non-numeric":       lookup + "; there it was a 500",

		"user_id null":       "user not found there, a token without a subject here",
		"user_id true":       strict + ": a subject is a string or an integer",
		"user_id float 1.0":  strict + ": a subject is a string or an integer",
		"exp numeric string": crash,
		"exp null":           crash,
		"exp list":           crash,
		"exp huge 1e20":      crash,
		"Infinity exp":       crash,
		"iat string":         crash,
		"iat null":           crash,

		"hdr crit unknown":                                 strict + ": RFC 7515 section 4.1.11",
		"hdr b64 true+crit":                                strict + ": RFC 7515 section 4.1.11",
		"non-canonical last char of sig":                   strict + ": a token has one spelling",
		"duplicate claim token_type (refresh then access)": strict + ": a name comes once",

		"deep nesting 100k": crash,
	}
	text, err := os.ReadFile("testdata/simplejwt_secure.json")
	require.NoError(t, err)
	tokens, err := os.ReadFile("testdata/simplejwt_tokens.json")
	require.NoError(t, err)
	var secrets simplejwtTokens
	require.NoError(t, json.Unmarshal(tokens, &secrets))
	var file struct {
		Now  map[string]int64 `json:"now"`
		Rows []struct {
			Config        string  `json:"config"`
			Case          string  `json:"case"`
			Open          bool    `json:"open"`
			Authorization *string `json:"authorization"`
			Status        int     `json:"status"`
			Detail        string  `json:"detail"`
			Code          string  `json:"code"`
			Message       string  `json:"message"`
		} `json:"rows"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.Len(t, file.Rows, 131)
	for _, row := range file.Rows {
		now := func() time.Time { return time.Unix(file.Now[row.Config], 0) }
		var v *auth.Verifier
		if row.Config == "rs256" {
			v = secrets.verifier(t, "rs256_aud", func(c *auth.VerifierConfig) { c.Now = now })
		} else {
			cfg := auth.Simplejwt([]byte(secrets.Secret))
			cfg.Now, cfg.Logger = now, slog.New(slog.DiscardHandler)
			if row.Config == "sliding" {
				cfg.RequestKind = auth.Sliding
			}
			v, err = auth.NewVerifier(cfg)
			require.NoError(t, err)
		}
		layer := v.Handler
		if row.Open {
			layer = v.Optional
		}
		var header []string
		if row.Authorization != nil {
			header = []string{strings.Replace(*row.Authorization, "<200KB token>", deep(secrets.Secret), 1)}
		}
		w := serve(t, layer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), header...)
		same := w.Code == row.Status
		if same && w.Code == 401 {
			var body struct{ Detail, Code string }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
			same = body.Detail == row.Detail && (row.Code == "" || body.Code == row.Code) && strings.Contains(w.Body.String(), row.Message)
		}
		why, listed := deviations[row.Case]
		if row.Config == "stateless" && why == lookup {
			listed = false // nor does simplejwt's stateless class look the user up
		}
		assert.Equal(t, !listed, same, "%s: %s: %d %s %.200q; want %d %q %q", row.Config, row.Case, w.Code, w.Body, header, row.Status, row.Detail, row.Message)
		assert.NotEqual(t, http.StatusInternalServerError, w.Code, row.Case)
	}
}

// deep returns a signed token of 200 KB that nests 100 000 lists, which the
// recording only names.
func deep(secret string) string {
	nested := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	input := b64(plainHeader) + "." + b64(claims("nested", nested))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
