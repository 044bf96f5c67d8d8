package sanitize_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/sanitize"
)

// verdict checks that a validator accepts in as want, or refuses it if want is
// empty; that what it accepts is a fixed point; and that its error does not
// repeat the value.
func verdict(t *testing.T, validate func(string) (string, error), in, want string) {
	t.Helper()
	got, err := validate(in)
	if want == "" {
		inv, ok := errors.AsType[*sanitize.Invalid](err)
		if assert.True(t, ok, "%q was accepted as %q", in, got) {
			assert.NotEmpty(t, inv.Code)
			if len(in) > 8 {
				assert.NotContains(t, inv.Error(), in)
			}
		}
		return
	}
	if assert.NoError(t, err, "%q", in) {
		assert.Equal(t, want, got)
		again, err := validate(got)
		assert.NoError(t, err, "%q", got)
		assert.Equal(t, got, again)
	}
}

func TestEmail(t *testing.T) {
	for in, want := range map[string]string{
		"Ann.Lee+x@Example.COM":                  "Ann.Lee+x@example.com",
		"a@bücher.example":                       "a@xn--bcher-kva.example",
		"a@xn--bcher-kva.example":                "a@xn--bcher-kva.example",
		"a@faß.de":                               "a@xn--fa-hia.de",
		"a@example。com":                          "a@example.com",
		"o'reilly@x.co":                          "o'reilly@x.co",
		strings.Repeat("a", 64) + "@x.co":        strings.Repeat("a", 64) + "@x.co",
		strings.Repeat("a", 65) + "@x.co":        "",
		"a@" + strings.Repeat("a.", 126) + "co":  "",
		"a@" + strings.Repeat("a", 64) + ".co":   "",
		"a@x.co\n":                               "",
		"a@x.co\x00":                             "",
		"a@x.co.":                                "",
		"a@.x.co":                                "",
		"a@x..co":                                "",
		"a@localhost":                            "",
		"a@-x.co":                                "",
		"a@x-.co":                                "",
		"a@x_y.co":                               "",
		"a@1.2.3.4":                              "",
		"a@1.0x7f":                               "",
		"a@[1.2.3.4]":                            "",
		"a@xn--a.com":                            "",
		"a@b\u0080\u0080.com":                    "",
		"ä@x.co":                                 "",
		".a@x.co":                                "",
		"a.@x.co":                                "",
		"a..b@x.co":                              "",
		`"a"@x.co`:                               "",
		`"<script>alert(1)</script>"@x.co`:       "",
		"a@x.co,b@x.co":                          "",
		"Ann <a@x.co>":                           "",
		"a@b@x.co":                               "",
		"@x.co":                                  "",
		"x.co":                                   "",
		"":                                       "",
		"a@" + strings.Repeat("x", 2000) + ".co": "",
		"a@\xff.co":                              "",
		"a@" + strings.Repeat("ü", 60) + ".example.com":               "",
		"a@" + strings.Repeat("\u1100\u1161", 40) + ".kr":             "a@xn--o39" + strings.Repeat("a", 40) + ".kr",
		"a@" + strings.Repeat("\u1100\u1161", 64) + ".kr":             "",
		"a@" + strings.Repeat("\ufdfa", 4) + ".com":                   "",
		"a@" + strings.Repeat(strings.Repeat("ü", 30)+".", 4) + "com": "a@" + strings.Repeat("xn--"+"tda"+strings.Repeat("a", 29)+".", 4) + "com",
		"a@" + strings.Repeat(strings.Repeat("ü", 34)+".", 4) + "com": "", // takes Punycode long
		"a@" + strings.Repeat("ü.", 126) + "com":                      "",
		"a@ℵℶ.com":  "a@xn--4dbc.com", // Hebrew letters, once they are mapped
		"a@bℵc.com": "",               // and so not among Latin ones
		"a@bℶc.com": "",
		"a@bℷc.com": "",
		"a@bℸc.com": "",
	} {
		verdict(t, sanitize.Email, in, want)
	}
}

func TestDjangoEmail(t *testing.T) {
	for in, want := range map[string]bool{
		"a@localhost": true, "a@LOCALHOST": false, `"a\"b"@x.co`: true, `"a\`: false, `"a`: false, "\"a\\\n\"@x.co": false, `"a"b@x.co`: false,
		"a@[::1]": true, "a@[::1": false, "a@[fe80::1%25x]": false, "a": false, "a@x.c": false, "a@x.-co": true, "a@x.co-": false,
		strings.Repeat("a", 320) + "@x.co": false, "ſ@x.co": true, "a@\ufdd0.com": false,
		"a@" + strings.Repeat("例", 50) + "。com": true, "a@" + strings.Repeat("例", 64) + ".com": false,
		"a@" + strings.Repeat("例。", 100) + "com": true, "a@" + strings.Repeat("\u1100\u1161", 50) + ".kr": true,
		"a@" + strings.Repeat("\ufdfa", 40) + ".com": false,
	} {
		assert.Equal(t, want, sanitize.DjangoEmail(in) == nil, "%q", in)
	}
}

func TestPhone(t *testing.T) {
	for in, want := range map[string]string{
		"+12025550123":                       "+12025550123",
		"+1 (202) 555-0123":                  "+12025550123",
		"+49.30.123456":                      "+4930123456",
		"+12345678":                          "+12345678",
		"+123456789012345":                   "+123456789012345",
		"+1234567":                           "",
		"+1234567890123456":                  "",
		"+49 (0)30 123456":                   "+4930123456",
		"+44\u00a0(0)20\u202f7946\u20110018": "+442079460018",
		"\u202a+1\u00a0(202)\u00a0555\u20110123\u202c": "+12025550123",
		"\u2066+41 44 668\u201218\u201300\u2069":       "+41446681800",
		"\u200e+33 1/42.68\u200953\u200200":            "+33142685300",
		"TEL:+1-202-555-0123":                          "+12025550123",
		"+39 (0)6 1234567":                             "", // the zero is dialled from everywhere
		"+378 (0)549 886543":                           "",
		"+49 (0)(0)30 123456":                          "",
		"+4930 (0)123456":                              "",
		"(0)+4930123456":                               "",
		" +4930123456":                                 "",
		"tel:+1-202-555-0123;ext=4":                    "",
		"+" + strings.Repeat(" ", 250) + "12025550123": "",
		"+0123456789":                                  "",
		"0049 30 123456":                               "",
		"2025550124":                                   "",
		"+1 202 555 0123 x4":                           "",
		"+1 202 555 0123\n":                            "",
		"++12025550123":                                "",
		"+1+2025550123":                                "",
		"+١٢٣٤٥٦٧٨٩":                                   "",
		"+12025550123\x00":                             "",
		"+":                                            "",
		"":                                             "",
		"tel:+1-202-555-0123":                          "+12025550123",
		"tel:":                                         "",
	} {
		verdict(t, sanitize.Phone, in, want)
	}
}

func TestURL(t *testing.T) {
	validate := func(s string) (string, error) {
		u, err := sanitize.URL(s)
		if err != nil {
			return "", err
		}
		return u.String(), nil
	}
	for in, want := range map[string]string{
		"http://example.com":                         "http://example.com",
		"HTTPS://Example.COM:0443/A?b=c#d":           "https://example.com:443/A?b=c#d",
		"http://bücher.example/é":                    "http://xn--bcher-kva.example/%C3%A9",
		"http://[2001:DB8::1]:8080/":                 "http://[2001:db8::1]:8080/",
		"http://LOCALHOST:8000/":                     "http://localhost:8000/",
		"http://10.0.0.1/":                           "http://10.0.0.1/",
		"http://evil.com#@example.com":               "http://evil.com#@example.com",
		"ftp://example.com/":                         "",
		"javascript:alert(1)":                        "",
		"http:example.com":                           "",
		"//example.com":                              "",
		"/path":                                      "",
		"http://user@example.com/":                   "",
		"http://user:pw@example.com/":                "",
		"http://@example.com/":                       "",
		`http://example.com\@evil.com/`:              "",
		"http://example.com:/":                       "",
		"http://example.com:0/":                      "",
		"http://example.com:65536/":                  "",
		"http://example.com:80x/":                    "",
		"http://exa mple.com/":                       "",
		"http://example.com/a b":                     "",
		"http://example.com/\n":                      "",
		"http://example.com/\u202e":                  "",
		"http://example.com./":                       "",
		"http://example/":                            "",
		"http://127.1/":                              "",
		"http://2130706433/":                         "",
		"http://0x7f.0.0.1/":                         "",
		"http://017.0.0.1/":                          "",
		"http://[fe80::1%25eth0]/":                   "",
		"http://[::1/":                               "",
		"http://\xff.com/":                           "",
		"http://example.com/%zz":                     "",
		"http://bℵc.com/":                            "",
		"http://" + strings.Repeat("例", 63) + ".com": "",
		"http://" + strings.Repeat("a", 8000) + ".":  "",
		"": "",
	} {
		verdict(t, validate, in, want)
	}
	_, err := sanitize.URL("ftp://example.com/", "ftp")
	assert.NoError(t, err)
	_, err = sanitize.URL("http://example.com/", "ftp")
	assert.Error(t, err)
}

func TestRedirect(t *testing.T) {
	validate := func(s string) (string, error) { return sanitize.Redirect(s, "good.com", "good.com:8443") }
	for in, want := range map[string]string{
		"/":                       "/",
		"/a/b?next=//evil.com#c":  "/a/b?next=//evil.com#c",
		"/é":                      "/%C3%A9",
		"https://good.com/x":      "https://good.com/x",
		"https://good.com:8443/x": "https://good.com:8443/x",
		"http://good.com":         "http://good.com",
		"https://good.com:443/":   "",
		"https://sub.good.com/":   "",
		"https://GOOD.com/":       "",
		"https://good.com@x.com/": "",
		"https://x@good.com/":     "",
		"ftp://good.com/":         "",
		"//good.com/":             "",
		"//evil.com":              "",
		"///evil.com":             "",
		"/\\evil.com":             "",
		"/%5Cevil.com":            "",
		"/%2Fevil.com":            "",
		"/..//evil.com":           "",
		"/%2e%2e//evil.com":       "",
		"/\t/evil.com":            "",
		" /a":                     "",
		"/a\r\nSet-Cookie: x":     "",
		"/%0d%0aSet-Cookie":       "",
		"relative":                "",
		"#fragment":               "",
		"?query":                  "",
		"":                        "",
		"javascript:alert(1)":     "",
		"http:":                   "",
		"http:///good.com":        "",
		"/%zz":                    "",
		"/\xff":                   "",
		"https://good.com//evil":  "",
	} {
		verdict(t, validate, in, want)
	}
	_, err := sanitize.Redirect("https://good.com/")
	assert.Error(t, err, "no host is listed")
}

func TestFilename(t *testing.T) {
	for in, want := range map[string]string{
		"a.txt":                      "a.txt",
		"café (1).tar.gz":            "café (1).tar.gz",
		"cafe\u0301.png":             "café.png",
		"日本語.pdf":                    "日本語.pdf",
		strings.Repeat("a", 255):     strings.Repeat("a", 255),
		"console.txt":                "console.txt",
		"com10":                      "com10",
		strings.Repeat("a", 256):     "",
		"":                           "",
		".":                          "",
		"..":                         "",
		".htaccess":                  "",
		"a/b":                        "",
		`a\b`:                        "",
		"a\x00.txt":                  "",
		"a\n":                        "",
		"a.":                         "",
		"a ":                         "",
		" a":                         "",
		"-rf":                        "",
		"con":                        "",
		"CON.txt":                    "",
		"aux .txt":                   "",
		"Com1.log":                   "",
		"lpt¹":                       "",
		"a:b":                        "",
		"a%2fb":                      "",
		"$(x).sh":                    "$(x).sh",
		"a*":                         "",
		"\u202egpj.exe":              "",
		"a\u200b.txt":                "",
		"a\xff":                      "",
		"a\u2028b":                   "",
		"<script>":                   "",
		strings.Repeat("\u0958", 84): "", // grows in NFC
		"clock$":                     "",
	} {
		verdict(t, sanitize.Filename, in, want)
	}
}

func TestIP(t *testing.T) {
	validate := func(s string) (string, error) {
		addr, err := sanitize.IP(s)
		return addr.String(), err
	}
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:DB8::1": "2001:db8::1", "::ffff:192.0.2.1": "192.0.2.1",
		"01.2.3.4": "", "1.2.3": "", "::1%lo": "", "[::1]": "", "1.2.3.4:80": "", " ::1": "", "": "", "::1\n": "",
	} {
		verdict(t, validate, in, want)
	}
}

func TestUsername(t *testing.T) {
	for in, want := range map[string]string{
		"Alice":                  "alice",
		"alice.b+c@d-e_f":        "alice.b+c@d-e_f",
		"ａｌｉｃｅ":                  "alice",
		"Žofie1":                 "žofie1",
		"иван":                   "иван",
		"田中さん":                   "田中さん",
		"たなかタロウ":                 "たなかタロウ",
		"김漢":                     "김漢",
		"漢김":                     "漢김",
		"аlice":                  "", // the first letter is Cyrillic
		"aliceα":                 "",
		"さa":                     "",
		"김さ":                     "",
		"a b":                    "",
		"<script>":               "",
		"a\x00":                  "",
		"a\u200bb":               "",
		"":                       "",
		"☺":                      "",
		strings.Repeat("a", 150): strings.Repeat("a", 150),
		strings.Repeat("a", 151): "",
		strings.Repeat("a", 700): "",
		"a\xff":                  "",
	} {
		verdict(t, sanitize.Username, in, want)
	}
}

func TestSlug(t *testing.T) {
	for in, ok := range map[string]bool{"a-B_9": true, "": false, "é": false, "a b": false, "a\n": false} {
		assert.Equal(t, ok, sanitize.Slug(in) == nil, "%q", in)
	}
}
