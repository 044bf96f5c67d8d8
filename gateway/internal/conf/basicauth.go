package conf

import (
	"strings"
)

// A BasicAuth is a name and a password of a Consumer. In a document the password
// is plain, or a hash that package password reads; in use it is a hash.
type BasicAuth struct {
	base     `k:",inline"`
	Consumer Ref    `k:"consumer"`
	Username string `k:"username"`
	Password string `k:"password"`
}

// Hashed reports whether the password is a hash: one of ours, or of Django's.
func (b *BasicAuth) Hashed() bool {
	for _, scheme := range []string{"$argon2id$", "argon2$", "pbkdf2_sha256$", "pbkdf2_sha1$", "scrypt$", "bcrypt_sha256$", "bcrypt$"} {
		if strings.HasPrefix(b.Password, scheme) {
			return true
		}
	}
	return false
}

func (b *BasicAuth) natural() string { return b.Username }

func (b *BasicAuth) refs() []reference {
	return []reference{{field: "consumer", kind: "consumers", ref: &b.Consumer, must: true, owns: true}}
}

func (b *BasicAuth) uniques() []uniqueKey { return []uniqueKey{key("username", "", b.Username)} }

func (b *BasicAuth) check(*File) Mistakes {
	c := Checks{m: b.at()}
	c.Want(b.Username != "" && len(b.Username) <= 256 && !strings.Contains(b.Username, ":"), "username", "a name without a colon is wanted (RFC 7617)")
	c.Want(b.Password != "" && len(b.Password) <= 1024, "password", "1 to 1024 characters are wanted, or a hash of them")
	return c.ms
}
