package fernet_test

import (
	"fmt"

	"github.com/ecolaura/rampart/crypto/fernet"
)

func ExampleCipher_Row() {
	ring, err := fernet.NewKeyring(fernet.GenerateKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	note := ring.Field("customers.note")
	token := note.Row("42").EncryptString("rings twice")
	fmt.Println(note.Row("42").DecryptString(token))
	_, err = note.Row("43").DecryptString(token)
	fmt.Println(err)
	// Output:
	// rings twice <nil>
	// fernet: invalid token
}
