package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/jose"
)

const (
	defaultDeviceName     = hostPrefix + "device"
	defaultDeviceLifetime = 180 * 24 * time.Hour
	maxDeviceLifetime     = 400 * 24 * time.Hour // browsers keep no cookie longer (RFC 6265bis section 5.5)
	defaultDeviceAccounts = 4
	maxDeviceAccounts     = 16
)

// DeviceCookieConfig configures a [DeviceCookie].
type DeviceCookieConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Key proves that a cookie is ours: one for [auth.HS256], the same on every
	// instance. It may be one that also signs tokens. Required. Where it changes,
	// each device is a stranger once more.
	Key *auth.Key

	// Name of the cookie, with the prefix __Host-. "": "__Host-device".
	Name string

	// Lifetime is how long after its last log-in a device is known. A minute to
	// 400 days; 0: 180 days.
	Lifetime time.Duration

	// Accounts is how many of those that last logged in with one browser are
	// known there, 16 at most. 0: 4.
	Accounts int
}

// A DeviceCookie tells the devices that have logged in to an account from all
// others, after OWASP's "Slow Down Online Guessing Attacks with Device Cookies". A
// limit on guesses by account then need not lock out its owner: a [Guard] counts
// what comes from a known device by account and device, and only what comes from
// strangers by the account alone. [Config].DeviceCookie has it set at each
// log-in.
//
// It proves nothing but a log-in at an earlier time, and never replaces one. It
// does not tell which accounts it is for. Browsers keep it only over TLS or from
// the loopback address. It is safe for concurrent use. Create one with
// [NewDeviceCookie]; the zero DeviceCookie knows no device.
type DeviceCookie struct {
	key      *auth.Key
	name     string
	lifetime time.Duration
	accounts int
}

// NewDeviceCookie returns a DeviceCookie for cfg, or every mistake in cfg, each a
// [rampart.ConfigError], joined. Changing cfg afterwards has no effect.
func NewDeviceCookie(cfg DeviceCookieConfig) (*DeviceCookie, error) {
	d := &DeviceCookie{key: cfg.Key, name: cfg.Name, lifetime: cfg.Lifetime, accounts: cfg.Accounts}
	if d.name == "" {
		d.name = defaultDeviceName
	}
	if d.lifetime == 0 {
		d.lifetime = defaultDeviceLifetime
	}
	if d.accounts == 0 {
		d.accounts = defaultDeviceAccounts
	}
	bad := conferr.For("session.DeviceCookieConfig")
	const wantKey = "give a key of NewKey(auth.HS256, …), the same on every instance"
	switch {
	case !jose.CanSign(d.key):
		bad.Add("Key", rampart.ReasonMissing, nil, wantKey)
	case d.key.Algorithm() != auth.HS256:
		bad.Add("Key", auth.ReasonMismatch, d.key.Algorithm(), wantKey)
	}
	bad.If(!isCookieName(d.name), "Name", rampart.ReasonInvalid, d.name, wantCookie)
	bad.If(d.lifetime < time.Minute || d.lifetime > maxDeviceLifetime, "Lifetime", rampart.ReasonInvalid, d.lifetime, "use 1m to 9600h (400 days); 0 means 4320h (180 days)")
	bad.If(d.accounts < 0 || d.accounts > maxDeviceAccounts, "Accounts", rampart.ReasonInvalid, d.accounts, "use 1 to 16; 0 means 4")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return d, nil
}

// An entry of the cookie is for one account: a random id of the device, until
// when it is good, and the MAC of both and the account.
const (
	deviceID    = 16
	deviceEntry = deviceID + 8 + sha256.Size
	deviceText  = (deviceEntry*8 + 5) / 6 // in unpadded base64
)

// entries returns what the cookie of r holds and has not expired. It may be forged.
func (d *DeviceCookie) entries(r *http.Request) [][]byte {
	cookies := r.CookiesNamed(d.name)
	if len(cookies) != 1 || len(cookies[0].Value) > maxDeviceAccounts*(deviceText+1) {
		return nil
	}
	now := time.Now()
	var found [][]byte
	for text := range strings.SplitSeq(cookies[0].Value, ".") {
		entry, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(entry) != deviceEntry {
			continue
		}
		expires := int64(binary.BigEndian.Uint64(entry[deviceID:])) //nolint:gosec // what is not ours fails at the MAC
		if now.Unix() < expires {
			found = append(found, entry)
		}
	}
	return found
}

// sign appends the MAC for account to an entry without one.
func (d *DeviceCookie) sign(entry []byte, account string) []byte {
	// No signing input of a token has a zero byte in it (RFC 7515 section 5.1).
	input := binary.BigEndian.AppendUint64([]byte("rampart device cookie 1\x00"), uint64(len(account)))
	input = append(append(input, account...), entry...)
	return jose.MAC(d.key, slices.Clone(entry), input)
}

// signed reports whether entry is of account.
func (d *DeviceCookie) signed(entry []byte, account string) bool {
	return hmac.Equal(entry, d.sign(entry[:deviceID+8], account)) // constant time
}

// Device reports whether r comes from a device that has logged in to account before,
// and returns the id of that device, by which its guesses can be counted: it is
// not secret, and another one after each log-in.
func (d *DeviceCookie) Device(r *http.Request, account string) (id string, known bool) {
	if d == nil || d.key == nil {
		return "", false
	}
	for _, entry := range d.entries(r) {
		if d.signed(entry, account) {
			return base64.RawURLEncoding.EncodeToString(entry[:deviceID]), true
		}
	}
	return "", false
}

// Set has the device that sent r be known for account from now on. The accounts
// that it is known for already stay, as far as there is room. Call it only after
// a log-in, before the header is written.
func (d *DeviceCookie) Set(w http.ResponseWriter, r *http.Request, account string) {
	if d == nil || d.key == nil {
		return
	}
	entry := make([]byte, deviceID, deviceEntry)
	_, _ = rand.Read(entry) // never fails
	expires := time.Now().Add(d.lifetime).Unix()
	entry = binary.BigEndian.AppendUint64(entry, uint64(expires)) //nolint:gosec // after 1970
	texts := []string{base64.RawURLEncoding.EncodeToString(d.sign(entry, account))}
	for _, other := range d.entries(r) {
		if len(texts) < d.accounts && !d.signed(other, account) {
			texts = append(texts, base64.RawURLEncoding.EncodeToString(other))
		}
	}
	http.SetCookie(w, newCookie(d.name, strings.Join(texts, "."), int(d.lifetime/time.Second)))
}
