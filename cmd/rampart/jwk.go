package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	"github.com/ecolaura/rampart/auth"
)

// A jwk is a key of RFC 7517, with what RFC 7518 section 6 and RFC 8037 section 2 have.
type jwk struct {
	Kty string `json:"kty"`
	Alg string `json:"alg,omitempty"`
	Kid string `json:"kid,omitempty"`
	Use string `json:"use,omitempty"`
	Crv string `json:"crv,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	D   string `json:"d,omitempty"`
	P   string `json:"p,omitempty"`
	Q   string `json:"q,omitempty"`
	DP  string `json:"dp,omitempty"`
	DQ  string `json:"dq,omitempty"`
	QI  string `json:"qi,omitempty"`
	K   string `json:"k,omitempty"`
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// errNoKey does not say what is in a file: it may be a secret.
var errNoKey = errors.New("it is no key in PEM, and no JWK of a kind that is known")

// decodeKey returns what auth.NewKey takes: of PEM, or of a JWK.
func decodeKey(text []byte) (any, error) {
	if block, _ := pem.Decode(text); block != nil {
		for b, rest := block, text; b != nil; b, rest = pem.Decode(rest) {
			for _, parse := range []func([]byte) (any, error){
				x509.ParsePKCS8PrivateKey, x509.ParsePKIXPublicKey,
				func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
				func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
				func(der []byte) (any, error) { return x509.ParsePKCS1PublicKey(der) },
			} {
				if key, err := parse(b.Bytes); err == nil {
					return key, nil
				}
			}
		}
		return nil, errNoKey
	}
	var k jwk
	if json.Unmarshal(text, &k) != nil {
		return nil, errNoKey
	}
	return k.material()
}

func (k jwk) material() (any, error) {
	bad := false
	read := func(s string) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		bad = bad || err != nil
		return raw
	}
	number := func(s string) *big.Int { return new(big.Int).SetBytes(read(s)) }
	var key any
	var err error
	switch k.Kty {
	case "oct":
		key = read(k.K)
	case "OKP":
		x, d := read(k.X), read(k.D)
		switch {
		case k.Crv != "Ed25519" || len(x) != ed25519.PublicKeySize:
			bad = true
		case k.D == "":
			key = ed25519.PublicKey(x)
		case len(d) != ed25519.SeedSize:
			bad = true
		default:
			key = ed25519.NewKeyFromSeed(d)
		}
	case "EC":
		curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Crv]
		switch {
		case curve == nil:
			bad = true
		case k.D == "":
			key, err = ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, read(k.X)...), read(k.Y)...))
		default:
			key, err = ecdsa.ParseRawPrivateKey(curve, read(k.D))
		}
	case "RSA":
		public := rsa.PublicKey{N: number(k.N), E: int(number(k.E).Int64())}
		key = &public
		if k.D != "" {
			private := &rsa.PrivateKey{PublicKey: public, D: number(k.D), Primes: []*big.Int{number(k.P), number(k.Q)}}
			if err = private.Validate(); err == nil {
				private.Precompute()
			}
			key = private
		}
	default:
		bad = true
	}
	if bad || err != nil {
		return nil, errNoKey
	}
	return key, nil
}

// publicOf is the public part of a key.
func publicOf(material any) (any, error) {
	switch key := material.(type) {
	case *rsa.PrivateKey:
		return &key.PublicKey, nil
	case *ecdsa.PrivateKey:
		return &key.PublicKey, nil
	case ed25519.PrivateKey:
		return key.Public(), nil
	case []byte:
		return nil, errors.New("it is a secret, and has no public key")
	default:
		return key, nil
	}
}

// encodeKey writes a key as PEM or as a JWK.
func encodeKey(material any, alg auth.Algorithm, form string) ([]byte, error) {
	secret, isSecret := material.([]byte)
	if alg == "" {
		alg = algorithmOf(material)
	}
	checked, err := auth.NewKey(alg, "", material)
	if err != nil {
		return nil, err
	}
	switch {
	case form == "pem" && isSecret:
		return []byte(b64(secret) + "\n"), nil
	case form == "pem":
		if der, err := x509.MarshalPKCS8PrivateKey(material); err == nil {
			return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
		}
		der, err := x509.MarshalPKIXPublicKey(material)
		if err != nil {
			return nil, errNoKey
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
	case form == "jwk":
		k, err := toJWK(material)
		if err != nil {
			return nil, err
		}
		k.Alg, k.Kid, k.Use = string(alg), checked.ID(), "sig"
		text, err := json.MarshalIndent(k, "", "  ")
		return append(text, '\n'), err
	default:
		return nil, errors.New("-to is pem or jwk")
	}
}

func toJWK(material any) (jwk, error) {
	switch key := material.(type) {
	case []byte:
		return jwk{Kty: "oct", K: b64(key)}, nil
	case ed25519.PublicKey:
		return jwk{Kty: "OKP", Crv: "Ed25519", X: b64(key)}, nil
	case ed25519.PrivateKey:
		return jwk{Kty: "OKP", Crv: "Ed25519", X: b64(key[32:]), D: b64(key.Seed())}, nil
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return jwk{}, errNoKey
		}
		size := len(point) / 2
		return jwk{Kty: "EC", Crv: key.Curve.Params().Name, X: b64(point[1 : 1+size]), Y: b64(point[1+size:])}, nil
	case *ecdsa.PrivateKey:
		k, err := toJWK(&key.PublicKey)
		if err != nil {
			return jwk{}, err
		}
		d, err := key.Bytes()
		k.D = b64(d)
		return k, err
	case *rsa.PublicKey:
		return jwk{Kty: "RSA", N: b64(key.N.Bytes()), E: b64(big.NewInt(int64(key.E)).Bytes())}, nil
	case *rsa.PrivateKey:
		k, err := toJWK(&key.PublicKey)
		if err != nil || len(key.Primes) != 2 {
			return jwk{}, errNoKey
		}
		key.Precompute()
		k.D, k.P, k.Q = b64(key.D.Bytes()), b64(key.Primes[0].Bytes()), b64(key.Primes[1].Bytes())
		k.DP, k.DQ, k.QI = b64(key.Precomputed.Dp.Bytes()), b64(key.Precomputed.Dq.Bytes()), b64(key.Precomputed.Qinv.Bytes())
		return k, nil
	default:
		return jwk{}, fmt.Errorf("a %T is no key of JOSE", material)
	}
}
