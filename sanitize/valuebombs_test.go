package sanitize_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/internal/cputime"
	"github.com/ecolaura/rampart/sanitize"
)

// TestBombsOfValues: a list of what takes a careless validator the longest is
// refused as cheaply as the bombs of TestBombs.
func TestBombsOfValues(t *testing.T) {
	b := newBinder[values](t, sanitize.Config{Rules: map[string]func(string) error{"django": sanitize.DjangoEmail}})
	for field, hostile := range hostileValues() {
		for desc, value := range hostile {
			t.Run(field+" of "+desc, func(t *testing.T) {
				list := strings.Repeat(`"`+value+`",`, maxBomb/(len(value)+3)-1)
				err := refuses(t, b, bomb{body: `{"` + field + `":[` + list + `"!"]}`}, field)
				assert.Equal(t, "#/"+field+"/0", problem(t, err).Errors[0].Pointer)
			})
		}
	}
}

// values has a list for each validator.
type values struct {
	Email    []string `json:"email" validate:"dive,email"`
	Django   []string `json:"django" validate:"dive,django"`
	URL      []string `json:"url" validate:"dive,url"`
	Username []string `json:"username" validate:"dive,username"`
	Filename []string `json:"filename" validate:"dive,filename"`
	Phone    []string `json:"phone" validate:"dive,phone"`
	IP       []string `json:"ip" validate:"dive,ip"`
	Slug     []string `json:"slug" validate:"dive,slug"`
	Decimal  []string `json:"decimal" validate:"dive,decimal=10:2"`
	Language []string `json:"language" validate:"dive,bcp47_language_tag"`
	Hostname []string `json:"hostname" validate:"dive,hostname_rfc1123"`
	FQDN     []string `json:"fqdn" validate:"dive,fqdn"`
	Semver   []string `json:"semver" validate:"dive,semver"`
	Cron     []string `json:"cron" validate:"dive,cron"`
	Cidr     []string `json:"cidr" validate:"dive,cidr"`
	Date     []string `json:"date" validate:"dive,datetime=2006-01-02"`
	UUID     []string `json:"uuid" validate:"dive,uuid"`
	HTML     []string `json:"html" validate:"dive,html"`
	Luhn     []string `json:"luhn" validate:"dive,luhn_checksum|credit_card"`
	Strict   []string `json:"strict" validate:"dive,bcp47_strict_language_tag"`
	JSON     []string `json:"json" validate:"dive,json"`
	Color    []string `json:"color" validate:"dive,iscolor"`
	Mongo    []string `json:"mongo" validate:"dive,mongodb_connection_string"`
	URI      []string `json:"uri" validate:"dive,uri|urn_rfc8141|origin"`
}

// hostileValues lists by field what takes a careless validator the longest.
func hostileValues() map[string]map[string]string {
	han := func(n int) string { // no two alike: Punycode looks at all for each
		var b strings.Builder
		for i := range n {
			b.WriteRune(rune(0x4e00 + i*7919%20000))
		}
		return b.String()
	}
	const long = 250 << 10
	hosts := map[string]string{
		"one label of Chinese":            han(330) + ".co",
		"labels of 63 Chinese characters": strings.Repeat(han(63)+".", 3) + han(58) + ".co",
		"characters that become eighteen": strings.Repeat("\ufdfa", 63) + "." + strings.Repeat("\ufdfa", 63) + ".co",
		"characters that become five":     strings.Repeat("㌀㌅㌊㌏㌔㌙㌞㌣㌨㌭㌲㌷㌼㍁㍆㍋㍐㍕", 3) + ".co",
		"one A-label":                     "xn--" + strings.Repeat("a", 990) + ".co",
		"labels of 44 Chinese characters": strings.Repeat(han(44)+".", 2) + "co",
		"many labels":                     strings.Repeat("ü.", 330) + "co",
		"a name that does not come out":   "bℵc.com",
		"marks that are put in order":     "a" + strings.Repeat("\u0323\u0301", 240) + ".co",
		"Korean letters that make one":    strings.Repeat("\u1100\u1161\u11a8", 100) + ".co",
		"labels that are empty":           strings.Repeat("。", 330),
		"a long ASCII label":              strings.Repeat("a", 1000) + ".co",
		"an A-label of much disorder":     "xn--" + strings.Repeat("0z", 29) + ".co",
	}
	emails, urls := map[string]string{"dots": strings.Repeat("a.", 500) + "@x.co"}, map[string]string{
		"a host of 7900 bytes of Chinese": "http://" + han(2600) + ".com/",
		"escapes":                         "http://a/" + strings.Repeat("%41", 2600),
		"dot segments":                    "http://a/" + strings.Repeat("./", 3900),
		"many colons":                     "http://" + strings.Repeat(":", 7900),
		"an IPv6 zone":                    "http://[::1%25" + strings.Repeat("a", 7900) + "]/",
	}
	for desc, host := range hosts {
		emails[desc], urls[desc] = "a@"+host, "http://"+host
	}
	return map[string]map[string]string{
		"email": emails,
		"url":   urls,
		"django": {
			"one label of Chinese":            "a@" + han(310) + ".com",
			"labels of 63 Chinese characters": "a@" + strings.Repeat(han(63)+".", 4) + "c",
			"characters that become eighteen": "a@" + strings.Repeat("\ufdfa", 310) + ".com",
			"characters that become five":     "a@" + strings.Repeat("㌀㌅㌊㌏㌔㌙㌞㌣㌨㌭㌲㌷㌼㍁㍆㍋㍐㍕", 17) + ".com",
		},
		"username": {
			"two scripts in turns, then a third":   strings.Repeat("さ田", 74) + "a",
			"marks":                                "a" + strings.Repeat("\u0323\u0301", 145),
			"Korean letters":                       strings.Repeat("\u1100\u1161\u11a8", 66) + "!",
			"four bytes each, then another script": strings.Repeat("\U0001e900", 149) + "a",
		},
		"filename": {"marks": "a" + strings.Repeat("\u0323\u0301", 60) + "?", "growing letters": strings.Repeat("\u0958", 84)},
		"phone":    {"spaces": "+" + strings.Repeat(" ", long), "digits": "+" + strings.Repeat("1", long)},
		"ip":       {"zeros": "::" + strings.Repeat("0", long), "a zone": "::1%" + strings.Repeat("a", long), "colons": strings.Repeat(":", long)},
		"slug":     {"letters": strings.Repeat("a", long) + "!"},
		"decimal":  {"zeros": strings.Repeat("0", long) + "x", "digits": strings.Repeat("9", long), "places": "0." + strings.Repeat("0", long)},
		"language": {"hyphens": strings.Repeat("-", long), "extensions": "en-a" + strings.Repeat("-bb", long/3), "singletons": "en" + strings.Repeat("-a-bb", long/5)},
		"hostname": {"labels": strings.Repeat("1.0-a.", long/6), "hyphens": strings.Repeat("a-", long/2)},
		"fqdn":     {"labels": strings.Repeat("a.", long/2) + "!"},
		"semver":   {"pre-releases": "1.0.0" + strings.Repeat("-0.a", long/4) + "!"},
		"cron":     {"lists": strings.Repeat("1,", long/2) + "!", "stars": strings.Repeat("* ", long/2)},
		"cidr":     {"slashes": strings.Repeat("1/", long/2), "colons": strings.Repeat(":", long)},
		"date":     {"digits": strings.Repeat("2", long)},
		"html":     {"tags": strings.Repeat("<a", 1000)},
		"luhn":     {"digits": strings.Repeat("7", long), "blanks": strings.Repeat("777 ", long/4)},
		"strict":   {"variants": "en" + strings.Repeat("-abcde", long/6)},
		"json":     {"lists": strings.Repeat("[", long), "digits": strings.Repeat("1", long)},
		"color":    {"blanks": "rgb(" + strings.Repeat(" ", long)},
		"mongo":    {"hosts": "mongodb://" + strings.Repeat("a,", 3900)},
		"uri":      {"escapes": ":" + strings.Repeat("%41", 2600)},
		"uuid":     {"zeros": strings.Repeat("0", long), "hyphens": strings.Repeat("-", long)},
	}
}

// TestBombsOfHolders: lists and maps with many elements are checked as cheaply.
func TestBombsOfHolders(t *testing.T) {
	type T struct {
		Unique []string           `json:"unique" validate:"unique,dive,max=2"`
		Keys   map[string]int     `json:"keys" sanitize:"keys,trim,lower,endkeys" validate:"dive,keys,max=2,endkeys,min=2"`
		ByInt  map[int]string     `json:"byInt" validate:"unique,dive,min=2"`
		Any    any                `json:"any"`
		Late   []string           `json:"late" validate:"dive,eqfield=Name"`
		Name   string             `json:"name"`
		Deep   map[string][]*any0 `json:"deep" validate:"dive,keys,min=3,endkeys,min=2,dive,required"`
	}
	b := newBinder[T](t, sanitize.Config{Limits: sanitize.Limits{MaxTokens: 200_000, MaxErrors: 1000}})
	many := func(n int, element func(i int) string) string {
		var s strings.Builder
		for i := range n {
			s.WriteString(element(i) + ",")
		}
		return strings.TrimSuffix(s.String(), ",")
	}
	for desc, body := range map[string]string{
		"a list without an element twice": `{"unique":[` + many(20_000, func(i int) string { return fmt.Sprintf(`"%d"`, i) }) + `]}`,
		"keys that break a rule":          `{"keys":{` + many(20_000, func(i int) string { return fmt.Sprintf(`" K%d":1`, i) }) + `}}`,
		"integers as keys":                `{"byInt":{` + many(20_000, func(i int) string { return fmt.Sprintf(`"%d":"%d"`, i, i%9) }) + `}}`,
		"anything":                        `{"any":[` + many(60_000, func(int) string { return `{"":[]}` }) + `],"x":1}`,
		"elements that ask a field":       `{"late":[` + many(20_000, func(int) string { return `"a"` }) + `],"name":"b"}`,
		"lists in a map":                  `{"deep":{` + many(20_000, func(i int) string { return fmt.Sprintf(`"%x":[null]`, i) }) + `}}`,
	} {
		t.Run(desc, func(t *testing.T) {
			var err error
			spent := cputime.Spent(func() { _, err = b.Bind(httptest.NewRecorder(), post("application/json", body)) })
			assert.Error(t, err)
			assert.Less(t, spent, 2*time.Second, "quadratic, it is minutes")
		})
	}
}
