package fernet_test

import (
	"fmt"

	"github.com/ecolaura/rampart/crypto/fernet"
)

func Example() {
	old, next := fernet.GenerateKey(), fernet.GenerateKey()
	ring, err := fernet.NewKeyring(old)
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
	// fernet: invalid token
}
