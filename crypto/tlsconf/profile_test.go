package tlsconf_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/tlsconf"
)

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// rsaPair writes a pair with an RSA key of the given size.
func (a *authority) rsaPair(t testing.TB, dir, name string, bits int, names ...string) (certFile, keyFile string) {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	k, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "leaf"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: year(), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	write(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
	return certFile, keyFile
}

func TestTheCertificateIsChosenByTheServerName(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	cert, key := ca.pair(t, dir, "first", year(), "first.example")
	more := make([]tlsconf.Files, 2)
	more[0].CertFile, more[0].KeyFile = ca.pair(t, dir, "shop", year(), "shop.example", "www.shop.example")
	more[1].CertFile, more[1].KeyFile = ca.pair(t, dir, "wild", year(), "*.shop.example")
	r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key, More: more})
	require.NoError(t, err)
	defer r.Close()
	for asked, want := range map[string]string{
		"first.example": "first.example", "": "first.example", "unknown.example": "first.example",
		"shop.example": "shop.example", "WWW.Shop.Example": "shop.example",
		"a.shop.example": "*.shop.example", "a.b.shop.example": "first.example",
	} {
		state, _, err := handshake(r.TLSConfig(), &tls.Config{ServerName: asked, InsecureSkipVerify: true})
		require.NoError(t, err, asked)
		require.Equal(t, want, state.PeerCertificates[0].DNSNames[0], "asked for %q", asked)
	}
}

func TestOfTwoCertificatesForOneNameTheClientGetsOneItSupports(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	cert, key := ca.pair(t, dir, "ecdsa", year(), "a.example")
	more := make([]tlsconf.Files, 1)
	more[0].CertFile, more[0].KeyFile = ca.rsaPair(t, dir, "rsa", 2048, "a.example")
	r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key, More: more})
	require.NoError(t, err)
	defer r.Close()
	for suite, want := range map[uint16]x509.PublicKeyAlgorithm{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: x509.ECDSA, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: x509.RSA,
	} {
		state, _, err := handshake(r.TLSConfig(), &tls.Config{
			ServerName: "a.example", RootCAs: ca.pool, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite},
		})
		require.NoError(t, err)
		assert.Equal(t, want, state.PeerCertificates[0].PublicKeyAlgorithm)
	}
}

func TestTheProfilesAdmitWhatMozillaAdmits(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	cert, key := ca.pair(t, dir, "a", year(), "a.example")
	tests := []struct {
		profile tlsconf.Profile
		client  *tls.Config
		want    bool
	}{
		{tlsconf.Intermediate, &tls.Config{}, true},
		{tlsconf.Intermediate, &tls.Config{MaxVersion: tls.VersionTLS12}, true},
		{tlsconf.Intermediate, &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, false},
		{tlsconf.Intermediate, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}}, true},
		{tlsconf.Intermediate, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}, false},
		{tlsconf.Intermediate, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP256}}, true},
		{tlsconf.Intermediate, &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}, true},
		{tlsconf.Intermediate, &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP521}}, false},
		{tlsconf.Modern, &tls.Config{}, true},
		{tlsconf.Modern, &tls.Config{MaxVersion: tls.VersionTLS12}, false},
	}
	for _, tt := range tests {
		r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key, Profile: tt.profile})
		require.NoError(t, err)
		client := tt.client.Clone()
		client.ServerName, client.RootCAs = "a.example", ca.pool
		_, _, err = handshake(r.TLSConfig(), client)
		assert.Equal(t, tt.want, err == nil, "%v with %v: %v", tt.profile, tt.client.CipherSuites, err)
		require.NoError(t, r.Close())
	}
}

// clientOf returns a client with a certificate of the authority by.
func clientOf(t testing.TB, server, by *authority, dir string) *tls.Config {
	t.Helper()
	c := &tls.Config{ServerName: "a.example", RootCAs: server.pool, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
	if by != nil {
		cert, key := by.pair(t, dir, "client", year())
		pair, err := tls.LoadX509KeyPair(cert, key)
		require.NoError(t, err)
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return c
}

func TestClientCertificates(t *testing.T) {
	ca, stranger, dir := newAuthority(t), newAuthority(t), t.TempDir()
	cert, key := ca.pair(t, dir, "a", year(), "a.example")
	write(t, filepath.Join(dir, "ca.crt"), ca.pem())
	tests := []struct {
		desc     string
		optional bool
		by       *authority
		want     bool
		verified bool
	}{
		{"none where one is required", false, nil, false, false},
		{"a good one", false, ca, true, true},
		{"one of another authority", false, stranger, false, false},
		{"none where it is optional", true, nil, true, false},
		{"a good one where it is optional", true, ca, true, true},
		{"one of another authority where it is optional", true, stranger, false, false},
	}
	for _, tt := range tests {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tt.desc+" "+tls.VersionName(version), func(t *testing.T) {
				r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key, ClientCAs: filepath.Join(dir, "ca.crt"), ClientOptional: tt.optional})
				require.NoError(t, err)
				defer r.Close()
				server := r.TLSConfig()
				var verified bool
				server.VerifyConnection = func(s tls.ConnectionState) error { verified = len(s.VerifiedChains) > 0; return nil }
				client := clientOf(t, ca, tt.by, t.TempDir())
				client.MaxVersion = version
				_, serverErr, _ := handshake(server, client)
				assert.Equal(t, tt.want, serverErr == nil, "%v", serverErr)
				assert.Equal(t, tt.verified, verified)
			})
		}
	}
}

func TestAnAuthorityThatIsTakenOutGetsNoNewConnectionAndResumesNoOldOne(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		ca, next, dir := newAuthority(t), newAuthority(t), t.TempDir()
		cert, key := ca.pair(t, dir, "a", year(), "a.example")
		cas := filepath.Join(dir, "ca.crt")
		write(t, cas, append(ca.pem(), next.pem()...))
		r, err := tlsconf.New(tlsconf.Config{CertFile: cert, KeyFile: key, ClientCAs: cas})
		require.NoError(t, err)
		defer r.Close()
		server := r.TLSConfig()
		client := clientOf(t, ca, ca, t.TempDir())
		client.MaxVersion = version
		_, serverErr, clientErr := handshake(server, client)
		require.NoError(t, serverErr)
		require.NoError(t, clientErr)
		state, serverErr, _ := handshake(server, client)
		require.NoError(t, serverErr)
		require.True(t, state.DidResume, "else this test shows nothing")

		write(t, cas, next.pem())
		require.NoError(t, r.Reload())
		_, serverErr, _ = handshake(server, client)
		require.Error(t, serverErr)
		_, serverErr, _ = handshake(server, clientOf(t, ca, next, t.TempDir()))
		require.NoError(t, serverErr)
	}
}

func TestNewSaysEveryMistakeAtOnce(t *testing.T) {
	r, err := tlsconf.New(tlsconf.Config{More: make([]tlsconf.Files, 1), ClientOptional: true, Profile: 7, Interval: -1, ExpiryWarning: -1})
	assert.Nil(t, r)
	var fields []string
	for m := range rampart.Mistakes(err) {
		assert.Equal(t, "tlsconf.Config", m.Type)
		fields = append(fields, m.Field+" "+string(m.Reason))
	}
	assert.Equal(t, []string{
		"CertFile missing", "KeyFile missing", "More[0].CertFile missing", "More[0].KeyFile missing",
		"ClientOptional pointless", "Profile invalid", "Interval invalid", "ExpiryWarning invalid",
	}, fields)
}

func TestNewSaysWhatIsWrongWithEachFile(t *testing.T) {
	ca, dir := newAuthority(t), t.TempDir()
	cert, key := ca.pair(t, dir, "a", year(), "a.example")
	expired, expiredKey := ca.pair(t, dir, "expired", time.Now().Add(-time.Minute), "a.example")
	weak, weakKey := ca.rsaPair(t, dir, "weak", 1024, "weak.example")
	large := filepath.Join(dir, "large")
	require.NoError(t, os.WriteFile(large, make([]byte, 1<<20+1), 0o600))
	tests := map[string]struct {
		cfg  tlsconf.Config
		want []string
	}{
		"both files missing": {tlsconf.Config{CertFile: "nosuch", KeyFile: "nosuch"}, []string{"CertFile unreadable", "KeyFile unreadable"}},
		"a directory":        {tlsconf.Config{CertFile: dir, KeyFile: key}, []string{"CertFile unreadable"}},
		"a large file":       {tlsconf.Config{CertFile: cert, KeyFile: key, ClientCAs: large}, []string{"ClientCAs unreadable"}},
		"expired":            {tlsconf.Config{CertFile: expired, KeyFile: expiredKey}, []string{"CertFile not_valid_now"}},
		"weak, and more": {tlsconf.Config{CertFile: weak, KeyFile: weakKey, More: []tlsconf.Files{{CertFile: cert, KeyFile: weakKey}}, ClientCAs: key}, []string{
			"KeyFile weak", "More[0].CertFile not_a_pair", "ClientCAs no_certificate",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tlsconf.New(tt.cfg)
			var got []string
			for m := range rampart.Mistakes(err) {
				got = append(got, m.Field+" "+string(m.Reason))
			}
			assert.Equal(t, tt.want, got)
		})
	}
}
