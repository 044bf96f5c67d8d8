package auth_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
)

// TestParseKeySaysWhatItWasGiven: the files are as openssl 3 and ssh-keygen write
// them.
func TestParseKeySaysWhatItWasGiven(t *testing.T) {
	for _, tt := range []struct {
		file, want string // "": it is a key
		alg        auth.Algorithm
	}{
		{"ecparam.pem", "", auth.ES256},
		{"curve.pem", "names a curve and holds no key", auth.ES256},
		{"enc1.pem", `this key is encrypted; "openssl pkey" prints it decrypted`, auth.RS256},
		{"enc8.pem", `this key is encrypted; "openssl pkey" prints it decrypted`, auth.RS256},
		{"pss.pem", "of the type RSASSA-PSS", auth.PS256},
		{"pss.pub.pem", "of the type RSASSA-PSS", auth.PS256},
		{"pss1.pem", "of the type RSASSA-PSS", auth.PS256},
		{"k1.pem", "on a curve that is not supported; use P-256", auth.ES256},
		{"bp.pem", "on a curve that is not supported; use P-256", auth.ES256},
		{"ed448.pem", "of a type that is not supported; use RSA", auth.EdDSA},
		{"x25519.pem", "EdDSA takes an ed25519.PrivateKey or ed25519.PublicKey; this is a *ecdh.PrivateKey", auth.EdDSA},
		{"rsa.der", `this is DER; "openssl pkey -inform DER"`, auth.RS256},
		{"ed.der", `this is DER; "openssl pkey -inform DER"`, auth.EdDSA},
		{"wrongform.pem", "in another form than its first line names", auth.RS256},
		{"ssh", "this is a key of OpenSSH", auth.EdDSA},
		{"ssh.pub", "this is a public key of OpenSSH", auth.EdDSA},
	} {
		text, err := os.ReadFile("testdata/keys/" + tt.file)
		require.NoError(t, err)
		key, err := auth.ParseKey(tt.alg, "", text)
		if tt.want == "" {
			assert.NoError(t, err, tt.file)
			assert.NotNil(t, key)
			continue
		}
		assert.ErrorContains(t, err, tt.want, tt.file)
		assert.ErrorAs(t, err, new(*rampart.ConfigError))
	}
	const rsaPublic = "-----BEGIN PUBLIC KEY-----\n"
	for text, want := range map[string]string{
		"":              "; this is empty",
		"x" + rsaPublic: "text around its blocks, or a block that is damaged",
		rsaPublic:       "text around its blocks, or a block that is damaged",
		string(recorded(t, "rsa_public")) + string(recorded(t, "rsa_public")): "this goes on after the first one",
		`{"keys":[]}`:                        `this is a JWK set; give one JWK of its list "keys"`,
		"0123456789abcdef0123456789abcdef":   "the bytes of an HMAC secret go to NewKey",
		string(recorded(t, "ec_public"))[:1]: "the bytes of an HMAC secret go to NewKey",
	} {
		_, err := auth.ParseKey(auth.RS256, "", []byte(text))
		assert.ErrorContains(t, err, want, "%.40q", text)
	}
	_, err := auth.ParseKey(auth.ES256, "", recorded(t, "rsa_public"))
	assert.ErrorContains(t, err, "ES256 takes an *ecdsa.PrivateKey or *ecdsa.PublicKey on the curve P-256; this is a *rsa.PublicKey")
	_, err = auth.ParseKey(auth.ES384, "", recorded(t, "ec_public"))
	assert.ErrorContains(t, err, "on the curve P-384; this is an *ecdsa.PublicKey on P-256")
}
