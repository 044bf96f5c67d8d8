package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/ecolaura/rampart/internal/jose"
	"github.com/ecolaura/rampart/internal/logtest"
)

// shapeKeys are the keys in the sets below, by the names that stand for them there.
var shapeKeys = sync.OnceValue(func() map[string]crypto.Signer { // read-only
	keys := map[string]crypto.Signer{}
	for _, name := range []string{"RSA1", "RSA2"} {
		keys[name], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	for name, curve := range map[string]elliptic.Curve{"P256": elliptic.P256(), "P384": elliptic.P384(), "P521": elliptic.P521()} {
		keys[name], _ = ecdsa.GenerateKey(curve, rand.Reader)
	}
	_, keys["ED"], _ = ed25519.GenerateKey(rand.Reader)
	return keys
})

// fillShape puts the members of our keys in the places of a set that are named for
// them: $RSA1 is "kty":"RSA","n":"…","e":"AQAB".
func fillShape(tb testing.TB, text string) string {
	tb.Helper()
	for name, private := range shapeKeys() {
		alg := map[string]auth.Algorithm{"P256": auth.ES256, "P384": auth.ES384, "P521": auth.ES512, "ED": auth.EdDSA}[name]
		if alg == "" {
			alg = auth.RS256
		}
		key, err := auth.NewKey(alg, "x", private)
		require.NoError(tb, err)
		set, err := jose.PublicSet([]*auth.Key{key})
		require.NoError(tb, err)
		var members []string
		for member := range strings.SplitSeq(strings.Trim(strings.TrimPrefix(string(set), `{"keys":[`), "{}]"), ",") {
			if name, _, _ := strings.Cut(member, ":"); name != `"kid"` && name != `"alg"` && name != `"use"` {
				members = append(members, member)
			}
		}
		text = strings.ReplaceAll(text, "$"+name, strings.Join(members, ","))
	}
	return text
}

const chain = `"x5c":["MIIC+DCCAeCgAwIBAgIJBIGjYW6hFpn2MA0G"],"x5t":"NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg"`

// shapes are JWK sets as issuers document or publish them, with our keys: the
// members, their order and their oddities are theirs. A used key is "kid alg key",
// a skipped one "kid: reason".
var shapes = []struct { // read-only
	issuer, set string
	used        []string
	skipped     []string
}{
	{
		"Auth0, two keys during a rotation", `{"keys":[{"alg":"RS256",$RSA1,"use":"sig","kid":"NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg",` + chain + `},{"alg":"RS256",$RSA2,"use":"sig","kid":"zR2",` + chain + `}]}`,
		[]string{"NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg RS256 RSA1", "zR2 RS256 RSA2"},
		nil,
	},
	{
		"Keycloak, beside its key for encryption", `{"keys":[{"kid":"oa",$RSA2,"alg":"RSA-OAEP","use":"enc",` + chain + `,"x5t#S256":"Hf"},{"kid":"FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE",$RSA1,"alg":"RS256","use":"sig",` + chain + `,"x5t#S256":"Hf"}]}`,
		[]string{"FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE RS256 RSA1"},
		[]string{`oa: its use is \"enc\"`},
	},
	{
		"Keycloak with EdDSA and ES512", `{"keys":[{"kid":"ed",$ED,"alg":"EdDSA","use":"sig"},{"kid":"p5",$P521,"alg":"ES512","use":"sig"}]}`,
		[]string{"ed EdDSA ED", "p5 ES512 P521"},
		nil,
	},
	{
		"Entra v2: no alg", `{"keys":[{$RSA1,"use":"sig","kid":"T1St-dLTvyWRgxB_676u8krXS-I","x5t":"T1St-dLTvyWRgxB_676u8krXS-I","x5c":["MIIC"],"cloud_instance_name":"microsoftonline.com","issuer":"https://login.microsoftonline.com/{tenantid}/v2.0"}]}`,
		[]string{"T1St-dLTvyWRgxB_676u8krXS-I RS256 RSA1"},
		nil,
	},
	{
		"Microsoft B2C: nbf", `{"keys":[{"kid":"X5eXk4xyojNFum1kl2Ytv8dlNP4-c57dO6QGTVBwaNk","nbf":1493763266,"use":"sig",$RSA1}]}`,
		[]string{"X5eXk4xyojNFum1kl2Ytv8dlNP4-c57dO6QGTVBwaNk RS256 RSA1"},
		nil,
	},
	{"AD FS", `{"keys":[{"use":"sig","alg":"RS256",$RSA1,"kid":"GYP","x5t":"GYP","x5c":["MIIC"]}]}`, []string{"GYP RS256 RSA1"}, nil},
	{
		"Okta", `{"keys":[{"alg":"RS256",$RSA1,"kid":"U5R8cHbGw445Qbq8zVO1PcCpXL8yG6IcovVa3laCoxM","use":"sig"}]}`,
		[]string{"U5R8cHbGw445Qbq8zVO1PcCpXL8yG6IcovVa3laCoxM RS256 RSA1"},
		nil,
	},
	{
		"Cognito: a kid of padded base64", `{"keys":[{"kid":"1234example=","alg":"RS256",$RSA1,"use":"sig"},{"kid":"5678example=","alg":"RS256",$RSA2,"use":"sig"}]}`,
		[]string{"1234example= RS256 RSA1", "5678example= RS256 RSA2"},
		nil,
	},
	{
		"Google", `{"keys":[{$RSA1,"use":"sig","kid":"7c0b6913fe13820a333399ace426e70535a9a0bf","alg":"RS256"},{"alg":"RS256",$RSA2,"use":"sig","kid":"9341dedeee2d1869b657fa930300082fe26b3d92"}]}`,
		[]string{"7c0b6913fe13820a333399ace426e70535a9a0bf RS256 RSA1", "9341dedeee2d1869b657fa930300082fe26b3d92 RS256 RSA2"},
		nil,
	},
	{"Google's Identity-Aware Proxy", `{"keys":[{"alg":"ES256","kid":"2nMJtw",$P256,"use":"sig"}]}`, []string{"2nMJtw ES256 P256"}, nil},
	{
		"GitHub Actions", `{"keys":[{$RSA1,"alg":"RS256","use":"sig","kid":"cc413527-173f-5a05-976e-9c52b1d7b431",` + chain + `},{$RSA2,"alg":"RS256","use":"sig","kid":"38826b17-6a30-5f9b-b169-8beb8202f723","x5t":"k"}]}`,
		[]string{"cc413527-173f-5a05-976e-9c52b1d7b431 RS256 RSA1", "38826b17-6a30-5f9b-b169-8beb8202f723 RS256 RSA2"},
		nil,
	},
	{
		"Kubernetes", `{"keys":[{"use":"sig",$RSA1,"kid":"4dk9fDxvsqkRFgLgJTOvLWmVVIXyBxLxLdJ6JkEcPQY","alg":"RS256"}]}`,
		[]string{"4dk9fDxvsqkRFgLgJTOvLWmVVIXyBxLxLdJ6JkEcPQY RS256 RSA1"},
		nil,
	},
	{"EKS: one key twice", `{"keys":[{"use":"sig",$RSA1,"kid":"e1","alg":"RS256"},{"use":"sig",$RSA1,"kid":"e1","alg":"RS256"}]}`, []string{"e1 RS256 RSA1"}, nil},
	{
		"Apple", `{"keys":[{$RSA1,"kid":"fh6Bs8C","use":"sig","alg":"RS256"},{$RSA2,"kid":"lVHdOx8ltR","use":"sig","alg":"RS256"}]}`,
		[]string{"fh6Bs8C RS256 RSA1", "lVHdOx8ltR RS256 RSA2"},
		nil,
	},
	{
		"GitLab", `{"keys":[{$RSA1,"kid":"kewiQq9jiC84CvSsJYOB-N6A8WFLSV20Mb-y7IlWDSQ","use":"sig","alg":"RS256"}]}`,
		[]string{"kewiQq9jiC84CvSsJYOB-N6A8WFLSV20Mb-y7IlWDSQ RS256 RSA1"},
		nil,
	},
	{"Firebase", `{"keys":[{"use":"sig",$RSA1,"alg":"RS256","kid":"1bb774bd8728de1a0d0e1e2a"}]}`, []string{"1bb774bd8728de1a0d0e1e2a RS256 RSA1"}, nil},
	{"PingOne", `{"keys":[{$RSA1,"use":"sig","kid":"default","x5t":"d","x5c":["MIIC"]}]}`, []string{"default RS256 RSA1"}, nil},
	{
		"PingFederate: three curves and no alg", `{"keys":[{$P256,"kid":"Ozxgl1WsWyQBF1lcbYyjYl","use":"sig"},{$P384,"kid":"RBsu7DAEUcrgx4X91TVrsY","use":"sig"},{$P521,"kid":"sxG_WeuLxIKXoVit-8vyQf","use":"sig"},{$RSA1,"kid":"X3oArm2sGh5pO0jWl5O41C","use":"sig"}]}`,
		[]string{"Ozxgl1WsWyQBF1lcbYyjYl ES256 P256", "RBsu7DAEUcrgx4X91TVrsY ES384 P384", "sxG_WeuLxIKXoVit-8vyQf ES512 P521", "X3oArm2sGh5pO0jWl5O41C RS256 RSA1"},
		nil,
	},
	{
		"ForgeRock AM: one kid for each alg", `{"keys":[{"kid":"RId+oQm2IhmkUI1wTQUBPQm7jXY=","use":"sig","x5t":"DQ","x5c":["xxx"],$RSA1,"alg":"RS256"},{"kid":"RId+oQm2IhmkUI1wTQUBPQm7jXY=","use":"sig","x5c":["xxx"],$RSA1,"alg":"RS512"},{"kid":"RId+oQm2IhmkUI1wTQUBPQm7jXY=","use":"sig","x5c":["xxx"],$RSA1,"alg":"PS256"},{"kid":"RId+oQm2IhmkUI1wTQUBPQm7jXY=","use":"enc",$RSA2,"alg":"RSA-OAEP-256"}]}`,
		[]string{"RId+oQm2IhmkUI1wTQUBPQm7jXY= RS256 RSA1", "RId+oQm2IhmkUI1wTQUBPQm7jXY= RS512 RSA1", "RId+oQm2IhmkUI1wTQUBPQm7jXY= PS256 RSA1"},
		[]string{`RId+oQm2IhmkUI1wTQUBPQm7jXY=: its use is \"enc\"`},
	},
	{"one kid for two key types", `{"keys":[{"kid":"1","use":"sig",$RSA1,"alg":"RS256"},{"kid":"1","use":"sig",$P256,"alg":"ES256"}]}`, []string{"1 RS256 RSA1", "1 ES256 P256"}, nil},
	{
		"one kid for two keys", `{"keys":[{"kid":"1","use":"sig",$RSA1},{"kid":"1","use":"sig",$RSA2},{"kid":"2",$P256}]}`,
		[]string{"2 ES256 P256"},
		[]string{"1: two different keys have this kid and alg RS256; neither is used"},
	},
	{"Zitadel: a kid of digits", `{"keys":[{"use":"sig",$RSA1,"kid":"187596034927460610","alg":"RS256"}]}`, []string{"187596034927460610 RS256 RSA1"}, nil},
	{
		"Ory Hydra", `{"keys":[{"use":"sig",$RSA1,"kid":"public:hydra.openid.id-token","alg":"RS256"},{"use":"sig",$RSA2,"kid":"public:hydra.jwt.access-token","alg":"RS256"}]}`,
		[]string{"public:hydra.openid.id-token RS256 RSA1", "public:hydra.jwt.access-token RS256 RSA2"},
		nil,
	},
	{"Authentik", `{"keys":[{"alg":"RS256","kid":"d26b27e5e3dd5b5e2ae8bcda04c1ba48",$RSA1,"use":"sig",` + chain + `,"x5t#S256":"h"}]}`, []string{"d26b27e5e3dd5b5e2ae8bcda04c1ba48 RS256 RSA1"}, nil},
	{"Dex", `{"keys":[{"use":"sig",$RSA1,"kid":"f7ae9ebf9ba1bcd9fc6c1cc7c8ea0ad3b85f0a1e","alg":"RS256"}]}`, []string{"f7ae9ebf9ba1bcd9fc6c1cc7c8ea0ad3b85f0a1e RS256 RSA1"}, nil},
	{
		"Cloudflare Access: certificates beside the set", `{"keys":[{"kid":"1a1c3986a44ce6390be42ec772b031df8f433fdc71716db821dc0c39af3bce49","alg":"RS256","use":"sig",$RSA1}],"public_cert":{"kid":"1a","cert":"-----BEGIN CERTIFICATE-----"},"public_certs":[{"kid":"1a","cert":"x"}]}`,
		[]string{"1a1c3986a44ce6390be42ec772b031df8f433fdc71716db821dc0c39af3bce49 RS256 RSA1"},
		nil,
	},
	{"Salesforce", `{"keys":[{$RSA1,"alg":"RS256","use":"sig","kid":"234"},{$RSA2,"alg":"RS256","use":"sig","kid":"236"}]}`, []string{"234 RS256 RSA1", "236 RS256 RSA2"}, nil},
	{"LINE", `{"keys":[{"alg":"ES256","use":"sig","kid":"b5603e3b1b9f8e9cb3d8c3c4c8d7b5e2f8ab7cf2bb3e3b3e3b1bf1b3a5f0b4c2",$P256}]}`, []string{"b5603e3b1b9f8e9cb3d8c3c4c8d7b5e2f8ab7cf2bb3e3b3e3b1bf1b3a5f0b4c2 ES256 P256"}, nil},
	{"Slack", `{"keys":[{$RSA1,"kid":"mB2MAyKSn555isd0EbdhKx6nkyAi9xLq8rvCEb_nOyY","alg":"RS256"}]}`, []string{"mB2MAyKSn555isd0EbdhKx6nkyAi9xLq8rvCEb_nOyY RS256 RSA1"}, nil},
	{
		"Curity: a negative kid, Ed25519 and Ed448", `{"keys":[{"kid":"-38074812","use":"sig","alg":"RS256",$RSA1,"x5t":"MR-pGTa866RdZLjN6Vwrfay907g"},{"kid":"e","use":"sig","alg":"EdDSA",$ED},{"kty":"OKP","kid":"448","use":"sig","alg":"EdDSA","crv":"Ed448","x":"AA"}]}`,
		[]string{"-38074812 RS256 RSA1", "e EdDSA ED"},
		[]string{`448: its crv \"Ed448\" is not supported`},
	},
	{"FusionAuth", `{"keys":[{"alg":"RS256","kid":"OKDUvIPz8YuMRGfnLJ_i6O2I3IU",$RSA1,"use":"sig",` + chain + `,"x5t#S256":"h"}]}`, []string{"OKDUvIPz8YuMRGfnLJ_i6O2I3IU RS256 RSA1"}, nil},
	{"Zoom", `{"keys":[{$RSA1,"use":"sig","kid":"zoom-1","alg":"RS256"}]}`, []string{"zoom-1 RS256 RSA1"}, nil},
	{"Duende IdentityServer", `{"keys":[{"use":"sig","kid":"5DA0BA4F8BB8F7C6A4BB8D1B2E5B3B0D",$RSA1,"alg":"PS256"}]}`, []string{"5DA0BA4F8BB8F7C6A4BB8D1B2E5B3B0D PS256 RSA1"}, nil},
	{"Spring Authorization Server: neither use nor alg", `{"keys":[{$RSA1,"kid":"5ef3f2a7-0d3a-4d0e-a5ec-8a2f9f1fbeaf"}]}`, []string{"5ef3f2a7-0d3a-4d0e-a5ec-8a2f9f1fbeaf RS256 RSA1"}, nil},
	{"Supabase: key_ops and ext of WebCrypto", `{"keys":[{"alg":"ES256","ext":true,"key_ops":["verify"],"kid":"sb","use":"sig",$P256}]}`, []string{"sb ES256 P256"}, nil},
	{"WSO2", `{"keys":[{"x5t":"NTg","kid":"NTgwZDA_RS256","use":"sig","alg":"RS256",$RSA1,"x5c":["MII"],"x5t#S256":"N"}]}`, []string{"NTgwZDA_RS256 RS256 RSA1"}, nil},
	{
		"Cloud Foundry UAA: the key again as PEM, and a secret", `{"keys":[{"use":"sig","kid":"default-jwt-key-1","alg":"RS256","value":"-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",$RSA1},{"kty":"MAC","alg":"HS256","value":"tokensecret","use":"sig","kid":"legacy"}]}`,
		[]string{"default-jwt-key-1 RS256 RSA1"},
		[]string{`legacy: its kty \"MAC\" is not supported`},
	},
	{"Twitch", `{"keys":[{"alg":"RS256","kid":"1",$RSA1,"use":"sig"}]}`, []string{"1 RS256 RSA1"}, nil},
	{"Vault", `{"keys":[{"use":"sig",$RSA1,"kid":"0d2b33ac","alg":"RS256"},{"use":"sig",$ED,"kid":"1e","alg":"EdDSA"}]}`, []string{"0d2b33ac RS256 RSA1", "1e EdDSA ED"}, nil},
	{
		"Open Banking directory: a certificate for TLS, and x5u", `{"keys":[{"kid":"tls1",$RSA2,"use":"tls","x5c":["MII"],"x5u":"https://keystore.example/1.pem"},{"kid":"s1",$RSA1,"use":"sig","alg":"PS256","x5u":"https://keystore.example/2.pem"}]}`,
		[]string{"s1 PS256 RSA1"},
		[]string{`tls1: its use is \"tls\"`},
	},
	{
		"Singpass and others: ECDH and secp256k1 beside", `{"keys":[{"kid":"s","use":"sig",$P256,"alg":"ES256"},{"kid":"k","kty":"EC","use":"sig","crv":"secp256k1","alg":"ES256K","x":"AA","y":"AA"},{"kid":"e","use":"enc",$P384,"alg":"ECDH-ES+A128KW"}]}`,
		[]string{"s ES256 P256"},
		[]string{`k: its crv \"secp256k1\" is not supported`, `e: its use is \"enc\"`},
	},
	{"RFC 9864: Ed25519 by its name", `{"keys":[{"kid":"e","alg":"Ed25519",$ED}]}`, []string{"e EdDSA ED"}, nil},
	{"a post-quantum key beside", `{"keys":[{"kty":"AKP","alg":"ML-DSA-44","kid":"pq","pub":"AA"},{"kid":"r",$RSA1}]}`, []string{"r RS256 RSA1"}, []string{`pq: its kty \"AKP\" is not supported`}},
	{
		"metadata that nobody needs", `{"keys":[{"kid":17,$RSA1,"x5c":"MIIC","key_ops":[],"use":null,"alg":null,"exp":"never","oth":null},{"kid":"` + strings.Repeat("k", 200) + `",$P256,"key_ops":null,"use":"","x5t":5},{"kid":"v",$ED,"key_ops":"verify"}]}`,
		nil, nil,
	}, // set below
	{
		"metadata of types that nobody can read", `{"keys":[{"kid":"u",$RSA1,"use":["enc"]},{"kid":"a",$RSA1,"alg":["RS256"]},{"kid":"o",$RSA1,"key_ops":{"verify":false}},{"kid":"ok",$P256}]}`,
		[]string{"ok ES256 P256"},
		[]string{`u: its use is "[\\\"enc\\\"]"`, `a: its alg "[\\\"RS256\\\"]" is not among Algorithms`, `o: its key_ops lack \"verify\"`},
	},
	{
		"unusable in every way", `{"keys":[5,{"kid":"short","kty":"RSA","n":"AQAB","e":"AQAB"},{"kid":"off","kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kid":"ops",$RSA2,"key_ops":["encrypt"]},{"kid":"alg",$RSA2,"alg":"RS1"},{"kid":"fit",$P256,"alg":"ES384"},{"kid":"none","use":"sig"},{"kid":"half","kty":"RSA","e":"AQAB"},{"kid":"bent","kty":"RSA","n":1,"e":"AQAB"},{"kid":"ok",$RSA1}]}`,
		[]string{"ok RS256 RSA1"},
		[]string{
			": it is not a JSON object", "short: an RSA key has 2048 to 8192 bits", "off: its members make no key", `ops: its key_ops lack \"verify\"`,
			`alg: its alg \"RS1\" is not among Algorithms`, "fit: its kty and crv fit none of Algorithms", `none: its kty \"\" is not supported`,
			"half: its members make no key", "bent: its members make no key",
		},
	},
}

func TestSetsAsIssuersPublishThem(t *testing.T) {
	assert.GreaterOrEqual(t, len(shapes), 25)
	for _, tt := range shapes {
		t.Run(tt.issuer, func(t *testing.T) {
			if tt.issuer == "metadata that nobody needs" {
				tt.used = []string{"17 RS256 RSA1", strings.Repeat("k", 200) + " ES256 P256", "v EdDSA ED"}
			}
			i, log := &issuer{body: fillShape(t, tt.set), status: http.StatusOK, header: http.Header{}}, &logtest.Records{}
			rk, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{
				URL: jwksURL, Client: &http.Client{Transport: i}, Logger: log.Logger(),
				Algorithms: []auth.Algorithm{auth.RS256, auth.RS384, auth.RS512, auth.PS256, auth.ES256, auth.ES384, auth.ES512, auth.EdDSA},
			})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, rk.Close()) })
			for _, used := range tt.used {
				part := strings.Fields(used)
				alg := auth.Algorithm(part[1])
				found, err := rk.Key(t.Context(), part[0], alg)
				require.NoError(t, err, used)
				private, err := auth.NewKey(alg, "", shapeKeys()[part[2]])
				require.NoError(t, err)
				sig, err := jose.Sign(t.Context(), private, nil, []byte("input"))
				require.NoError(t, err)
				assert.True(t, jose.Verify(found, []byte("input"), sig), used)
			}
			var skipped []string
			for _, record := range log.All(t) {
				assert.Equal(t, string(rampart.SysKeySkipped), record["event"])
				assert.Equal(t, slog.LevelInfo.String(), record["level"])
				skipped = append(skipped, fmt.Sprintf("%s: %s", record["kid"], record["reason"]))
			}
			require.Len(t, skipped, len(tt.skipped), "%q", skipped)
			for n, want := range tt.skipped {
				assert.Contains(t, skipped[n], strings.ReplaceAll(want, `\"`, `"`))
			}
		})
	}
}

// TestWhatIsNoJWKSet: such as the certificates of Firebase, or the PEM of a load
// balancer.
func TestWhatIsNoJWKSet(t *testing.T) {
	for _, body := range []string{`{"1bb774bd":"-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"}`, "-----BEGIN PUBLIC KEY-----", `[{"kty":"RSA"}]`} {
		rk, _, log := newRemote(t, body)
		_, err := rk.Key(t.Context(), "a", auth.EdDSA)
		assert.ErrorContains(t, err, `not a JWK set: that is one JSON object with a list "keys"`)
		assert.Contains(t, log.String(), "not a JWK set")
	}
}

// TestASetOfManyPublishedPrivateKeysCostsLittle: one issuer of several could keep the
// whole server busy.
func TestASetOfManyPublishedPrivateKeysCostsLittle(t *testing.T) {
	var list []string
	for range 300 {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		key, err := auth.NewKey(auth.ES256, "", private)
		require.NoError(t, err)
		set, err := jose.PublicSet([]*auth.Key{key})
		require.NoError(t, err)
		list = append(list, strings.TrimSuffix(strings.TrimPrefix(string(set), `{"keys":[`), "]}"))
	}
	exposed := strings.Repeat(`,{"d":"AA",`+strings.TrimPrefix(fillShape(t, "$P256"), "{")+"}", 1500)
	took := cputime.Spent(func() {
		keys, skipped, err := jose.ParseSet([]auth.Algorithm{auth.ES256}, `{"keys":[`+strings.Join(list, ",")+exposed+`]}`)
		require.NoError(t, err)
		assert.Len(t, keys, 300)
		assert.Len(t, skipped, 1500)
	})
	assert.Less(t, took, 2*time.Second)
}
