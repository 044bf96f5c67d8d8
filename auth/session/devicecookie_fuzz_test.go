package session_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// FuzzDeviceCookie: nothing that is put into a cookie makes it panic, or a device
// known that never logged in.
func FuzzDeviceCookie(f *testing.F) {
	d := newDeviceCookie(f)
	var mine browser
	good := mine.logIn(f, d, "alice").Value // another one in each process that fuzzes
	for _, junk := range []string{".", "..", "=", "A", "AAAA.", ""} {
		f.Add(junk, uint16(0), "alice")
		f.Add(junk, uint16(40), "bob")
	}
	f.Fuzz(func(t *testing.T, junk string, at uint16, account string) {
		cut := int(at) % (len(good) + 1)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.AddCookie(&http.Cookie{Name: "__Host-device", Value: good[:cut] + junk + good[cut:]})
		sent, err := r.Cookie("__Host-device") // without what no cookie can hold
		if _, known := d.Device(r, account); known && (account != "alice" || err != nil || !slices.Contains(strings.Split(sent.Value, "."), good)) {
			t.Fatalf("%q at %d is known for %q", junk, cut, account)
		}
		d.Set(httptest.NewRecorder(), r, account)
	})
}
