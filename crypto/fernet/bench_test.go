package fernet_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// floor is the primitives of a token by themselves, through the standard
// library's public interface, with all state that can be kept kept. Neither IV
// nor clock, padding, or copying is in it.
//
// BenchmarkFloorEncrypt and -Decrypt are the sum of primitives that a Cipher is
// measured against (0.95 of it is the bar): each message has an IV of its own, and
// the public interface starts a CBC mode with one in no other way than to make it.
// The floors "Kept" go on with one mode and never set an IV. No program that writes
// tokens can do that, so they are no bar; they are here to show how far from the
// bare arithmetic a Cipher is. It sets the IV of a kept mode by the method that
// crypto/tls uses, which is why it can be faster than the first floor.
type floor struct {
	block cipher.Block
	iv    []byte
	text  []byte // padded
	raw   []byte
	token []byte
}

func newFloor(tb testing.TB, n int) *floor {
	tb.Helper()
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		tb.Fatal(err)
	}
	padded := n - n%16 + 16
	f := &floor{block: block, iv: make([]byte, 16), text: make([]byte, padded), raw: make([]byte, 25+padded+32)}
	f.token = base64.URLEncoding.AppendEncode(nil, f.raw)
	return f
}

func benchSizes(b *testing.B, run func(b *testing.B, n int)) {
	b.Helper()
	for _, n := range []int{32, 1 << 10, 1 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			run(b, n)
		})
	}
}

func BenchmarkAppendEncrypt(b *testing.B) {
	benchSizes(b, func(b *testing.B, n int) {
		b.Helper()
		c, msg, dst := newCipher(b), make([]byte, n), make([]byte, 0, fernet.EncryptedLen(n))
		for b.Loop() {
			c.AppendEncrypt(dst, msg)
		}
	})
}

func BenchmarkAppendDecrypt(b *testing.B) {
	benchSizes(b, func(b *testing.B, n int) {
		b.Helper()
		c := newCipher(b)
		token := c.Encrypt(make([]byte, n))
		dst := make([]byte, 0, len(token))
		for b.Loop() {
			if _, err := c.AppendDecrypt(dst, token); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFloorEncrypt(b *testing.B) {
	benchSizes(b, func(b *testing.B, n int) {
		b.Helper()
		f, mac, sum := newFloor(b, n), hmac.New(sha256.New, make([]byte, 16)), make([]byte, 0, 32)
		for b.Loop() {
			cipher.NewCBCEncrypter(f.block, f.iv).CryptBlocks(f.text, f.text)
			mac.Reset()
			mac.Write(f.raw[:len(f.raw)-32])
			mac.Sum(sum)
			base64.URLEncoding.Encode(f.token, f.raw)
		}
	})
}

func BenchmarkFloorDecrypt(b *testing.B) {
	benchSizes(b, func(b *testing.B, n int) {
		b.Helper()
		f, mac, sum := newFloor(b, n), hmac.New(sha256.New, make([]byte, 16)), make([]byte, 0, 32)
		for b.Loop() {
			if _, err := base64.URLEncoding.Decode(f.raw, f.token); err != nil {
				b.Fatal(err)
			}
			mac.Reset()
			mac.Write(f.raw[:len(f.raw)-32])
			mac.Sum(sum)
			cipher.NewCBCDecrypter(f.block, f.iv).CryptBlocks(f.text, f.text)
		}
	})
}

// The floors "kept" also keep the block modes, without a new IV: the least that
// the arithmetic can cost.
func BenchmarkFloorEncryptKept(b *testing.B) {
	benchSizes(b, func(b *testing.B, n int) {
		b.Helper()
		f, mac, sum := newFloor(b, n), hmac.New(sha256.New, make([]byte, 16)), make([]byte, 0, 32)
		mode := cipher.NewCBCEncrypter(f.block, f.iv)
		for b.Loop() {
			mode.CryptBlocks(f.text, f.text)
			mac.Reset()
			mac.Write(f.raw[:len(f.raw)-32])
			mac.Sum(sum)
			base64.URLEncoding.Encode(f.token, f.raw)
		}
	})
}

func BenchmarkFloorDecryptKept(b *testing.B) {
	benchSizes(b, func(b *testing.B, n int) {
		b.Helper()
		f, mac, sum := newFloor(b, n), hmac.New(sha256.New, make([]byte, 16)), make([]byte, 0, 32)
		mode := cipher.NewCBCDecrypter(f.block, f.iv)
		for b.Loop() {
			if _, err := base64.URLEncoding.Decode(f.raw, f.token); err != nil {
				b.Fatal(err)
			}
			mac.Reset()
			mac.Write(f.raw[:len(f.raw)-32])
			mac.Sum(sum)
			mode.CryptBlocks(f.text, f.text)
		}
	})
}

func BenchmarkDecryptForged(b *testing.B) {
	benchSizes(b, func(b *testing.B, n int) {
		b.Helper()
		c, token := newCipher(b), newCipher(b).Encrypt(make([]byte, n))
		dst := make([]byte, 0, len(token))
		for b.Loop() {
			if _, err := c.AppendDecrypt(dst, token); err == nil {
				b.Fatal("opened")
			}
		}
	})
}
