package fernet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"slices"
	"sync"
)

// The parts of a token before it is written in base64url
// (https://github.com/fernet/spec/blob/master/Spec.md).
const (
	versionFernet = 0x80
	versionRow    = 0x81 // ours: a row is authenticated too, see docs/encryption.md
	timeAt        = 1
	ivAt          = 9
	headerSize    = ivAt + aes.BlockSize
	macSize       = sha256.Size
	lengthSize    = 8 // of a row's length
	minSize       = headerSize + aes.BlockSize + macSize
)

// EncryptedLen returns the length of the token of a text of n bytes.
func EncryptedLen(n int) int { return base64.URLEncoding.EncodedLen(encryptedSize(n)) }

func encryptedSize(n int) int { return headerSize + n - n%aes.BlockSize + aes.BlockSize + macSize }

// An engine is one key, ready for use.
type engine struct {
	block cipher.Block
	pool  sync.Pool // of *work
}

// chunk is how much text is encrypted at a time, in bytes: what fits the
// fastest cache together with its token. A whole number of blocks.
const chunk = 4 << 10

// work is what one encryption or decryption at a time needs. The keyed state of
// the HMAC is computed once and restored by its Reset.
type work struct {
	mac  hash.Hash
	enc  cipher.BlockMode
	dec  cipher.BlockMode
	sum  [macSize]byte
	ivs  [32 * aes.BlockSize]byte // random bytes, drawn together: one system call for many tokens
	left int                      // bytes of ivs that are not used yet
	buf  [2 + headerSize + chunk + macSize]byte
}

func newEngine(key *[keySize]byte) *engine {
	sign, encrypt := key[:keySize/2], key[keySize/2:]
	block, err := aes.NewCipher(encrypt)
	if err != nil { // unreachable: 16 bytes are an AES-128 key
		panic(err)
	}
	e := &engine{block: block}
	e.pool.New = func() any { return &work{mac: hmac.New(sha256.New, sign)} }
	return e
}

// iv returns the next initialisation vector. Each is used once.
func (w *work) iv() []byte {
	if w.left == 0 {
		_, _ = rand.Read(w.ivs[:]) // never fails: crypto/rand ends the program instead
		w.left = len(w.ivs)
	}
	w.left -= aes.BlockSize
	return w.ivs[w.left : w.left+aes.BlockSize]
}

// begin starts the authentication of a token. What a row's token is bound to
// comes first, its length before it, so that no other row and no part of the
// token can be read into it.
func (w *work) begin(f *form) {
	w.mac.Reset()
	if f.version != versionRow {
		return
	}
	binary.BigEndian.PutUint64(w.buf[:], uint64(len(f.row)))
	n := lengthSize + copy(w.buf[lengthSize:], f.row)
	for rest := f.row[n-lengthSize:]; ; rest = rest[n:] {
		w.mac.Write(w.buf[:n])
		if n = copy(w.buf[:], rest); n == 0 {
			return
		}
	}
}

// restart lets mode begin again with iv. The modes of crypto/cipher can do that,
// as crypto/tls knows too; one that cannot, or is nil, is made anew.
func restart(mode cipher.BlockMode, anew func(cipher.Block, []byte) cipher.BlockMode, b cipher.Block, iv []byte) cipher.BlockMode {
	if m, ok := mode.(interface{ SetIV(iv []byte) }); ok {
		m.SetIV(iv)
		return mode
	}
	return anew(b, iv)
}

// seal appends the token of msg under the first key.
func (s *keySet) seal(dst, msg []byte, ts uint64, f *form) []byte {
	have, more := len(dst), EncryptedLen(len(msg))
	dst = slices.Grow(dst, more)[:have+more]
	e := s.keys[0]
	w := e.pool.Get().(*work) //nolint:forcetypeassert // nothing else is put there
	e.seal(w, dst[have:], msg, ts, f)
	e.pool.Put(w)
	return dst
}

// seal writes the token of msg to out, which has its length. The text is taken
// through w.buf piece by piece: encrypted, authenticated, written as base64.
func (e *engine) seal(w *work, out, msg []byte, ts uint64, f *form) {
	w.begin(f)
	w.buf[0] = f.version
	binary.BigEndian.PutUint64(w.buf[timeAt:], ts)
	iv := w.buf[ivAt:headerSize]
	copy(iv, w.iv())
	w.enc = restart(w.enc, cipher.NewCBCEncrypter, e.block, iv)
	from, end := 0, headerSize // w.buf[from:end] is not authenticated yet
	for last := false; !last; {
		text := w.buf[end : end+copy(w.buf[end:end+chunk], msg)]
		msg = msg[len(text):]
		if last = len(text) < chunk; last {
			text = pad(text)
		}
		w.enc.CryptBlocks(text, text)
		end += len(text)
		w.mac.Write(w.buf[from:end])
		whole := end - end%3
		base64.URLEncoding.Encode(out, w.buf[:whole])
		out = out[whole/3*4:]
		end = copy(w.buf[:], w.buf[whole:end])
		from = end
	}
	base64.URLEncoding.Encode(out, w.mac.Sum(w.buf[:end]))
}

// pad appends 1 to 16 bytes, each the number of them (PKCS #7, RFC 5652 section 6.3).
func pad(text []byte) []byte {
	n := aes.BlockSize - len(text)%aes.BlockSize
	for range n {
		text = append(text, byte(n))
	}
	return text
}

// opened is the content of a token.
type opened struct {
	text []byte // appended to what the caller gave
	time uint64
	key  int // index of the key that opened it
}

// open appends the text of token under the first key that opens it. The
// ciphertext is decoded to where the text belongs and decrypted there, once it
// is authenticated; the header before it is kept aside.
func (s *keySet) open(dst, token []byte, f *form) (opened, bool) {
	size, ok := decodedSize(token)
	if !ok {
		return opened{}, false
	}
	have := len(dst)
	dst = slices.Grow(dst, size-headerSize)
	body := dst[have : have+size-headerSize]
	var head [leadSize]byte
	if !s.decode(head[:], token[:leadText]) || !s.decode(body[leadSize-headerSize:], token[leadText:]) || head[0] != f.version {
		return opened{}, false
	}
	copy(body, head[headerSize:])
	for i, e := range s.keys {
		w := e.pool.Get().(*work) //nolint:forcetypeassert // nothing else is put there
		w.begin(f)
		copy(w.buf[:], head[:headerSize]) // what an interface's method is given must not be on the stack
		n, ok := e.open(w, w.buf[:headerSize], body)
		e.pool.Put(w)
		if ok {
			ts := binary.BigEndian.Uint64(head[timeAt:])
			return opened{text: dst[:have+n], time: ts, key: i}, true
		}
	}
	return opened{}, false
}

// The header's text ends within a group of four characters: leadText characters
// stand for it and the first bytes of the ciphertext, leadSize in all.
const (
	leadSize = (headerSize + 2) / 3 * 3
	leadText = leadSize / 3 * 4
)

// decode fills b from base64 text. Line ends, which the decoder skips, leave b
// without its last bytes.
func (s *keySet) decode(b, text []byte) bool {
	n, err := s.strict.Decode(b, text)
	return err == nil && n == len(b)
}

// decodedSize returns how many bytes token stands for, and whether a token may
// be of that size. It is all that a text of a wrong length costs.
func decodedSize(token []byte) (int, bool) {
	n := len(token)
	if n%4 != 0 || n < base64.URLEncoding.EncodedLen(minSize) {
		return 0, false
	}
	size := n / 4 * 3
	if token[n-1] == '=' {
		size--
		if token[n-2] == '=' {
			size--
		}
	}
	return size, size >= minSize && (size-minSize)%aes.BlockSize == 0
}

// open verifies head and body, for which w has begun, decrypts the ciphertext in place and returns the
// length of the text. If it does not open, body is as it was.
func (e *engine) open(w *work, head, body []byte) (int, bool) {
	text, tag := body[:len(body)-macSize], body[len(body)-macSize:]
	w.mac.Write(head)
	w.mac.Write(text)
	if !hmac.Equal(w.mac.Sum(w.sum[:0]), tag) {
		return 0, false
	}
	iv := head[ivAt:]
	w.dec = restart(w.dec, cipher.NewCBCDecrypter, e.block, iv)
	w.dec.CryptBlocks(text, text)
	n, ok := unpad(text)
	if !ok {
		// Signed by this key, yet not encrypted by it: two keys may share the half
		// that signs, and then the next one opens it. Give it the ciphertext back.
		w.enc = restart(w.enc, cipher.NewCBCEncrypter, e.block, iv)
		w.enc.CryptBlocks(text, text)
	}
	return n, ok
}

// unpad returns the length of text without its PKCS #7 padding, in a time that
// does not depend on the bytes.
func unpad(text []byte) (int, bool) {
	block := text[len(text)-aes.BlockSize:]
	n := int(block[aes.BlockSize-1])
	good := subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, aes.BlockSize)
	for i, c := range block {
		outside := subtle.ConstantTimeLessOrEq(i+1+n, aes.BlockSize) // of the last n bytes
		good &= outside | subtle.ConstantTimeByteEq(c, byte(n))      //nolint:gosec // G115: n was a byte
	}
	return len(text) - n, good == 1
}
