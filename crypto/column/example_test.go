package column_test

import (
	"fmt"
	"strings"

	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
)

func ExampleSeal() {
	ring, err := fernet.NewKeyring(fernet.GenerateKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	ssn := ring.Cipher()

	// db.ExecContext(ctx, `INSERT INTO users (ssn) VALUES (?)`, column.Seal(ssn, &in))
	in := "078-05-1120"
	sealed, err := column.Seal(ssn, &in).Value()
	fmt.Println(sealed != in, err)

	// db.QueryRowContext(ctx, `SELECT ssn FROM users`).Scan(column.Scan(ssn, &out))
	var out *string
	err = column.Scan(ssn, &out).Scan(sealed)
	fmt.Println(*out, err)
	err = column.Scan(ssn, &out).Scan(nil)
	fmt.Println(out == nil, err)
	// Output:
	// true <nil>
	// 078-05-1120 <nil>
	// true <nil>
}

func ExampleIndex() {
	ring, err := fernet.NewKeyring(fernet.GenerateKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	phones := column.NewIndex(ring, "customers.phone", func(v string) string { return strings.ReplaceAll(v, " ", "") })
	stored := phones.Of("+1 555 0100")
	for _, index := range phones.AllOf("+15550100") { // WHERE phone_index IN (…)
		fmt.Println(index == stored)
	}
	// Output: true
}
