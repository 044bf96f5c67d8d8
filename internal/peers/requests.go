package peers

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"
)

const origin = "https://www.ecolaura.com"

// secret is the HS256 secret of every token row: 48 bytes.
var secret = []byte("a secret of forty-eight bytes, for measuring only")

// get is a GET over https from a browser page of an allowed origin.
func get() *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "https://api.ecolaura.com/api/public/", nil)
	r.Header.Set("Origin", origin)
	r.RemoteAddr = "192.0.2.7:4711"
	return r
}

func plainGet() *http.Request {
	r := get()
	r.Header.Del("Origin")
	return r
}

func denied() *http.Request {
	r := get()
	r.Header.Set("Origin", "https://evil.example")
	return r
}

func preflight() *http.Request {
	r := get()
	r.Method = http.MethodOptions
	r.Header.Set("Access-Control-Request-Method", "PUT")
	r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
	return r
}

// asks returns r with one more field.
func asks(r *http.Request, name, value string) *http.Request {
	r.Header.Set(name, value)
	return r
}

func withToken(r *http.Request) *http.Request {
	return asks(r, "Authorization", "Bearer "+token(secret))
}

// token is an access token as simplejwt writes it, good for a day.
func token(secret []byte) string {
	now := time.Now()
	payload := fmt.Sprintf(`{"token_type":"access","exp":%d,"iat":%d,"jti":"0123456789abcdef0123456789abcdef","user_id":"42"}`,
		now.Add(24*time.Hour).Unix(), now.Unix())
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
