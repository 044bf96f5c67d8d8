package replay_test

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/examples/internal/replay"
)

func token(claims string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestFactsLeaveOutWhatIsNewAtEachRun(t *testing.T) {
	at := time.Date(2026, 11, 22, 22, 12, 32, 0, time.UTC)
	facts := replay.Answer{
		Status: 200,
		Headers: map[string]string{
			"Date": at.Format("Mon, 02 Jan 2006 15:04:05 GMT"), "Server": "gunicorn", "Content-Length": "7",
			"Allow": "POST, GET", "Location": "https://127.0.0.1:9100/a", "Retry-After": "3599", "X-Request-ID": "a",
			"Set-Cookie": "a=b; expires=Sun, 21 Nov 2027 22:12:36 GMT; Path=/; Secure", "WWW-Authenticate": "Bearer",
		},
		Body: fmt.Sprintf(`{"id":7,"user":{"id":8,"ids":[1,"1",null,1.50]},"none":{},"empty":[],"wait":"in 3600 seconds.","html":"<b>&","access":%q}`,
			token(fmt.Sprintf(`{"exp":%d,"iat":%d,"jti":"x","user_id":1}`, at.Unix()+301, at.Unix()-1))),
	}.Facts(replay.Case{Method: "GET"})
	assert.Equal(t, replay.Facts{
		"status": "200", "header Allow": "GET, POST", "header Location": "https://host:port/a", "header Retry-After": "60 minutes",
		"header X-Request-Id": "random", "header Set-Cookie": "a=…; expires; Path=…; Secure", "header Www-Authenticate": "Bearer",
		"id": "a number", "user.id": "a number", "user.ids[0]": "1", "user.ids[1]": `"1"`, "user.ids[2]": "null", "user.ids[3]": "1.50",
		"none": "{}", "empty": "[]", "wait": `"in 60 minutes."`, "html": `"<b>&"`,
		"access{alg}": `"HS256"`, "access{exp}": "5m0s", "access{iat}": "0s", "access{jti}": "random", "access{user_id}": "1",
	}, facts)
}

func TestFactsOfOtherBodies(t *testing.T) {
	for body, want := range map[string]string{
		"":                              "",
		"{}":                            "{}",
		`"a"`:                           `"a"`,
		"<title>\n Not Found\n</title>": "page: Not Found",
		"plain":                         "plain",
		"{} {}":                         "{} {}",
		`"a.b.c"`:                       `"a.b.c"`,
	} {
		assert.Equal(t, want, replay.Answer{Status: 200, Body: body}.Facts(replay.Case{Method: "GET"})["body"], body)
	}
	assert.Empty(t, replay.Answer{Body: "{}"}.Facts(replay.Case{Method: "HEAD"})["body"])
}

func TestADifferenceIsToldFromBothSides(t *testing.T) {
	a, b := replay.Facts{"same": "1", "a": "1", "both": "1"}, replay.Facts{"same": "1", "b": "2", "both": "2"}
	assert.Equal(t, map[string][2]string{"a": {"1", ""}, "b": {"", "2"}, "both": {"1", "2"}}, a.Diff(b))
	assert.Empty(t, a.Diff(a))
}
