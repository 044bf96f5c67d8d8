package auth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/auth"
)

// A refusal says nothing of what is wrong with a token, unless Django's clients need it.
func TestARefusalIsInTheWordsThatAreAskedFor(t *testing.T) {
	plain := auth.Simplejwt([]byte(secret))
	plain.DjangoStyle = false
	for _, tt := range []struct {
		desc, credentials string
		cfg               auth.VerifierConfig
		want              string
	}{
		{"a bad token, plain", "Bearer a.b.c", plain, `{"title":"Unauthorized","status":401,"detail":"The token is not valid.","code":"token_not_valid"}`},
		{"a bad token, Django's", "Bearer a.b.c", auth.Simplejwt([]byte(secret)), `{"title":"Unauthorized","status":401,"detail":"Given token not valid for any token type","code":"token_not_valid",
			"messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid or expired"}]}`},
		{"a bad header, plain", "Bearer a b", plain, `{"title":"Unauthorized","status":401,"detail":"The credentials of the request cannot be read.","code":"bad_authorization_header"}`},
		{"a bad header, Django's", "Bearer a b", auth.Simplejwt([]byte(secret)), `{"title":"Unauthorized","status":401,"detail":"Authorization header must contain two space-delimited values","code":"bad_authorization_header"}`},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			v, err := auth.NewVerifier(tt.cfg)
			assert.NoError(t, err)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", tt.credentials)
			w := httptest.NewRecorder()
			v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it is served") })).ServeHTTP(w, r)
			assert.JSONEq(t, tt.want, w.Body.String())
		})
	}
}
