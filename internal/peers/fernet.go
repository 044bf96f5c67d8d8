package peers

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/http"

	fernetgo "github.com/fernet/fernet-go"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// fernetRows compares encryption and decryption in the Fernet format. The floor
// is the sum of a token's primitives; see crypto/bench_test.go.
func fernetRows() []Row {
	key := fernet.GenerateKey()
	ours := must(fernet.NewKeyring(key)).Cipher()
	theirs := must(fernetgo.DecodeKey(key.Reveal()))
	keys := []*fernetgo.Key{theirs}
	var rows []Row
	for _, size := range []struct {
		name string
		n    int
	}{{"32 B", 32}, {"1 KB", 1 << 10}, {"1 MB", 1 << 20}} {
		text := bytes.Repeat([]byte("x"), size.n)
		token, dst := ours.Encrypt(text), make([]byte, 0, fernet.EncryptedLen(size.n))
		floor := newFloorFernet(key.Reveal(), text)
		encrypting := func(implementation string, encrypt func() []byte) {
			if !bytes.Equal(must(ours.Decrypt(encrypt())), text) {
				panic(implementation + " writes no token")
			}
			rows = append(rows, transforming("fernet: encrypt "+size.name, implementation, len(token), encrypt))
		}
		encrypting("rampart", func() []byte { return ours.AppendEncrypt(dst, text) })
		encrypting("floor", floor.encrypt)
		encrypting("fernet/fernet-go", func() []byte { return must(fernetgo.EncryptAndSign(text, theirs)) })

		decrypting := func(implementation string, decrypt func() []byte) {
			if !bytes.Equal(decrypt(), text) {
				panic(implementation + " opens no token")
			}
			rows = append(rows, transforming("fernet: decrypt "+size.name, implementation, len(text), decrypt))
		}
		decrypting("rampart", func() []byte { return must(ours.AppendDecrypt(dst, token)) })
		decrypting("floor", floor.decrypt)
		decrypting("fernet/fernet-go", func() []byte { return fernetgo.VerifyAndDecrypt(token, 0, keys) })
	}
	return rows
}

// transforming answers 204 for as long as the outcome has the length it should.
func transforming(group, implementation string, want int, do func() []byte) Row {
	return Row{group, implementation, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if len(do()) != want {
			http.Error(w, "another outcome", http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}), plainGet(), http.StatusNoContent, nil}
}

// floorFernet writes one and the same token, with all state kept that can be, and
// opens it without a look at anything but its signature.
type floorFernet struct {
	block            cipher.Block
	mac              hash.Hash
	text             []byte // padded
	n                int    // its length before
	raw, back, token []byte // the token before base64, read back, and itself
}

func newFloorFernet(key string, text []byte) *floorFernet {
	const head = 1 + 8 + aes.BlockSize // version, time, IV
	secret := must(base64.URLEncoding.DecodeString(key))
	pad := aes.BlockSize - len(text)%aes.BlockSize
	f := &floorFernet{block: must(aes.NewCipher(secret[16:])), mac: hmac.New(sha256.New, secret[:16]), n: len(text)}
	f.text = append(bytes.Clone(text), bytes.Repeat([]byte{byte(pad)}, pad)...)
	f.raw = make([]byte, head+len(f.text)+sha256.Size)
	f.raw[0] = 0x80
	binary.BigEndian.PutUint64(f.raw[1:], 1_700_000_000)
	f.token = make([]byte, base64.URLEncoding.EncodedLen(len(f.raw)))
	f.back = make([]byte, base64.URLEncoding.DecodedLen(len(f.token)))
	f.encrypt()
	return f
}

// parts takes a token apart.
func (f *floorFernet) parts(raw []byte) (signed, iv, text, sum []byte) {
	signed, sum = raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	return signed, raw[9:25], signed[25:], sum
}

func (f *floorFernet) encrypt() []byte {
	signed, iv, text, sum := f.parts(f.raw)
	cipher.NewCBCEncrypter(f.block, iv).CryptBlocks(text, f.text)
	f.mac.Reset()
	f.mac.Write(signed)
	f.mac.Sum(sum[:0])
	base64.URLEncoding.Encode(f.token, f.raw)
	return f.token
}

func (f *floorFernet) decrypt() []byte {
	n, err := base64.URLEncoding.Decode(f.back, f.token)
	if err != nil {
		return nil
	}
	signed, iv, text, sum := f.parts(f.back[:n])
	f.mac.Reset()
	f.mac.Write(signed)
	var own [sha256.Size]byte
	if !hmac.Equal(f.mac.Sum(own[:0]), sum) {
		return nil
	}
	cipher.NewCBCDecrypter(f.block, iv).CryptBlocks(text, text)
	return text[:f.n]
}
