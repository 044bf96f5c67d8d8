package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzBody: no body makes an endpoint panic or answer 5xx.
func FuzzBody(f *testing.F) {
	fixture := newFixture(f)
	for _, seed := range []string{goodLogin, `{"refresh":"x"}`, `[1]`, "username=a&password=b", `{"username":"\u0000"}`, "%zz"} {
		f.Add("application/json", seed)
		f.Add("application/x-www-form-urlencoded", seed)
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		for _, h := range []http.Handler{fixture.IssueHandler(), fixture.RefreshHandler(), fixture.VerifyHandler(), fixture.EndSessionHandler()} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
			r.Header["Content-Type"] = []string{contentType}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Fatalf("%d for %q", w.Code, body)
			}
		}
	})
}
