package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/throttle"
)

func TestEachFlagIsAlsoAnEnvironmentVariableAndTheFlagWins(t *testing.T) {
	env := map[string]string{"ECOLAURA_ANON_RATE": "7/minute", "ECOLAURA_USER_RATE": "9/minute", "ECOLAURA_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8", "ECOLAURA_DEMO": "true"}
	s, err := parse([]string{"-user-rate", "8/minute"}, func(name string) string { return env[name] }, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, throttle.Rate{Count: 7, Period: time.Minute}, s.anon)
	assert.Equal(t, throttle.Rate{Count: 8, Period: time.Minute}, s.user)
	assert.Len(t, s.proxies.Prefixes, 2)
	assert.True(t, s.demo)
	assert.True(t, s.loopback)
	assert.Equal(t, []string{"https://www.ecolaura.com", "https://admin.ecolaura.com"}, s.origins)
}

func TestRedisMayBeOneServerAClusterOrSentinels(t *testing.T) {
	for text, want := range map[string]any{
		"redis://:secret@10.0.0.7:6379/1":                               &redis.Client{},
		"rediss://10.0.0.7:6379?addr=10.0.0.8:6379&addr=10.0.0.9:6379":  &redis.ClusterClient{},
		"redis://10.0.0.7:26379?master_name=limits&addr=10.0.0.8:26379": &redis.Client{},
		"redis://10.0.0.7:26379/x?master_name=limits":                   nil,
		"redis://10.0.0.7:6379?addr=10.0.0.8:6379&read_timeout=soon":    nil,
		"http://10.0.0.7":    nil,
		"redis://10.0.0.7:%": nil,
	} {
		client, err := redisClient(text)
		if want == nil {
			require.Error(t, err, text)
			continue
		}
		require.NoError(t, err, text)
		c := client()
		assert.IsType(t, want, c, text)
		if one, ok := c.(*redis.Client); ok {
			assert.Equal(t, strings.Contains(text, "master_name"), one.Options().Addr == "FailoverClient", text)
			assert.Zero(t, one.Options().MaxRetries, "no command is sent twice")
		}
		require.NoError(t, c.Close())
	}
}

func TestASecretFileThatOthersCanReadIsRefused(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x.db")
	require.NoError(t, os.WriteFile(db+".secret-key", []byte("0123456789012345678901234567890123456789"), 0o644))
	none := func(string) string { return "" }
	s, err := parse([]string{"-db", db}, none, io.Discard)
	require.NoError(t, err)
	_, err = loadSecrets(s, none)
	assert.ErrorContains(t, err, "chmod 600")
}

func TestFieldKeysFromTwoPlacesAreRefused(t *testing.T) {
	env := map[string]string{"ECOLAURA_FERNET_KEYS": fernet.GenerateKey().Reveal(), "ECOLAURA_FERNET_KEYS_FILE": "/run/secrets/fernet"}
	for _, db := range []string{"x.db", "postgres://localhost/ecolaura"} {
		_, err := parse([]string{"-db", db}, func(name string) string { return env[name] }, io.Discard)
		require.ErrorContains(t, err, "ECOLAURA_FERNET_KEYS and ECOLAURA_FERNET_KEYS_FILE: both are set")
		assert.NotContains(t, err.Error(), env["ECOLAURA_FERNET_KEYS"])
	}
}

func TestTheEdgeLimitIsTenTimesTheLargerRate(t *testing.T) {
	hour := throttle.Rate{Count: 100, Period: time.Hour}
	minute := throttle.Rate{Count: 10, Period: time.Minute}
	assert.Equal(t, throttle.Rate{Count: 100, Period: time.Minute}, times(larger(hour, minute), 10))
	assert.Equal(t, throttle.Rate{Count: 1, Period: time.Minute}, fifth(throttle.Rate{Count: 3, Period: time.Minute}))
}
