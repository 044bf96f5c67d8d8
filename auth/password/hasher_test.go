package password_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

// least is the cheapest configuration that is admitted.
func least() password.Config { return password.Config{Memory: 7168, Time: 5, Parallel: 4, Queue: 1000} }

func newHasher(tb testing.TB, cfg password.Config) *password.Hasher {
	tb.Helper()
	h, err := password.New(cfg)
	require.NoError(tb, err)
	return h
}

func TestHashAndVerify(t *testing.T) {
	h := newHasher(t, password.Config{})
	for _, pw := range []string{"", "nul\x00inside", strings.Repeat("x", password.MaxBytes)} {
		encoded, err := h.Hash(t.Context(), pw)
		require.NoError(t, err)
		assert.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, encoded)

		ok, upgrade, err := h.Verify(t.Context(), pw, encoded)
		require.NoError(t, err)
		assert.True(t, ok)
		assert.False(t, upgrade)

		ok, upgrade, err = h.Verify(t.Context(), pw[:len(pw)/2]+"!", encoded)
		require.NoError(t, err)
		assert.False(t, ok)
		assert.False(t, upgrade)
	}
}

func TestEqualPasswordsGiveDistinctHashes(t *testing.T) {
	h := newHasher(t, least())
	a, err := h.Hash(t.Context(), "same")
	require.NoError(t, err)
	b, err := h.Hash(t.Context(), "same")
	require.NoError(t, err)
	assert.NotEqual(t, a, b)
}

func TestLongPasswords(t *testing.T) {
	h := newHasher(t, least())
	long := strings.Repeat("x", password.MaxBytes+1)
	encoded, err := h.Hash(t.Context(), long)
	assert.ErrorIs(t, err, password.ErrTooLong)
	assert.Empty(t, encoded)
	encoded, err = h.Hash(t.Context(), long[1:])
	require.NoError(t, err)
	ok, _, err := h.Verify(t.Context(), long, encoded)
	require.NoError(t, err)
	assert.False(t, ok)
}

// TestPublicVectors: the reference implementation's own tests (phc-winner-argon2,
// src/test.c) and those of crypt_blowfish.
func TestPublicVectors(t *testing.T) {
	tests := []struct{ pw, encoded string }{
		{"password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"},
		{"password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"},
		{"password", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8"},
		{"U*U", "bcrypt$$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
		{"lètmein", "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="}, // of Django's tests
		{"U*U*", "bcrypt$$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"},
	}
	h := newHasher(t, least())
	for _, tt := range tests {
		t.Run(tt.encoded, func(t *testing.T) {
			ok, upgrade, err := h.Verify(t.Context(), tt.pw, tt.encoded)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.True(t, upgrade)
			ok, upgrade, err = h.Verify(t.Context(), tt.pw+"x", tt.encoded)
			require.NoError(t, err)
			assert.False(t, ok)
			assert.False(t, upgrade)
		})
	}
}

func TestHashesOfDjango(t *testing.T) {
	var recorded struct {
		Unusable string
		Hashes   []struct{ Password, Encoded string }
	}
	text, err := os.ReadFile("testdata/django.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &recorded))
	require.Len(t, recorded.Hashes, 17)
	h := newHasher(t, least())
	for _, tt := range recorded.Hashes {
		t.Run(tt.Encoded, func(t *testing.T) {
			ok, upgrade, err := h.Verify(t.Context(), tt.Password, tt.Encoded)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.True(t, upgrade)
			ok, _, err = h.Verify(t.Context(), "x"+tt.Password+"y", tt.Encoded)
			require.NoError(t, err)
			// bcrypt alone looks at 72 bytes, and of the 100 equal ones that is all.
			truncated := strings.HasPrefix(tt.Encoded, "bcrypt$") && len(tt.Password) > 72
			assert.Equal(t, truncated, ok)
		})
	}
	ok, upgrade, err := h.Verify(t.Context(), recorded.Unusable, recorded.Unusable)
	require.NoError(t, err)
	assert.False(t, ok)
	assert.False(t, upgrade)
}

func TestUpgrade(t *testing.T) {
	h := newHasher(t, least())
	encoded, err := h.Hash(t.Context(), "pw")
	require.NoError(t, err)
	tests := []struct {
		desc string
		cfg  password.Config
		text string
		want bool
	}{
		{"the same", least(), encoded, false},
		{"more memory wanted", password.Config{Memory: 8192, Time: 5}, encoded, true},
		{"more passes wanted", password.Config{Memory: 7168, Time: 6}, encoded, true},
		{"more lanes wanted", password.Config{Memory: 7168, Time: 5, Threads: 2}, encoded, true},
		{"Django's prefix", least(), "argon2" + encoded, true},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			ok, upgrade, err := newHasher(t, tt.cfg).Verify(t.Context(), "pw", tt.text)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, tt.want, upgrade)
		})
	}
}

// TestWhatCannotMatchCostsAFullHash measures memory, which, unlike time, does
// not depend on the machine.
func TestWhatCannotMatchCostsAFullHash(t *testing.T) {
	h := newHasher(t, least())
	for desc, encoded := range map[string]string{
		"no account":        "",
		"unusable password": "!abc",
		"unknown scheme":    "md5$salt$hash",
		"too costly":        "pbkdf2_sha256$99999999$salt$AAAA",
	} {
		t.Run(desc, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			ok, upgrade, _ := h.Verify(t.Context(), "pw", encoded)
			runtime.ReadMemStats(&after)
			assert.False(t, ok)
			assert.False(t, upgrade)
			assert.GreaterOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(7168<<10))
		})
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	cfg := least()
	cfg.Parallel, cfg.Queue = 1, -1
	h := newHasher(t, cfg)
	var wg sync.WaitGroup
	var done, busy atomic.Int32
	start := make(chan struct{})
	for range 50 {
		wg.Go(func() {
			<-start
			_, err := h.Hash(context.Background(), "pw")
			switch {
			case err == nil:
				done.Add(1)
			case errors.Is(err, password.ErrBusy):
				busy.Add(1)
			}
		})
	}
	close(start)
	wg.Wait()
	assert.Equal(t, int32(50), done.Load()+busy.Load())
	assert.Positive(t, done.Load())
	assert.Positive(t, busy.Load())
	_, err := h.Hash(t.Context(), "pw")
	assert.NoError(t, err, "the gate is free again")
}

func TestNobodyWaitsLongerThanTheyMay(t *testing.T) {
	cfg := least()
	cfg.Parallel, cfg.Wait = 1, time.Nanosecond
	h := newHasher(t, cfg)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = h.Hash(context.Background(), "pw")
				}
			}
		})
	}
	assert.Eventually(t, func() bool {
		_, err := h.Hash(t.Context(), "pw")
		p, ok := errors.AsType[*rampart.Problem](err)
		return errors.Is(err, password.ErrBusy) && ok && p.Status == 503 && p.Header.Get("Retry-After") == "1"
	}, 10*time.Second, time.Millisecond)
	close(stop)
	wg.Wait()
	_, err := h.Hash(t.Context(), "pw")
	assert.NoError(t, err, "their places are free again")
}

func TestWhoIsGoneLeavesTheQueue(t *testing.T) {
	cfg := least()
	cfg.Parallel, cfg.Queue = 1, 1
	h := newHasher(t, cfg)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // holds the one place nearly all the time
		for {
			select {
			case <-stop:
				return
			default:
				_, _, err := h.Verify(context.Background(), "pw", "")
				assert.True(t, err == nil || errors.Is(err, password.ErrBusy))
			}
		}
	})
	assert.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, _, err := h.Verify(ctx, "pw", "")
		return errors.Is(err, context.DeadlineExceeded)
	}, 10*time.Second, time.Millisecond)
	close(stop)
	wg.Wait()
	ok, _, err := h.Verify(t.Context(), "pw", "")
	assert.NoError(t, err, "the place in the queue is free again")
	assert.False(t, ok)
}

func TestACancelledCallerGetsNoHash(t *testing.T) {
	h := newHasher(t, least())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Hash(ctx, "pw")
	assert.ErrorIs(t, err, context.Canceled)
	ok, _, err := h.Verify(ctx, "pw", "")
	assert.ErrorIs(t, err, context.Canceled)
	assert.False(t, ok)
}

func TestTheZeroHasherIsBusy(t *testing.T) {
	var h password.Hasher
	_, err := h.Hash(t.Context(), "pw")
	assert.ErrorIs(t, err, password.ErrBusy)
	ok, _, err := h.Verify(t.Context(), "pw", "")
	assert.ErrorIs(t, err, password.ErrBusy)
	assert.False(t, ok)
}

func TestNewReportsEveryMistake(t *testing.T) {
	tests := []struct {
		desc string
		cfg  password.Config
		want string
	}{
		{"weak memory", password.Config{Memory: 19455}, `Memory: weak: "19455"`},
		{"one pass takes more memory", password.Config{Memory: 47103, Time: 1}, `Memory: weak: "47103"`},
		{"three passes", password.Config{Memory: 12287, Time: 3}, `Memory: weak: "12287"`},
		{"four passes", password.Config{Memory: 9215, Time: 4}, `Memory: weak: "9215"`},
		{"many passes", password.Config{Memory: 7167, Time: 20}, `Memory: weak: "7167"`},
		{"too much memory", password.Config{Memory: password.MaxMemory + 1, Time: 1}, `Memory: invalid: "262145"`},
		{"too much work", password.Config{Memory: password.MaxMemory, Time: 5}, `Time: invalid: "5"`},
		{
			"all at once",
			password.Config{Memory: 1, Threads: 17, Parallel: -1, Queue: 1 << 20, Wait: time.Hour},
			"Memory: weak: \"1\"\nThreads: invalid: \"17\"\nParallel: invalid: \"-1\"\nWait: invalid: \"1h0m0s\"\nQueue: invalid: \"1048576\"",
		},
		{"iterations that Hash does not use", password.Config{Iterations: 600000}, `Iterations: pointless: "600000"`},
		{"few iterations", password.Config{Format: password.FormatDjangoPBKDF2, Iterations: 599999}, `Iterations: weak: "599999"`},
		{"too many iterations", password.Config{Format: password.FormatDjangoPBKDF2, Iterations: 10000001}, `Iterations: invalid: "10000001"`},
		{"negative iterations", password.Config{Format: password.FormatDjangoPBKDF2, Iterations: -1}, `Iterations: invalid: "-1"`},
		{"a format that nobody reads", password.Config{Format: "md5"}, `Format: invalid: "md5"`},
		{"a short secret", password.Config{NameKey: make([]byte, 15)}, `NameKey: weak`},
		{"a mixed table without a secret", password.Config{Census: census(pbkdf2Text, bcryptText)}, `NameKey: missing`},
		{"too many at once", password.Config{Parallel: 1 << 20}, `Parallel: invalid: "1048576"`},
	}
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			h, err := password.New(tt.cfg)
			assert.Nil(t, h)
			require.Equal(t, tt.want, conferrtest.Text(err))
			assert.Len(t, slices.Collect(rampart.Mistakes(err)), strings.Count(tt.want, "\n")+1)
		})
	}
	h := newHasher(t, password.Config{Time: 1})
	encoded, err := h.Hash(t.Context(), "pw")
	require.NoError(t, err)
	assert.Contains(t, encoded, "m=47104,t=1,p=1", "the default memory fits the passes")
}
