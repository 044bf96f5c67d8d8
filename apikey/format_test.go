package apikey_test

import (
	"hash/crc32"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/apikey"
)

// good is a well-formed key, made once by this package.
const good = "eco_test_1vVRTcAAAAAAAAAA_000000000000000000000000000000"

func TestANewKeyHasTheDocumentedForm(t *testing.T) {
	f := newFixture(t)
	pattern := regexp.MustCompile(`\beco_test_[0-9A-Za-z]{16}_[0-9A-Za-z]{36}\b`)
	seen := map[string]bool{}
	for range 200 {
		k, text := f.make(t)
		assert.Equal(t, text, pattern.FindString("key: "+text+"\n"))
		assert.True(t, apikey.WellFormed(prefix, text))
		assert.True(t, strings.HasPrefix(text, prefix+"_"+k.ID+"_"))
		assert.False(t, seen[k.ID] || seen[text])
		seen[k.ID], seen[text] = true, true
	}
}

func TestIdsAreInTheOrderOfCreation(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f := newFixture(t, func(c *apikey.Config) { c.Now = func() time.Time { return now } })
	last := ""
	for range 20 {
		k, _ := f.make(t)
		assert.Greater(t, k.ID, last)
		last = k.ID
		now = now.Add(977 * time.Hour)
	}
}

func TestTheChecksumIsTheDocumentedOne(t *testing.T) {
	// CRC-32 of the text before it, computed with Python's zlib.crc32.
	assert.True(t, apikey.WellFormed("eco_test", good+checksumOfGood))
	assert.False(t, apikey.WellFormed("eco_live", good+checksumOfGood), "another prefix")
	assert.False(t, apikey.WellFormed("", good+checksumOfGood))
	assert.False(t, apikey.WellFormed("", "_"+good+checksumOfGood))
}

func TestNoChangedKeyIsWellFormed(t *testing.T) {
	f := newFixture(t)
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-. \x00\n"
	tried := 0
	refused := func(text string) {
		tried++
		if apikey.WellFormed(prefix, text) {
			t.Errorf("well-formed: %q", text)
		}
		_, err := f.Verify(t.Context(), text, anywhere)
		if reason(err) != apikey.KeyMalformed {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, text := f.make(t)
	f.make(t)
	for i := range len(text) {
		for _, c := range []byte(letters) {
			if c != text[i] {
				refused(text[:i] + string(c) + text[i+1:])
			}
		}
		refused(text[:i])
		refused(text[i+1:])
		refused(text[:i] + text[i+1:])
		for _, c := range []byte(letters) {
			refused(text[:i] + string(c) + text[i:])
		}
		for j := range i {
			if text[i] != text[j] {
				refused(text[:j] + string(text[i]) + text[j+1:i] + string(text[j]) + text[i+1:])
			}
		}
		if flipped := text[:i] + string(text[i]^0x20) + text[i+1:]; text[i] != '_' {
			refused(flipped)
		}
		for _, twin := range []string{"а", "е", "о", "ｅ", "０", "\u200b" + string(text[i]), string(text[i]) + "\u0301"} {
			refused(text[:i] + twin + text[i+1:])
		}
	}
	refused(text + text)
	refused(strings.ToUpper(text))
	refused(strings.ToLower(text))
	refused(text + "\n")
	refused(" " + text)
	refused(strings.Repeat("C", 10_000))
	refused("")
	assert.GreaterOrEqual(t, tried, 10_000)
	assert.Zero(t, f.store.lookups.Load(), "the store is not asked")
}

func TestANonLetterWithARightChecksumIsRefused(t *testing.T) {
	// The checksum is no secret: anybody can compute it for any text.
	f := newFixture(t)
	for c := range 256 {
		letter := string([]byte{byte(c)})
		want := strings.Contains("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", letter)
		body := strings.Replace(good, "AAAAAAAAAA", "AAAAAAAAA"+letter, 1)
		assert.Equal(t, want, apikey.WellFormed("eco_test", body+crc62(body)), "%q in the id", letter)
		body = good[:len(good)-1] + letter
		assert.Equal(t, want, apikey.WellFormed("eco_test", body+crc62(body)), "%q in the secret", letter)
		_, err := f.Verify(t.Context(), body+crc62(body), anywhere)
		assert.Equal(t, want, reason(err) != apikey.KeyMalformed)
	}
	assert.EqualValues(t, 62, f.store.lookups.Load())
}

func TestWellFormedDoesNotAllocate(t *testing.T) {
	f := newFixture(t)
	_, text := f.make(t)
	typo := text[:len(text)-1] + "!"
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		apikey.WellFormed(prefix, text)
		_, _ = f.Verify(t.Context(), typo, anywhere)
		_, _ = f.Verify(t.Context(), "nonsense", anywhere)
	}))
}

func FuzzWellFormed(f *testing.F) {
	f.Add("eco_test", good+checksumOfGood)
	f.Add("eco_test", good)
	f.Add("", "")
	f.Add("a", "a_")
	f.Fuzz(func(t *testing.T, prefix, text string) {
		if !apikey.WellFormed(prefix, text) {
			return
		}
		n := len(text) - 6
		if text[n:] != crc62(text[:n]) || !regexp.MustCompile(`^_[0-9A-Za-z]{16}_[0-9A-Za-z]{36}$`).MatchString(strings.TrimPrefix(text, prefix)) {
			t.Errorf("well-formed: %q with prefix %q", text, prefix)
		}
	})
}

const checksumOfGood = "4R53DB"

// crc62 is another way to the checksum.
func crc62(s string) string {
	n := big.NewInt(int64(crc32.ChecksumIEEE([]byte(s))))
	text := n.Text(62) // digits, lower case, upper case
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLower(r):
			return unicode.ToUpper(r)
		case unicode.IsUpper(r):
			return unicode.ToLower(r)
		}
		return r
	}, text)
	return strings.Repeat("0", 6-len(text)) + text
}
