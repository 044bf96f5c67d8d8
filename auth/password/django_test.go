package password_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth/password"
)

// One hash of each kind that Django writes, cheap ones.
const (
	pbkdf2Text = "pbkdf2_sha256$2000$vuQKA3cykFtKug7qr5GUvw$qkVLoiDvJ1isEfB6qoujLsXNhc4kVClFBF9WIQasF98="
	sha1Text   = "pbkdf2_sha1$2000$68PKoKEGc3VXghvLyTZtgT$sipGh6eWwvlFm7SKHl5vnu6YIcY="
	bcryptText = "bcrypt$$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	scryptText = "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="
	argon2Text = "argon2$argon2id$v=19$m=102400,t=2,p=8$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
)

func census(hashes ...string) *password.Census {
	c := new(password.Census)
	for _, h := range hashes {
		c.Add(h)
	}
	return c
}

var nameKey = []byte("a secret of 16 bytes or more")

func TestHashesCanBeWrittenAsDjangoWritesThem(t *testing.T) {
	for _, tt := range []struct {
		desc, want string
		cfg        password.Config
	}{
		{"argon2", `^argon2\$argon2id\$v=19\$m=7168,t=5,p=1\$[A-Za-z0-9+/]{35}\$[A-Za-z0-9+/]{43}$`, password.Config{Memory: 7168, Time: 5, Format: password.FormatDjangoArgon2}},
		{"pbkdf2", `^pbkdf2_sha256\$600000\$[A-Z2-7]{26}\$[A-Za-z0-9+/]{43}=$`, password.Config{Format: password.FormatDjangoPBKDF2}},
		{"pbkdf2 as dear as Django 6 has it", `^pbkdf2_sha256\$1200000\$`, password.Config{Format: password.FormatDjangoPBKDF2, Iterations: 1_200_000}},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			h := newHasher(t, tt.cfg)
			encoded, err := h.Hash(t.Context(), "pw")
			require.NoError(t, err)
			assert.Regexp(t, tt.want, encoded)
			assert.LessOrEqual(t, len(encoded), 128, "the column of Django has no more room")
			again, err := h.Hash(t.Context(), "pw")
			require.NoError(t, err)
			assert.NotEqual(t, encoded, again)
			ok, upgrade, err := h.Verify(t.Context(), "pw", encoded)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.False(t, upgrade, "it is as it should be")
			ok, _, err = h.Verify(t.Context(), "px", encoded)
			require.NoError(t, err)
			assert.False(t, ok)
			ok, upgrade, err = newHasher(t, least()).Verify(t.Context(), "pw", encoded)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.True(t, upgrade, "once Django is gone")
			ok, upgrade, err = h.Verify(t.Context(), "correct horse battery staple", pbkdf2Text)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.True(t, upgrade)
			ok, upgrade, err = h.Verify(t.Context(), "correct horse battery staple", sha1Text)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.True(t, upgrade)
			ok, upgrade, err = h.Verify(t.Context(), "password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
			require.NoError(t, err)
			assert.True(t, ok)
			assert.True(t, upgrade, "Django does not read it")
		})
	}
}

func TestCheckBringsTheReplacement(t *testing.T) {
	h := newHasher(t, password.Config{Memory: 7168, Time: 5, Format: password.FormatDjangoArgon2})
	const pw = "correct horse battery staple"
	ok, fresh, err := h.Check(t.Context(), "alice", pw, pbkdf2Text)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.True(t, strings.HasPrefix(fresh, "argon2$"), fresh)
	ok, again, err := h.Check(t.Context(), "alice", pw, fresh)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Empty(t, again)
	for _, wrong := range []string{"", "!", pbkdf2Text} {
		ok, fresh, err = h.Check(t.Context(), "alice", "wrong", wrong)
		require.NoError(t, err)
		assert.False(t, ok)
		assert.Empty(t, fresh)
	}
	_, _, err = new(password.Hasher).Check(t.Context(), "alice", pw, "")
	assert.ErrorIs(t, err, password.ErrBusy)
}

func TestACensusOfAMixedTableNeedsASecret(t *testing.T) {
	h := newHasher(t, least())
	assert.NoError(t, h.SetCensus(census(pbkdf2Text, pbkdf2Text, "!", "", "md5$unread$able")), "one kind")
	assert.Error(t, h.SetCensus(census(pbkdf2Text, scryptText)))
	assert.NoError(t, h.SetCensus(nil))
	assert.Error(t, new(password.Hasher).SetCensus(nil))
	cfg := least()
	cfg.NameKey = nameKey
	assert.NoError(t, newHasher(t, cfg).SetCensus(census(pbkdf2Text, scryptText)))
}

// TestACensusTellsApartWhatCostsDifferently: two kinds are refused without a secret.
func TestACensusTellsApartWhatCostsDifferently(t *testing.T) {
	dear := func(text, old, fresh string) string { return strings.Replace(text, old, fresh, 1) }
	for desc, pair := range map[string][2]string{
		"SHA-1 and SHA-256":            {pbkdf2Text, sha1Text},
		"iterations":                   {pbkdf2Text, dear(pbkdf2Text, "2000", "2001")},
		"argon2i and argon2id":         {argon2Text, dear(argon2Text, "argon2id", "argon2i")},
		"argon2's memory":              {argon2Text, dear(argon2Text, "m=102400", "m=51200")},
		"bcrypt and its SHA-256":       {bcryptText, dear(bcryptText, "bcrypt", "bcrypt_sha256")},
		"bcrypt's rounds":              {bcryptText, dear(bcryptText, "$05$", "$06$")},
		"scrypt's blocks":              {scryptText, dear(scryptText, "$8$1$", "$4$1$")},
		"scrypt's parallel computings": {scryptText, dear(scryptText, "$8$1$", "$8$5$")},
	} {
		require.NotEqual(t, pair[0], pair[1], desc)
		assert.Error(t, newHasher(t, least()).SetCensus(census(pair[0], pair[1])), desc)
	}
}

// memoryOf returns what checking a name without an account allocates: unlike time it
// does not depend on the machine, and argon2 and scrypt take different amounts.
func memoryOf(t testing.TB, h *password.Hasher, name string) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ok, _, err := h.Check(t.Context(), name, "guess", "")
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	assert.False(t, ok)
	return after.TotalAlloc - before.TotalAlloc
}

func TestANameWithoutAnAccountCostsWhatTheTableDoes(t *testing.T) {
	cfg := least()
	cfg.NameKey = nameKey
	cfg.Census = census(scryptText, pbkdf2Text, pbkdf2Text, pbkdf2Text)
	h, other := newHasher(t, cfg), newHasher(t, cfg)
	const names = 400
	dear := 0
	for i := range names {
		name := fmt.Sprint("name", i)
		is := memoryOf(t, h, name) > 8<<20
		if is {
			dear++
		}
		if i < 20 {
			assert.Equal(t, is, memoryOf(t, h, name) > 8<<20, "always the same")
			assert.Equal(t, is, memoryOf(t, other, name) > 8<<20, "on every instance")
		}
	}
	assert.InDelta(t, names/4, dear, 5*math.Sqrt(names*0.25*0.75), "as often as in the table")
	cfg.NameKey = []byte("another secret of some bytes")
	differs := 0
	h2 := newHasher(t, cfg)
	for i := range 60 {
		if name := fmt.Sprint("name", i); (memoryOf(t, h, name) > 8<<20) != (memoryOf(t, h2, name) > 8<<20) {
			differs++
		}
	}
	assert.Positive(t, differs, "nobody can tell which without the secret")
	require.NoError(t, h.SetCensus(census(argon2Text)))
	assert.Greater(t, memoryOf(t, h, "name0"), uint64(100<<20))
}

// processTime is the processor time of all threads: argon2 computes in one of its own.
func processTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestAnUnknownNameTakesAsLongAsAnImportedAccount: by processor time, interleaved.
func TestAnUnknownNameTakesAsLongAsAnImportedAccount(t *testing.T) {
	samples, off := 8, 0.5
	if os.Getenv("RAMPART_BARS") == "1" {
		samples, off = 200, 0.1
	}
	dear := func(text, old, fresh string) string { return strings.Replace(text, old, fresh, 1) }
	for desc, text := range map[string]string{
		"pbkdf2_sha256": dear(pbkdf2Text, "2000", "260000"),
		"pbkdf2_sha1":   dear(sha1Text, "2000", "260000"),
		"bcrypt":        dear(bcryptText, "$05$", "$10$"),
		"bcrypt_sha256": dear(dear(bcryptText, "bcrypt", "bcrypt_sha256"), "$05$", "$10$"),
		"scrypt":        scryptText,
		"argon2":        dear(argon2Text, "p=8", "p=1"),
		"PHC":           "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
	} {
		t.Run(desc, func(t *testing.T) {
			h := newHasher(t, password.Config{Census: census(text)})
			took := func(encoded string) time.Duration {
				before := processTime(t)
				ok, _, err := h.Check(context.Background(), "name", "guess", encoded)
				spent := processTime(t) - before
				assert.NoError(t, err)
				assert.False(t, ok)
				return spent
			}
			var known, unknown []time.Duration
			for range samples {
				known, unknown = append(known, took(text)), append(unknown, took(""))
			}
			median := func(all []time.Duration) float64 { slices.Sort(all); return float64(all[len(all)/2]) }
			a, b := median(known), median(unknown)
			t.Logf("a wrong password %.2f ms, an unknown name %.2f ms", a/1e6, b/1e6)
			assert.InEpsilon(t, a, b, off)
		})
	}
}

// TestAStormOfFirstLogInsSucceeds: after a cut-over everybody logs in at once, with
// hashes that all want replacing.
func TestAStormOfFirstLogInsSucceeds(t *testing.T) {
	iterations := "20000"
	if os.Getenv("RAMPART_BARS") == "1" {
		iterations = "260000" // as Django 3.2
	}
	encoded := strings.Replace(pbkdf2Text, "2000", iterations, 1)
	h := newHasher(t, password.Config{Queue: 200, Wait: time.Minute, Parallel: 2})
	var wg sync.WaitGroup
	var mu sync.Mutex
	fails, slowest := 0, time.Duration(0)
	begin := time.Now()
	for range 200 {
		wg.Go(func() {
			_, _, err := h.Check(context.Background(), "name", "correct horse battery staple", encoded)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				fails++
			}
			slowest = max(slowest, time.Since(begin))
		})
	}
	wg.Wait()
	t.Logf("200 log-ins: %d failed, the slowest took %v", fails, slowest)
	assert.Zero(t, fails)
}

// TestWhoWaitsComesBeforeAReplacement: a hash is replaced when there is time.
func TestWhoWaitsComesBeforeAReplacement(t *testing.T) {
	cfg := least()
	cfg.Parallel, cfg.Queue, cfg.Wait = 1, 100, time.Minute
	h := newHasher(t, cfg)
	replaced := 0
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			ok, fresh, err := h.Check(context.Background(), "name", "correct horse battery staple", pbkdf2Text)
			assert.NoError(t, err)
			assert.True(t, ok)
			mu.Lock()
			defer mu.Unlock()
			if fresh != "" {
				replaced++
			}
		})
	}
	wg.Wait()
	assert.Less(t, replaced, 25)
	_, fresh, err := h.Check(t.Context(), "name", "correct horse battery staple", pbkdf2Text)
	require.NoError(t, err)
	assert.NotEmpty(t, fresh)
}
