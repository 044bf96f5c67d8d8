package password_test

import (
	"context"
	"fmt"

	"github.com/ecolaura/rampart/auth/password"
)

func Example() {
	h, err := password.New(password.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background() // in a handler: r.Context()

	// A hash that Django wrote, as it stands in the table.
	stored := "pbkdf2_sha256$2000$vuQKA3cykFtKug7qr5GUvw$qkVLoiDvJ1isEfB6qoujLsXNhc4kVClFBF9WIQasF98="
	ok, upgrade, err := h.Verify(ctx, "correct horse battery staple", stored)
	fmt.Println(ok, upgrade, err)
	if ok && upgrade {
		stored, err = h.Hash(ctx, "correct horse battery staple")
		fmt.Println(stored[:30], err)
	}

	// No such account: as slow as a wrong password.
	ok, _, err = h.Verify(ctx, "guess", "")
	fmt.Println(ok, err)
	// Output:
	// true true <nil>
	// $argon2id$v=19$m=19456,t=2,p=1 <nil>
	// false <nil>
}
