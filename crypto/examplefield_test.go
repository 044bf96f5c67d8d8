package crypto_test

import (
	"fmt"
	"strings"

	rcrypto "github.com/ecolaura/rampart/crypto"
)

func ExampleCipher_Row() {
	ring, err := rcrypto.NewKeyring(rcrypto.GenerateKey())
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
	// crypto: invalid token
}

func ExampleIndex() {
	ring, err := rcrypto.NewKeyring(rcrypto.GenerateKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	phones := ring.Index("customers.phone", func(v string) string { return strings.ReplaceAll(v, " ", "") })
	stored := phones.Of("+1 555 0100")
	for _, index := range phones.AllOf("+15550100") { // WHERE phone_index IN (…)
		fmt.Println(index == stored)
	}
	// Output: true
}
