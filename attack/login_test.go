package attack_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/attack"
)

// TestALogInThatGivesNothingIsAFinding: what the suite cannot get into is not called good.
func TestALogInThatGivesNothingIsAFinding(t *testing.T) {
	for desc, tt := range map[string]struct {
		login attack.LoginForm
		body  string
	}{
		"a body that is not JSON":    {attack.LoginForm{Path: "/login", JSON: true}, "welcome"},
		"JSON without a token":       {attack.LoginForm{Path: "/login", JSON: true}, `{"user":1}`},
		"a page without a cookie":    {attack.LoginForm{Path: "/login", Cookies: true, Page: "/login"}, `<input name="csrfmiddlewaretoken" value="t">`},
		"a page without the field":   {attack.LoginForm{Path: "/login", Cookies: true, Page: "/login"}, `<input name="other" value="t">`},
		"a cookie that is malformed": {attack.LoginForm{Path: "/login", Cookies: true}, "cookie"},
	} {
		t.Run(desc, func(t *testing.T) {
			t.Parallel()
			findings, err := attack.Scan(t.Context(), attack.Target{
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/login" {
						http.NotFound(w, r)
						return
					}
					if tt.body == "cookie" {
						w.Header().Add("Set-Cookie", "=; =")
						w.Header().Add("Set-Cookie", "session=")
					}
					_, _ = w.Write([]byte(tt.body))
				}),
				Login: tt.login.Login, Secure: "/secure", Alice: attack.Account{Name: "alice", Password: "a"}, Bob: attack.Account{Name: "bob", Password: "b"},
			})
			require.NoError(t, err)
			var ids []string
			for _, f := range findings {
				ids = append(ids, f.ID)
			}
			assert.Contains(t, ids, "misdescribed")
		})
	}
}
