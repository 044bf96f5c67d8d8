package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/examples/internal/replay"
)

// originals says with which flags this server stands for each variant of the original
// that was recorded. The proxy of the recording says https; here it is the test itself.
// Where there is no flag the variant's server is that of another.
func originals() map[string][]string {
	kept := append([]string{"-rotate=false", "-legacy-keys", "-trusted-proxies", "127.0.0.0/8"}, wide...) // the original limits no log-in
	rotating := append([]string{"-trusted-proxies", "127.0.0.0/8"}, wide...)
	return map[string][]string{
		"seeds": kept, "rotate": rotating,
		"noblacklist": rotating, // a log-out always ends the session
		"creds":       kept,     // a bearer token is no credential of CORS
		"corstop":     kept,     // the order of the layers is fixed
		"throttle":    {"-rotate=false", "-trusted-proxies", "127.0.0.0/8"},
		"proxies1":    {"-rotate=false", "-trusted-proxies", "1"},
	}
}

// TestTheOriginalsRequestsGetTheOriginalsAnswers replays what was recorded from
// Django, all of it. Status, headers and bodies are equal, or the guide has the
// difference in one of its tables; what it has there is so.
func TestTheOriginalsRequestsGetTheOriginalsAnswers(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "django_blackbox.json"))
	require.NoError(t, err)
	var file struct{ Cases []replay.Case }
	require.NoError(t, json.Unmarshal(raw, &file))
	require.Len(t, file.Cases, 181)
	listed := readGuide(t)
	servers := map[string]*original{}
	for _, c := range file.Cases {
		flags := originals()[c.Stack]
		require.NotNil(t, flags, c.Stack)
		o := servers[strings.Join(flags, " ")]
		if o == nil {
			o = standIn(t, flags...)
			servers[strings.Join(flags, " ")] = o
		}
		t.Run(c.ID+" "+c.Title, func(t *testing.T) {
			sent := c.Fill(o.values)
			long(&sent)
			got, err := sent.Send(t.Context(), o.url)
			require.NoError(t, err)
			o.learn(t, c, got)
			differ := listed.beyondEverywhere(c.Answer.Facts(c).Diff(got.Facts(c)))
			if code := got.Facts(c)["code"]; c.Answer.Status != got.Status && code != "" {
				differ["code"] = [2]string{c.Answer.Facts(c)["code"], code} // which refusal it is
			}
			want, row := listed.cases[c.ID], caseRow(c, got, differ)
			delete(listed.cases, c.ID)
			if len(differ) == 0 && want != "" {
				t.Errorf("a row of the guide is stale, nothing differs:\n%s", want)
			} else if len(differ) > 0 && !strings.HasPrefix(want, row) {
				t.Errorf("not in the guide, or otherwise:\n%s why |\nit has\n%s\n%s", row, want, got.Body)
			}
		})
	}
	for _, row := range listed.cases {
		t.Errorf("a row of the guide is about no case:\n%s", row)
	}
	for _, row := range listed.everywhere {
		if row.uses == 0 {
			t.Errorf("a row of the guide is stale, nothing differs so:\n%s", row.row)
		}
	}
}

// guide is what the document lists as different.
type guide struct {
	everywhere []*everywhere
	cases      map[string]string // row by id
}

// everywhere is a row that holds for every answer.
type everywhere struct {
	row                string
	fact, theirs, ours *regexp.Regexp
	uses               int
}

var (
	everywhereRow = regexp.MustCompile("(?m)^\\| (`[^|]+`) \\| ([—`][^|]*) \\| ([—`][^|]*) \\| [^|]+ \\|$")
	differenceRow = regexp.MustCompile(`(?m)^\| ([A-Z]\d\d) \| .* \| [^|]+ \|$`)
	codeSpan      = regexp.MustCompile("`[^`]*`|—")
)

func readGuide(t *testing.T) *guide {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "migrating-from-django.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## Responses of the example server that differ\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	g := &guide{cases: map[string]string{}}
	for _, m := range everywhereRow.FindAllStringSubmatch(section, -1) {
		g.everywhere = append(g.everywhere, &everywhere{row: m[0], fact: cellPattern(strings.ToLower(m[1])), theirs: cellPattern(m[2]), ours: cellPattern(m[3])})
	}
	for _, m := range differenceRow.FindAllStringSubmatch(section, -1) {
		require.Empty(t, g.cases[m[1]], "two rows of %s", m[1])
		g.cases[m[1]] = m[0]
	}
	return g
}

// cellPattern is a cell of the guide as an expression: any of its words in code, where
// a star stands for any text, and a dash for nothing.
func cellPattern(cell string) *regexp.Regexp {
	var words []string
	for _, span := range codeSpan.FindAllString(cell, -1) {
		words = append(words, strings.ReplaceAll(regexp.QuoteMeta(strings.Trim(span, "`—")), `\*`, ".+"))
	}
	return regexp.MustCompile("^(" + strings.Join(words, "|") + ")$")
}

// beyondEverywhere returns the differences that are not those of every answer.
func (g *guide) beyondEverywhere(differ map[string][2]string) map[string][2]string {
	rest := maps.Clone(differ)
	for fact, d := range differ {
		for _, row := range g.everywhere {
			if row.fact.MatchString(strings.ToLower(strings.TrimPrefix(fact, "header "))) && row.theirs.MatchString(d[0]) && row.ours.MatchString(d[1]) {
				row.uses++
				delete(rest, fact)
			}
		}
	}
	return rest
}

// caseRow is the row of the guide that a difference needs, but for its reason.
func caseRow(c replay.Case, got replay.Answer, differ map[string][2]string) string {
	sides := [2]string{fmt.Sprint(c.Answer.Status), fmt.Sprint(got.Status)}
	for _, fact := range slices.Sorted(maps.Keys(differ)) {
		ofBody := fact != "status" && !strings.HasPrefix(fact, "header ")
		if fact == "status" || ofBody && c.Answer.Status != got.Status && fact != "code" {
			continue // a refusal has another body; its code says which
		}
		for side, value := range differ[fact] {
			if value != "" {
				sides[side] += ", `" + strings.TrimPrefix(fact, "header ") + "` " + strings.ReplaceAll(value, "|", `\|`)
			}
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %s |", c.ID, c.Title, sides[0], sides[1])
}

// long puts in what the recording leaves out for its length.
func long(c *replay.Case) {
	body := map[string]string{
		"G12": `{"email":"ann@example.com","phone":"+49 30 1234567","name":"` + strings.Repeat("<", 200000) + `"}`,
		"G28": strings.Repeat("[", 100000) + strings.Repeat("]", 100000),
		"G29": `{"email":"a@b.co","name":"x","phone":"` + strings.Repeat("9", 6_000_000) + `"}`,
		"G30": "{\"email\":\"a@b.co\",\"name\":\"\xff\xfe\"}", // JSON cannot carry these bytes
	}[c.ID]
	if body != "" {
		c.Body = &body
	}
	switch c.ID {
	case "B32":
		c.Headers["Authorization"] = "Bearer " + strings.Repeat("a", 16384)
	case "H13":
		c.Headers["X-API-Key"] = strings.Repeat("C", 7000)
	}
}

// original is this server in the place of the original, with its accounts and keys.
type original struct {
	*service
	values map[string]string // of placeholders
}

func standIn(t *testing.T, args ...string) *original {
	t.Helper()
	s := startService(t, append([]string{"-hosts", "127.0.0.1:*,api.ecolaura.com:*"}, args...)...)
	s.behindProxy = true
	for _, statement := range []string{
		`UPDATE users SET id = 100 + id`, // theirs begin with alice
		`UPDATE users SET id = 1 WHERE username = 'alice'`,
		`UPDATE users SET id = 2 WHERE username = 'bob'`,
		`INSERT INTO users (id, username, password, scopes, active, demo) SELECT 5, 'inactive', password, '', false, false FROM users WHERE username = 'alice'`,
	} {
		_, err := s.srv.db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	key := func() string { // as secrets.token_urlsafe(32) makes them
		return "Ab" + (rand.Text() + strings.ToLower(rand.Text()))[:41]
	}
	o := &original{s, map[string]string{"key_good": key(), "key_future": key(), "key_inactive": key(), "key_expired": key()}}
	o.values["key_lower"] = strings.ToLower(o.values["key_good"])
	var rows bytes.Buffer
	fmt.Fprintf(&rows, `[{"model":"shop.apikey","pk":1,"fields":{"key":%q,"name":"good","is_active":true,"expires_at":null}},`, o.values["key_good"])
	fmt.Fprintf(&rows, `{"model":"shop.apikey","pk":2,"fields":{"key":%q,"name":"inactive","is_active":false,"expires_at":null}},`, o.values["key_inactive"])
	fmt.Fprintf(&rows, `{"model":"shop.apikey","pk":3,"fields":{"key":%q,"name":"expired","is_active":true,"expires_at":%q}},`, o.values["key_expired"], time.Now().Add(-time.Second).UTC().Format("2006-01-02T15:04:05.000Z"))
	fmt.Fprintf(&rows, `{"model":"shop.apikey","pk":4,"fields":{"key":%q,"name":"","is_active":true,"expires_at":%q}}]`, o.values["key_future"], time.Now().AddDate(0, 0, 30).UTC().Format("2006-01-02T15:04:05.000Z"))
	status, out, log := shell(t, dbFile(t, s), rows.String(), "key", "import", "alice")
	require.Equal(t, 0, status, log)
	require.Equal(t, "Imported 4 keys for alice; 0 were there already.\n", out)
	return o
}

// learn keeps what later cases need of an answer.
func (o *original) learn(t *testing.T, c replay.Case, got replay.Answer) {
	t.Helper()
	var members map[string]any
	if len(c.Captures) > 0 {
		require.NoError(t, json.Unmarshal([]byte(got.Body), &members), got.Body)
	}
	for member, name := range c.Captures {
		o.values[name], _ = members[member].(string)
		if id, ok := members[member].(float64); ok {
			o.values[name] = fmt.Sprint(id)
		}
	}
	switch c.ID {
	case "A01":
		maps.Copy(o.values, forged(t, o))
	case "C09": // in Django the access tokens outlive the log-out, here a new one has to be there
		o.values["a2"], _ = o.login("alice")
	}
}

// forged are tokens that no server issues.
func forged(t *testing.T, o *original) map[string]string {
	t.Helper()
	text, err := os.ReadFile(dbFile(t, o.service) + ".secret-key")
	require.NoError(t, err)
	secret, access, now := strings.TrimSpace(string(text)), o.values["a1"], time.Now().Unix()
	token := func(header string, newHash func() hash.Hash, change map[string]any) string {
		claims := map[string]any{"token_type": "access", "exp": now + 300, "iat": now, "jti": rand.Text(), "user_id": 1}
		maps.Copy(claims, change)
		maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
		return sign(secret, header, claims, newHash)
	}
	with := func(name string, value any) string {
		return token(`{"alg":"HS256","typ":"JWT"}`, sha256.New, map[string]any{name: value})
	}
	refresh := func(name string, value any) string {
		return token(`{"alg":"HS256","typ":"JWT"}`, sha256.New, map[string]any{"token_type": "refresh", name: value})
	}
	none := token(`{"alg":"none","typ":"JWT"}`, sha256.New, nil)
	return map[string]string{
		"bad_sig": access[:len(access)-4] + "AAAA", "pad": access + "=",
		"none":  none[:strings.LastIndex(none, ".")+1],
		"hs512": token(`{"alg":"HS512","typ":"JWT"}`, sha512.New, nil),
		"crit":  token(`{"alg":"HS256","typ":"JWT","crit":["x"],"x":1}`, sha256.New, nil),
		"expd":  with("exp", now-1), "notype": with("token_type", nil), "nojti": with("jti", nil), "noexp": with("exp", nil),
		"nouid": with("user_id", nil), "ghost": with("user_id", 999999), "inact": with("user_id", 5),
		"nbf": with("nbf", now+3600), "iatf": with("iat", now+3600), "uidstr": with("user_id", "1 OR 1=1"),
		"aud": with("aud", "someone-else"), "expfloat": with("exp", float64(now)+300.5), "exphuge": with("exp", 1e18),
		"rexp": refresh("exp", now-1), "rinact": refresh("user_id", 5), "rghost": refresh("user_id", 999999),
	}
}

func sign(secret, header string, claims map[string]any, newHash func() hash.Hash) string {
	payload, _ := json.Marshal(claims)
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	mac := hmac.New(newHash, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
