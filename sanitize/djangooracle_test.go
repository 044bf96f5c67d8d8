package sanitize_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

func oracle(tb testing.TB, name string, into any) {
	tb.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	require.NoError(tb, err)
	require.NoError(tb, json.Unmarshal(raw, into))
}

// stricter says by reason which inputs we refuse and Django accepts. Nothing is
// the other way round.
type stricter map[string][]string

// verdicts compares our verdicts with Django's.
type verdicts struct {
	stricter stricter
	seen     map[string]bool // the inputs that differ
}

// check checks one input.
func (v *verdicts) check(t *testing.T, in string, ours, django bool) {
	t.Helper()
	assert.False(t, ours && !django, "%.80q: Django refuses it", in)
	if django && !ours {
		if v.seen == nil {
			v.seen = make(map[string]bool)
		}
		v.seen[in] = true
	}
}

// finish checks that what differs is what is listed.
func (v *verdicts) finish(t *testing.T) {
	t.Helper()
	listed := map[string]bool{}
	for reason, inputs := range v.stricter {
		for _, in := range inputs {
			listed[in] = true
			assert.True(t, v.seen[in], "%q is no difference any more: %s", in, reason)
		}
	}
	for in := range v.seen {
		assert.True(t, listed[in], "stricter than Django without a reason: %q", in)
	}
}

func TestEmailAgainstDjango(t *testing.T) {
	var file struct {
		Cases []struct {
			Input  string
			Django bool
		}
	}
	oracle(t, "validate_email.json", &file)
	require.Len(t, file.Cases, 121)
	label := strings.Repeat("a", 63)
	v := verdicts{stricter: stricter{
		"a quoted local part may hold markup": {
			`"a"@example.com`, `""@example.com`, `"<script>alert(1)</script>"@example.com`, `"';--"@example.com`, "\"\x01\"@example.com", "\"\x7f\"@example.com",
		},
		"a local part has 64 bytes at most (RFC 5321 section 4.5.3.1.1)": {
			strings.Repeat("a.", 32) + "a@example.com", strings.Repeat("x", 254) + "@e.co",
		},
		"an address has 254 bytes at most (RFC 5321 section 4.5.3.1.3)": {
			"a@" + strings.Repeat(label+".", 4) + "com", "a@" + strings.Repeat("a.", 125) + "com",
		},
		"mail to an address literal goes around the domain's owner":     {"a@[::1]", "a@[2001:db8::1]", "a@[::ffff:1.2.3.4]"},
		"an A-label must decode to a domain that can be registered":     {"a@xn--a.com"},
		"some readers take a last label with digits for an address":     {"a@b.a1", "a@b.11"},
		"the Kelvin sign is no ASCII letter, whatever Python's re says": {"\u212a@example.com"},
	}}
	for _, c := range file.Cases {
		assert.Equal(t, c.Django, sanitize.DjangoEmail(c.Input) == nil, "DjangoEmail(%q)", c.Input)
		_, err := sanitize.Email(c.Input)
		v.check(t, c.Input, err == nil, c.Django)
	}
	v.finish(t)
}

func TestRedirectAgainstDjango(t *testing.T) {
	var file struct {
		Cases []struct {
			Input          string
			Allowed        bool
			AllowedNoHosts bool `json:"allowed_no_hosts"`
		}
	}
	oracle(t, "redirect_safe.json", &file)
	require.Len(t, file.Cases, 53)
	v := verdicts{stricter: stricter{
		"relative to a path that the writer may not think of":   {"a", "./x", "../x", "#x", "good.com"},
		"browsers drop white space and controls":                {" /a", "\t/a", "/\n/evil.com", "http://good.com\n"},
		"a proxy may resolve the dot segments, into //evil.com": {"/..//evil.com", "/%2e%2e//evil.com"},
		"a bidi control reorders what is shown":                 {"/\u202e"},
	}}
	for _, c := range file.Cases {
		_, err := sanitize.Redirect(c.Input, "good.com")
		v.check(t, c.Input, err == nil, c.Allowed)
		_, err = sanitize.Redirect(c.Input)
		v.check(t, c.Input, err == nil, c.AllowedNoHosts)
	}
	v.finish(t)
}

// Django repairs file names; we refuse those that it would have changed, but for
// dollar signs and the like, which people have in theirs. Repaired, a name is good.
func TestFilenameAgainstDjango(t *testing.T) {
	var file struct {
		Cases []struct {
			Input   string
			Name    any `json:"get_valid_filename"`
			Slugify string
		}
	}
	oracle(t, "filenames.json", &file)
	require.Len(t, file.Cases, 14)
	const dollar = "$(x).sh"
	v := verdicts{stricter: stricter{"a device on Windows": {"CON"}}}
	for _, c := range file.Cases {
		got, err := sanitize.Filename(c.Input)
		v.check(t, c.Input, err == nil && got == c.Input, c.Name == c.Input || c.Input == dollar)
		_, err = sanitize.Filename(sanitize.RepairFilename(c.Input))
		require.NoError(t, err, c.Input)
		if c.Slugify != "" {
			assert.NoError(t, sanitize.Slug(c.Slugify))
		}
	}
	v.finish(t)
}

// inJSON returns the verdict of a Binder on a T with the field v.
func inJSON[T any](t *testing.T) func(json.RawMessage) bool {
	t.Helper()
	b := newBinder[T](t, sanitize.Config{})
	return func(in json.RawMessage) bool {
		_, err := b.Bind(httptest.NewRecorder(), post("application/json", `{"v":`+string(in)+"}"))
		return err == nil
	}
}

// inForm is the same for a form, where numbers are text.
func inForm[T any](t *testing.T) func(json.RawMessage) bool {
	t.Helper()
	b := newBinder[T](t, forms())
	return func(in json.RawMessage) bool {
		var s string
		require.NoError(t, json.Unmarshal(in, &s))
		_, err := b.Bind(httptest.NewRecorder(), post(formType, url.Values{"v": {s}}.Encode()))
		return err == nil
	}
}

func TestTagsAgainstDjangosValidators(t *testing.T) {
	var file struct {
		Validators map[string][]struct {
			Input json.RawMessage
			Valid bool
		}
	}
	oracle(t, "validators.json", &file)
	ftp := func(in json.RawMessage) bool { // Django's default schemes; the tag's are http and https
		var s string
		require.NoError(t, json.Unmarshal(in, &s))
		_, err := sanitize.URL(s, "http", "https", "ftp", "ftps")
		return err == nil
	}
	tests := map[string]struct {
		accepts  func(json.RawMessage) bool
		stricter stricter
	}{
		"url": {ftp, stricter{
			"there is no such port":                          {"http://example.com:99999/"},
			"the label decodes to what cannot be registered": {"http://xn--7sbb4ac0ad0be6cf.xn--p1ai"},
			"a final dot makes a second name of one host":    {"http://www.foo.bar./"},
		}},
		"ipv6": {inJSON[struct {
			V string `json:"v" validate:"ipv6"`
		}](t), stricter{
			"a zone names an interface of one machine":            {"::1%lo", "fe80::1%eth0"},
			"an IPv4 address in IPv6 form is one, to filters too": {"::ffff:1.2.3.4"},
		}},
		"integer": {inForm[struct {
			V int `json:"v"`
		}](t), stricter{"digits of other scripts: few other readers take them": {"١", "１"}}},
		"slug": {inJSON[struct {
			V string `json:"v" validate:"slug"`
		}](t), nil},
		"ipv4": {inJSON[struct {
			V string `json:"v" validate:"ipv4"`
		}](t), nil},
		"ipv46": {inJSON[struct {
			V string `json:"v" validate:"ip"`
		}](t), nil},
		"min_length_10": {inJSON[struct {
			V string `json:"v" validate:"min=10"`
		}](t), nil},
		"max_length_10": {inJSON[struct {
			V string `json:"v" validate:"max=10"`
		}](t), nil},
		"null_chars": {inJSON[struct {
			V string `json:"v"`
		}](t), nil},
		"decimal_2_1": {inJSON[struct {
			V string `json:"v" validate:"decimal=2:1"`
		}](t), nil},
		"decimal_2_2": {inJSON[struct {
			V string `json:"v" validate:"decimal=2:2"`
		}](t), nil},
		"decimal_3_1": {inJSON[struct {
			V string `json:"v" validate:"decimal=3:1"`
		}](t), nil},
		"decimal_4_1": {inJSON[struct {
			V string `json:"v" validate:"decimal=4:1"`
		}](t), nil},
		"decimal_5_2": {inJSON[struct {
			V string `json:"v" validate:"decimal=5:2"`
		}](t), nil},
	}
	noCounterpart := map[string]string{
		"unicode_slug":                 "a slug is ASCII, so that two that look alike are the same",
		"comma_separated_integer_list": "a list is a JSON list or a repeated parameter, with dive",
		"int_list_neg_semicolon":       "the same",
		"decimal_20_2":                 "a decimal has 18 digits at most: decimal=20:2 is a mistake in the tag",
		"file_ext_txt_pdf":             "the types tag compares extension, declared type and content of a File",
	}
	for name, cases := range file.Validators {
		t.Run(name, func(t *testing.T) {
			tt, ours := tests[name]
			if !ours {
				assert.Contains(t, noCounterpart, name)
				return
			}
			v := verdicts{stricter: tt.stricter}
			for _, c := range cases {
				var s string
				require.NoError(t, json.Unmarshal(c.Input, &s))
				v.check(t, s, tt.accepts(c.Input), c.Valid)
			}
			v.finish(t)
		})
	}
	assert.Len(t, file.Validators, len(tests)+len(noCounterpart), "nothing is missing in the oracle, nothing twice here")
}
