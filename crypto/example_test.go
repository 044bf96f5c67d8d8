package crypto_test

import (
	"fmt"

	rcrypto "github.com/ecolaura/rampart/crypto"
)

func Example() {
	old, next := rcrypto.GenerateKey(), rcrypto.GenerateKey()
	ring, err := rcrypto.NewKeyring(old)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := ring.Cipher()
	stored := c.EncryptString("+1 555 0100")

	// A new key: it encrypts from now on, the old one still opens.
	if err := ring.Reconfigure(next, old); err != nil {
		fmt.Println(err)
		return
	}
	moved, changed, err := c.Rotate([]byte(stored))
	fmt.Println(changed, err)

	phone, err := c.DecryptString(string(moved))
	fmt.Println(phone, err)
	_, err = c.DecryptString(stored + "\n")
	fmt.Println(err)
	// Output:
	// true <nil>
	// +1 555 0100 <nil>
	// crypto: invalid token
}

func ExampleCipher_Seal() {
	ring, err := rcrypto.NewKeyring(rcrypto.GenerateKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	ssn := ring.Cipher()

	// db.ExecContext(ctx, `INSERT INTO users (ssn) VALUES (?)`, ssn.Seal(&in))
	in := "078-05-1120"
	column, err := ssn.Seal(&in).Value()
	fmt.Println(column != in, err)

	// db.QueryRowContext(ctx, `SELECT ssn FROM users`).Scan(ssn.Scan(&out))
	var out *string
	err = ssn.Scan(&out).Scan(column)
	fmt.Println(*out, err)
	err = ssn.Scan(&out).Scan(nil)
	fmt.Println(out == nil, err)
	// Output:
	// true <nil>
	// 078-05-1120 <nil>
	// true <nil>
}
