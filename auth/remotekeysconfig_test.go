package auth_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
)

func TestNewRemoteKeysReportsEveryMistake(t *testing.T) {
	tests := []struct {
		url        string
		algorithms []auth.Algorithm
		want       string
	}{
		{"", nil, "auth: URL: missing\nauth: Algorithms: missing"},
		{
			"http://issuer.test/jwks",
			[]auth.Algorithm{"none", auth.HS256, auth.RS256, auth.RS256},
			"auth: URL: invalid: \"http://issuer.test/jwks\"\nauth: Algorithms: invalid: \"none\"\nauth: Algorithms: conflict: \"HS256\"\nauth: Algorithms: duplicate: \"RS256\"",
		},
		{"https://user:hunter2@issuer.test", []auth.Algorithm{auth.RS256}, "auth: URL: invalid"},
		{"://", []auth.Algorithm{auth.RS256}, "auth: URL: invalid"},
		{"https://", []auth.Algorithm{auth.RS256}, `auth: URL: invalid: "https://"`},
		{"https://issuer.test/#x", []auth.Algorithm{auth.RS256}, `auth: URL: invalid: "https://issuer.test/#x"`},
		{"file:///etc/passwd", []auth.Algorithm{auth.RS256}, `auth: URL: invalid: "file:///etc/passwd"`},
		{"http://127.0.0.1.evil.test/", []auth.Algorithm{auth.RS256}, `auth: URL: invalid: "http://127.0.0.1.evil.test/"`},
	}
	for _, tt := range tests {
		rk, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: tt.url, Algorithms: tt.algorithms})
		assert.Nil(t, rk)
		assert.EqualError(t, err, tt.want)
		assert.ErrorAs(t, err, new(*rampart.ConfigError))
	}
	for _, url := range []string{jwksURL, "http://localhost:1", "http://[::1]/", "http://127.0.0.9:80/x"} {
		_, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: url, Algorithms: []auth.Algorithm{auth.RS256}})
		assert.NoError(t, err)
	}
}

func TestTheZeroRemoteKeysHasNoKey(t *testing.T) {
	for _, rk := range []*auth.RemoteKeys{nil, {}} {
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		assert.EqualError(t, err, "auth: the remote keys were not made by NewRemoteKeys")
		cfg := auth.VerifierConfig{Keys: rk, Issuer: "*", Audiences: []string{"*"}}
		_, err = auth.NewVerifier(cfg)
		assert.EqualError(t, err, "auth: Keys: missing")
	}
}
