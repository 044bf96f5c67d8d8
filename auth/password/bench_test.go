package password_test

import (
	"context"
	"testing"

	"github.com/ecolaura/rampart/auth/password"
)

func BenchmarkVerify(b *testing.B) {
	for name, encoded := range map[string]string{
		"argon2id":   "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"no account": "",
		"refused":    "",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			h, ctx := newHasher(b, password.Config{}), context.Background()
			if name == "refused" {
				h = new(password.Hasher)
			}
			for b.Loop() {
				_, _, _ = h.Verify(ctx, "pw", encoded)
			}
		})
	}
}
