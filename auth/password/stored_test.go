package password_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/auth/password"
)

func TestStoredHashesAreReadStrictly(t *testing.T) {
	const (
		phc    = "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
		pbkdf2 = "pbkdf2_sha256$2000$vuQKA3cykFtKug7qr5GUvw$qkVLoiDvJ1isEfB6qoujLsXNhc4kVClFBF9WIQasF98="
		bcrypt = "bcrypt$$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	)
	with := func(text, old, fresh string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in %q", old, text)
		}
		return strings.Replace(text, old, fresh, 1)
	}
	tests := []struct {
		desc, encoded string
		want          password.Reason
	}{
		{"plain text", "secret", password.ReasonUnknown},
		{"unknown scheme", "md5$salt$hash", password.ReasonUnknown},
		{"a scheme without its hash", "pbkdf2_sha256", password.ReasonUnknown},
		{"a dollar", "$", password.ReasonUnknown},
		{"argon2d", with(phc, "argon2id", "argon2d"), password.ReasonUnknown},
		{"Django's argon2 without PHC", "argon2$argon2", password.ReasonUnknown},
		{"old version of argon2", with(phc, "v=19", "v=16"), password.ReasonMalformed},
		{"no version of argon2", with(phc, "v=19$", ""), password.ReasonMalformed},
		{"parameters in another order", with(phc, "m=7168,t=5", "t=5,m=7168"), password.ReasonMalformed},
		{"a parameter too many", with(phc, "p=1", "p=1,keyid=AA"), password.ReasonMalformed},
		{"a parameter too few", with(phc, ",p=1", ""), password.ReasonMalformed},
		{"a comma at the end", with(phc, "p=1", "p=1,"), password.ReasonMalformed},
		{"leading zero", with(phc, "t=5", "t=05"), password.ReasonMalformed},
		{"zero passes", with(phc, "t=5", "t=0"), password.ReasonMalformed},
		{"zero lanes", with(phc, "p=1", "p=0"), password.ReasonMalformed},
		{"sign", with(phc, "t=5", "t=+5"), password.ReasonMalformed},
		{"no number", with(phc, "t=5", "t="), password.ReasonMalformed},
		{"too little memory for the lanes", with(with(phc, "m=7168", "m=15"), "p=1", "p=2"), password.ReasonMalformed},
		{"too much memory", with(phc, "m=7168", "m=262145"), password.ReasonTooCostly},
		{"memory beyond 64 bits", with(phc, "m=7168", "m=99999999999999999999"), password.ReasonTooCostly},
		{"memory of many digits", with(phc, "m=7168", "m=999999999999999999999"), password.ReasonMalformed},
		{"too much work", with(with(phc, "m=7168", "m=262144"), "t=5", "t=5"), password.ReasonTooCostly},
		{"too many lanes", with(phc, "p=1", "p=17"), password.ReasonTooCostly},
		{"short salt", with(phc, "c29tZXNhbHQ", "c29tZXM"), password.ReasonMalformed},
		{"long salt", with(phc, "c29tZXNhbHQ", strings.Repeat("AAAA", 22)), password.ReasonMalformed},
		{"padded salt", with(phc, "c29tZXNhbHQ", "c29tZXNhbHQ="), password.ReasonMalformed},
		{"line end in the salt", with(phc, "c29tZXNhbHQ", "c29tZ\nXNhbHQ"), password.ReasonMalformed},
		{"set trailing bits in the tag", with(phc, "Gi/4", "Gi/5"), password.ReasonMalformed},
		{"short tag", with(phc, "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "nf65EOgLrQMR"), password.ReasonMalformed},
		{"text behind", phc + "$", password.ReasonMalformed},
		{"pbkdf2 without a salt", with(pbkdf2, "vuQKA3cykFtKug7qr5GUvw", ""), password.ReasonMalformed},
		{"pbkdf2 without iterations", with(pbkdf2, "2000", "0"), password.ReasonMalformed},
		{"pbkdf2 with too many iterations", with(pbkdf2, "2000", "10000001"), password.ReasonTooCostly},
		{"pbkdf2 with a short key", with(pbkdf2, "qkVL", ""), password.ReasonMalformed},
		{"pbkdf2 with the key of another hash", with(pbkdf2, "sha256", "sha1"), password.ReasonMalformed},
		{"pbkdf2 with a part too many", pbkdf2 + "$", password.ReasonMalformed},
		{"bcrypt without its dollar", with(bcrypt, "$$", "$"), password.ReasonMalformed},
		{"bcrypt of the broken kind", with(bcrypt, "2a", "2x"), password.ReasonMalformed},
		{"bcrypt with too few rounds", with(bcrypt, "$05$", "$03$"), password.ReasonMalformed},
		{"bcrypt with too many rounds", with(bcrypt, "$05$", "$16$"), password.ReasonTooCostly},
		{"bcrypt with more rounds than there are", with(bcrypt, "$05$", "$32$"), password.ReasonMalformed},
		{"bcrypt with a sign", with(bcrypt, "$05$", "$+5$"), password.ReasonMalformed},
		{"bcrypt with another separator", with(bcrypt, "05$C", "05.C"), password.ReasonMalformed},
		{"bcrypt with a foreign letter", with(bcrypt, "C.E5", "C=E5"), password.ReasonMalformed},
		{"bcrypt cut short", bcrypt[:len(bcrypt)-1], password.ReasonMalformed},
	}
	h := newHasher(t, least())
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			ok, upgrade, err := h.Verify(t.Context(), "U*U", tt.encoded)
			assert.False(t, ok)
			assert.False(t, upgrade)
			stored, is := errors.AsType[*password.StoredError](err)
			if assert.True(t, is, "got %v", err) {
				assert.Equal(t, tt.want, stored.Reason)
			}
			assert.EqualError(t, err, "password: stored hash: "+string(tt.want))
		})
	}
}

// FuzzStored: whatever stands in the table, Verify returns in bounded time, does
// not panic, and matches nothing that was not made of the password.
func FuzzStored(f *testing.F) {
	for _, s := range []string{
		"$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"argon2$argon2i$v=19$m=16,t=1,p=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"pbkdf2_sha256$1$salt$qkVLoiDvJ1isEfB6qoujLsXNhc4kVClFBF9WIQasF98=",
		"pbkdf2_sha1$1$salt$FrsLBwRUaSNI3mOvWUSW/flXOCU=",
		"bcrypt$$2a$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"", "!", "$", "$$$$",
	} {
		f.Add(s)
	}
	h := newHasher(f, least())
	f.Fuzz(func(t *testing.T, encoded string) {
		ok, upgrade, err := h.Verify(context.Background(), "never hashed", encoded)
		if ok || upgrade {
			t.Fatalf("%q matches", encoded)
		}
		if _, is := errors.AsType[*password.StoredError](err); err != nil && !is {
			t.Fatal(err)
		}
	})
}
