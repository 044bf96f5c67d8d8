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
		scrypt = "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw=="
	)
	with := func(text, old, fresh string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in %q", old, text)
		}
		return strings.Replace(text, old, fresh, 1)
	}
	tests := []struct {
		desc, encoded string
		want          password.Fault
	}{
		{"plain text", "secret", password.StoredUnknown},
		{"unknown scheme", "md5$salt$hash", password.StoredUnknown},
		{"a scheme without its hash", "pbkdf2_sha256", password.StoredUnknown},
		{"a dollar", "$", password.StoredUnknown},
		{"argon2d", with(phc, "argon2id", "argon2d"), password.StoredUnknown},
		{"Django's argon2 without PHC", "argon2$argon2", password.StoredUnknown},
		{"old version of argon2", with(phc, "v=19", "v=16"), password.StoredMalformed},
		{"no version of argon2", with(phc, "v=19$", ""), password.StoredMalformed},
		{"parameters in another order", with(phc, "m=7168,t=5", "t=5,m=7168"), password.StoredMalformed},
		{"a parameter too many", with(phc, "p=1", "p=1,keyid=AA"), password.StoredMalformed},
		{"a parameter too few", with(phc, ",p=1", ""), password.StoredMalformed},
		{"a comma at the end", with(phc, "p=1", "p=1,"), password.StoredMalformed},
		{"leading zero", with(phc, "t=5", "t=05"), password.StoredMalformed},
		{"zero passes", with(phc, "t=5", "t=0"), password.StoredMalformed},
		{"zero lanes", with(phc, "p=1", "p=0"), password.StoredMalformed},
		{"sign", with(phc, "t=5", "t=+5"), password.StoredMalformed},
		{"no number", with(phc, "t=5", "t="), password.StoredMalformed},
		{"too little memory for the lanes", with(with(phc, "m=7168", "m=15"), "p=1", "p=2"), password.StoredMalformed},
		{"too much memory", with(phc, "m=7168", "m=262145"), password.StoredTooCostly},
		{"memory beyond 64 bits", with(phc, "m=7168", "m=99999999999999999999"), password.StoredTooCostly},
		{"memory of many digits", with(phc, "m=7168", "m=999999999999999999999"), password.StoredMalformed},
		{"too much work", with(with(phc, "m=7168", "m=262144"), "t=5", "t=5"), password.StoredTooCostly},
		{"too many lanes", with(phc, "p=1", "p=17"), password.StoredTooCostly},
		{"short salt", with(phc, "c29tZXNhbHQ", "c29tZXM"), password.StoredMalformed},
		{"long salt", with(phc, "c29tZXNhbHQ", strings.Repeat("AAAA", 22)), password.StoredMalformed},
		{"padded salt", with(phc, "c29tZXNhbHQ", "c29tZXNhbHQ="), password.StoredMalformed},
		{"line end in the salt", with(phc, "c29tZXNhbHQ", "c29tZ\nXNhbHQ"), password.StoredMalformed},
		{"set trailing bits in the tag", with(phc, "Gi/4", "Gi/5"), password.StoredMalformed},
		{"short tag", with(phc, "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "nf65EOgLrQMR"), password.StoredMalformed},
		{"text behind", phc + "$", password.StoredMalformed},
		{"pbkdf2 without a salt", with(pbkdf2, "vuQKA3cykFtKug7qr5GUvw", ""), password.StoredMalformed},
		{"pbkdf2 without iterations", with(pbkdf2, "2000", "0"), password.StoredMalformed},
		{"pbkdf2 with too many iterations", with(pbkdf2, "2000", "10000001"), password.StoredTooCostly},
		{"pbkdf2 with a short key", with(pbkdf2, "qkVL", ""), password.StoredMalformed},
		{"pbkdf2 with the key of another hash", with(pbkdf2, "sha256", "sha1"), password.StoredMalformed},
		{"pbkdf2 with a part too many", pbkdf2 + "$", password.StoredMalformed},
		{"bcrypt without its dollar", with(bcrypt, "$$", "$"), password.StoredMalformed},
		{"bcrypt of the broken kind", with(bcrypt, "2a", "2x"), password.StoredMalformed},
		{"bcrypt with too few rounds", with(bcrypt, "$05$", "$03$"), password.StoredMalformed},
		{"bcrypt with too many rounds", with(bcrypt, "$05$", "$16$"), password.StoredTooCostly},
		{"bcrypt with more rounds than there are", with(bcrypt, "$05$", "$32$"), password.StoredMalformed},
		{"bcrypt with a sign", with(bcrypt, "$05$", "$+5$"), password.StoredMalformed},
		{"bcrypt with another separator", with(bcrypt, "05$C", "05.C"), password.StoredMalformed},
		{"bcrypt with a foreign letter", with(bcrypt, "C.E5", "C=E5"), password.StoredMalformed},
		{"scrypt without a salt", with(scrypt, "seasalt", ""), password.StoredMalformed},
		{"scrypt with its salt in front", with(scrypt, "16384$seasalt", "seasalt$16384"), password.StoredMalformed},
		{"scrypt whose cost is no power of 2", with(scrypt, "16384", "16385"), password.StoredMalformed},
		{"scrypt of cost 1", with(scrypt, "16384", "1"), password.StoredMalformed},
		{"scrypt without blocks", with(scrypt, "$8$", "$0$"), password.StoredMalformed},
		{"scrypt of too much memory", with(scrypt, "16384$seasalt$8", "262144$seasalt$16"), password.StoredTooCostly},
		{"scrypt of too much memory for its lanes", with(scrypt, "16384$seasalt$8$1", "2$seasalt$1048576$3"), password.StoredTooCostly},
		{"scrypt of too much work", with(scrypt, "$1$", "$65$"), password.StoredTooCostly},
		{"scrypt of numbers beyond all", with(scrypt, "16384", "1048577"), password.StoredTooCostly},
		{"scrypt with a short key", with(scrypt, "Qj3+", ""), password.StoredMalformed},
		{"scrypt with a part too many", scrypt + "$", password.StoredMalformed},
		{"bcrypt cut short", bcrypt[:len(bcrypt)-1], password.StoredMalformed},
	}
	h := newHasher(t, least())
	for _, tt := range tests {
		t.Run(tt.desc, func(t *testing.T) {
			ok, upgrade, err := h.Verify(t.Context(), "U*U", tt.encoded)
			assert.False(t, ok)
			assert.False(t, upgrade)
			stored, is := errors.AsType[*password.StoredError](err)
			if assert.True(t, is, "got %v", err) {
				assert.Equal(t, tt.want, stored.Fault)
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
		"scrypt$16$salt$1$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==",
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
