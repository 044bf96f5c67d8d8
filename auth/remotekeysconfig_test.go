package auth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

func TestNewRemoteKeysReportsEveryMistake(t *testing.T) {
	tests := []struct {
		url        string
		algorithms []auth.Algorithm
		want       string
	}{
		{"", nil, "URL: missing\nAlgorithms: missing"},
		{
			"http://issuer.test/jwks",
			[]auth.Algorithm{"none", auth.HS256, auth.RS256, auth.RS256},
			"URL: invalid: \"http://issuer.test/jwks\"\nAlgorithms: invalid: \"none\"\nAlgorithms: conflict: \"HS256\"\nAlgorithms: duplicate: \"RS256\"",
		},
		{"https://user:hunter2@issuer.test", []auth.Algorithm{auth.RS256}, "URL: invalid"},
		{"://", []auth.Algorithm{auth.RS256}, "URL: invalid"},
		{"https://", []auth.Algorithm{auth.RS256}, `URL: invalid: "https://"`},
		{"https://issuer.test/#x", []auth.Algorithm{auth.RS256}, `URL: invalid: "https://issuer.test/#x"`},
		{"file:///etc/passwd", []auth.Algorithm{auth.RS256}, `URL: invalid: "file:///etc/passwd"`},
		{"http://127.0.0.1.evil.test/", []auth.Algorithm{auth.RS256}, `URL: invalid: "http://127.0.0.1.evil.test/"`},
	}
	for _, tt := range tests {
		rk, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: tt.url, Algorithms: tt.algorithms})
		assert.Nil(t, rk)
		assert.Equal(t, tt.want, conferrtest.Text(err))
		assert.ErrorAs(t, err, new(*rampart.ConfigError))
	}
	for _, url := range []string{jwksURL, "http://localhost:1", "http://[::1]/", "http://127.0.0.9:80/x"} {
		_, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: url, Algorithms: []auth.Algorithm{auth.RS256}})
		assert.NoError(t, err)
	}
}

func TestMaxStaleIsAMonthAtMost(t *testing.T) {
	for stale, want := range map[time.Duration]string{
		-1: "", 720 * time.Hour: "", 720*time.Hour + 1: "MaxStale: invalid: \"720h0m0.000000001s\"",
	} {
		_, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: jwksURL, Algorithms: []auth.Algorithm{auth.RS256}, MaxStale: stale})
		assert.Equal(t, want, conferrtest.Text(err))
	}
}

func TestTheZeroRemoteKeysHasNoKey(t *testing.T) {
	for _, rk := range []*auth.RemoteKeys{nil, {}} {
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		assert.EqualError(t, err, "auth: the remote keys were not made by NewRemoteKeys")
		cfg := auth.VerifierConfig{Keys: rk, Issuer: "*", Audiences: []string{"*"}}
		_, err = auth.NewVerifier(cfg)
		assert.Equal(t, "Keys: missing", conferrtest.Text(err))
	}
}
