package gateway_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBotDetection(t *testing.T) {
	e := start(t, one(`  - {name: bot-detection, config: {allow: ["^Googlebot/2"], deny: ["(?i)^curl/", "^Mozilla/4"]}}`))
	for agent, status := range map[string]int{
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0":         200,
		"Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/100 Mobile": 200,
		"python-requests/2.31.0": 200,
		"helloworld":             200,
		" helloworld ":           200,
		"Googlebot/2.1 (+http://www.google.com/bot.html)": 200, // allowed
		"Googlebot/1.0": 403,
		"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)":   403,
		"Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search)":   403,
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)": 403,
		"Apache-HttpClient/4.5.13 (Java/11.0.20)":                                   403,
		"Scrapy/2.11 (+https://scrapy.org)":                                         403,
		"CURL/8.5.0":                                                                403, // denied
		"Mozilla/4.0":                                                               403,
		strings.Repeat("x", 300) + " AhrefsBot/7.0":                                 403,
	} {
		for range 2 { // the second time it is known
			assert.Equal(t, status, e.get("/api", "User-Agent: "+agent).status, agent)
		}
	}
	status, _ := exchange(t, e.url, "GET /api HTTP/1.1\r\nHost: a\r\nUser-Agent: a\r\nUser-Agent: Googlebot/2\r\nConnection: close\r\n\r\n")
	assert.Equal(t, 400, status)
	assert.Equal(t, "bot", e.get("/api", "User-Agent: somebot").json(t)["code"])
	r := e.form("POST", "/plugins", "name", "bot-detection", "config.deny", "(?=x)")
	assert.Equal(t, 400, r.status)
	assert.Contains(t, r.body, "config.deny[0]")
}
