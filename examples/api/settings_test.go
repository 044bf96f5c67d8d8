package main

import (
	"io"
	"log/slog"
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
	_, err = loadSecrets(s)
	assert.ErrorContains(t, err, "chmod 600")
}

func TestEverySettingMayBeInAFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	key := fernet.GenerateKey().Reveal()
	env := map[string]string{
		"ECOLAURA_DB_FILE":           write("db", "postgres://u:hidden@localhost/ecolaura\n", 0o400),
		"ECOLAURA_SECRET_KEY_FILE":   write("secret", " a secret of more than 32 characters \n", 0o440),
		"ECOLAURA_FERNET_KEYS_FILE":  write("fernet", key+"\n"+key+"\n", 0o600),
		"ECOLAURA_REDIS_FILE":        write("redis", "redis://:hidden@localhost:6379", 0o600),
		"ECOLAURA_TRUSTED_PROXIES":   "1",
		"ECOLAURA_DB_TIMEOUT_FILE":   write("timeout", "2s", 0o600),
		"ECOLAURA_LOG_LEVEL":         "warn",
		"ECOLAURA_SIGNING_KEY_FILE":  "",
		"ECOLAURA_LOG_FORMAT_FILE":   write("format", "json", 0o600),
		"ECOLAURA_DB_CONNECTIONS":    "7",
		"ECOLAURA_ANON_RATE_FILE":    write("rate", "7/minute", 0o600),
		"ECOLAURA_ADMIN_ADDR":        "off",
		"ECOLAURA_UNKNOWN_NAME_FILE": "/nowhere",
	}
	s, err := parse(nil, func(name string) string { return env[name] }, io.Discard)
	require.NoError(t, err)
	assert.True(t, s.postgres())
	assert.Equal(t, "a secret of more than 32 characters", s.secretKey)
	assert.NotNil(t, s.redis)
	assert.Equal(t, 2*time.Second, s.timeout)
	assert.Equal(t, 7, s.connections)
	assert.Equal(t, slog.LevelWarn, s.logLevel)
	assert.Equal(t, "json", s.logFormat)
	assert.Equal(t, throttle.Rate{Count: 7, Period: time.Minute}, s.anon)
	keys, err := fernetKeys(s.fernetKeys)
	require.NoError(t, err)
	assert.Len(t, keys, 2)

	for _, tt := range []struct{ desc, name, value, want string }{
		{"two places", "ECOLAURA_FERNET_KEYS", key, "ECOLAURA_FERNET_KEYS and ECOLAURA_FERNET_KEYS_FILE: both are set"},
		{"a file that is not there", "ECOLAURA_SECRET_KEY_FILE", filepath.Join(dir, "nope"), "ECOLAURA_SECRET_KEY_FILE: stat "},
		{"a file that everybody may read", "ECOLAURA_SECRET_KEY_FILE", write("open", "x", 0o444), "chmod 600"},
		{"a file that is no secret", "ECOLAURA_SECRET_KEY_FILE", write("long", strings.Repeat("x", 64<<10+1), 0o400), "longer than 64 KiB"},
		{"an empty file", "ECOLAURA_SECRET_KEY_FILE", write("empty", "\n", 0o400), "is empty"},
	} {
		_, err := parse(nil, func(name string) string {
			if name == tt.name {
				return tt.value
			}
			return env[name]
		}, io.Discard)
		require.ErrorContains(t, err, tt.want, tt.desc)
		assert.NotContains(t, err.Error(), key)
		assert.NotContains(t, err.Error(), "hidden")
	}
}

func TestTheEdgeLimitIsTenTimesTheLargerRate(t *testing.T) {
	hour := throttle.Rate{Count: 100, Period: time.Hour}
	minute := throttle.Rate{Count: 10, Period: time.Minute}
	assert.Equal(t, throttle.Rate{Count: 100, Period: time.Minute}, times(larger(hour, minute), 10))
	assert.Equal(t, throttle.Rate{Count: 1, Period: time.Minute}, fifth(throttle.Rate{Count: 3, Period: time.Minute}))
}
