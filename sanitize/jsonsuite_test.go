package sanitize_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecolaura/rampart/sanitize"
)

// jsonSuite holds the cases of the public JSON parsing test suite, written anew
// after their names (github.com/nst/JSONTestSuite): what begins with y_ must be
// accepted, n_ refused, and of i_ RFC 8259 says nothing.
func jsonSuite() map[string][]string {
	return map[string][]string{
		"n_array":  {"[1 true]", `["": 1]`, `[""],`, "[,1]", "[1,,2]", `["x",,]`, `["x"]]`, `["",]`, `["x"`, "[x", "[3[4]]", "[1:2]", "[,]", "[-]", "[   , \"\"]", "[1,]", "[1,,]", "[*]", `[""`, "[1,", "[{}", "[a\xe5]", "[\xff]", "[\"a\",\n4\n,1,", "[\"\va\"\\f]", "[1,\n1\n,1", "[\"\": 1", "[1\n"},
		"n_number": {"[++1234]", "[+1]", "[+Inf]", "[-01]", "[-1.0.]", "[-2.]", "[-NaN]", "[.-1]", "[.2e-3]", "[0.1.2]", "[0.3e+]", "[0.3e]", "[0.e1]", "[0E+]", "[0E]", "[0e+]", "[0e]", "[1.0e+]", "[1.0e-]", "[1.0e]", "[1 000.0]", "[1eE2]", "[2.e+3]", "[2.e-3]", "[2.e3]", "[9.e+]", "[1+2]", "[0x1]", "[0x42]", "[Inf]", "[Infinity]", "[0e+-1]", "[-123.123foo]", "[-Infinity]", "[-foo]", "[- 1]", "[NaN]", "[-012]", "[-.123]", "[-1x]", "[1ea]", "[1.]", "[.123]", "[１]", "[1.2a-3]", "[1.8011670033376514H-308]", "[012]", "123\x00", "[123\xe5]", "[1e1\xe5]", "[0\xe5]\n", "[1e\xe5]", "[-00.0]", "[-00e0]", "[00.0]", "[00e0]"},
		"n_object": {`["x", truth]`, `{"x", null}`, `{"x"::"b"}`, `{"a":"a" 123}`, `{key: 'value'}`, `{"a" b}`, `{:"b"}`, `{"a" "b"}`, `{"a":`, `{"a"`, `{1:1}`, `{9999E9999:1}`, `{null:null,null:null}`, `{"id":0,,,,,}`, `{'a':0}`, `{"id":0,}`, `{"a":"b"}/**/`, `{"a":"b"}/**//`, `{"a":"b"}//`, `{"a":"b"}/`, `{"a":"b",,"c":"d"}`, `{a: "b"}`, `{"a":"a`, `{ "foo" : "bar", "a" }`, `{"a":"b"}#`, "{[: \"x\"}\n", "{🇨🇭}", "{\"\xb9\":\"0\",}", "[fals]", "[nul]", "[tru]"},
		"n_string": {" ", `"`, "['single quote']", "abc", `""x`, `["\uD800\u"]`, `["\uD800\u1"]`, `["\uD800\u1x"]`, `["\uD800\"]`, "[é]", "[\"\\\x00\"]", `["\x00"]`, `["\\\"]`, "[\"\\\t\"]", "[\"\\🌀\"]", `["\"]`, `["\u00A"]`, `["\uD834\uDd"]`, `["\uD800\uD800\x"]`, "[\"\\u\xe5\"]", `["\a"]`, `["\uqqqq"]`, "[\"\\\xe5\"]", `[\u0020"asd"]`, `[\n]`, `["\`, "[\"a\x00a\"]", "[\"new\nline\"]", "[\"\t\"]", `"\UA66D"`, `["\012"]`, "[\"\x1f\"]"},
		"n_structure": {
			"<.>", "[<null>]", "[1]x", "[1]]", `["asd]`, "[True]", "1]", `{"x": true,`, "[][]", "]", "[", "", "[\x00]", "2@", "{}}", `{"":`, `{"a":/*comment*/"b"}`, `{"a": true} "x"`, "['", "[,", "[{", `["a`, `["a"`, "{", "{]", "{,", "{[", `{"a`, "{'a'", "*", `{"a":"b"}#{}`, "[1", "[ false, nul", "[ true, fals", "[ false, tru", `{"asd":"asd"`, "aå", "\xef\xbb{}", "\xe5", `["\{["\{["\{["\{`, "\xe9", "[\u2060]", `[\u000A""]`, "å", "\ufeff", "[\f]", "\u2060[]",
			strings.Repeat("[", 100000), strings.Repeat(`[{"":`, 50000),
		},
		"y_array":     {"[[]   ]", `[""]`, "[]", `["a"]`, "[false]", `[null, 1, "1", {}]`, "[null]", " [1]", "[1,null,null,null,2]", "[2] ", "[1\n]"},
		"y_number":    {"[123e65]", "[0e+1]", "[0e1]", "[ 4]", "[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]", "[20e1]", "[-0]", "[-123]", "[-1]", "[1E22]", "[1E-2]", "[1E+2]", "[123e45]", "[123.456e78]", "[1e-2]", "[1e+2]", "[123]", "[123.456789]"},
		"y_object":    {`{"asd":"sdf", "dfg":"fgh"}`, `{"asd":"sdf"}`, `{}`, `{"":0}`, `{"foo\u0000bar": 42}`, `{ "min": -1.0e+28, "max": 1.0e+28 }`, `{"x":[{"id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}], "id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`, `{"a":[]}`, `{"title":"\u041f\u043e\u043b\u0442\u043e\u0440\u0430 \u0417\u0435\u043c\u043b\u0435\u043a\u043e\u043f\u0430" }`, "{\n\"a\": \"b\"\n}"},
		"y_string":    {`["\u0060\u012a\u12AB"]`, `["\uD801\udc37"]`, `["\ud83d\ude39\ud83d\udc8d"]`, `["\"\\\/\b\f\n\r\t"]`, `["\\u0000"]`, `["\""]`, `["a/*b*/c/*d//e"]`, `["\\a"]`, `["\\n"]`, `["\u0012"]`, `["\uFFFF"]`, `["asd"]`, `[ "asd"]`, `["\uDBFF\uDFFF"]`, `["new\u00A0line"]`, "[\"\U0010ffff\"]", "[\"\U0001bfff\"]", "[\"\uffff\"]", `["\u0000"]`, `["\u002c"]`, `["π"]`, `["asd "]`, `" "`, `["\uD834\uDd1e"]`, `["\u0821"]`, `["\u0123"]`, "[\"\u2028\"]", "[\"\u2029\"]", `["\u0061\u30af\u30EA\u30b9"]`, `["new\u000Aline"]`, "[\"\x7f\"]", `["\uA66D"]`, `["⍂㈴⍂"]`, `["\u0022"]`, `["\u200B"]`, `["\u2064"]`, `["\u005C"]`, `["€𝄞"]`, "[\"a\x7fa\"]", `["\uDBFF\uDFFE"]`, `["\uD83F\uDFFE"]`, `["\uFDD0"]`, `["\uFFFE"]`},
		"y_structure": {"false", "42", "-0.1", "null", `"asd"`, "true", `""`, "[\"a\"]\n", "[true]", " [] "},
		// RFC 8259 section 4 allows these but warns of them; the suite wants them
		// accepted. Parsers keep the first, the last or both.
		"y_object, duplicate_name": {`{"a":"b","a":"c"}`, `{"a":"b","a":"b"}`},
		"i_number":                 {"[123.456e-789]", "[-1e+9999]", "[1.5e+9999]", "[-123123e100000]", "[123123e100000]", "[123e-10000000]", "[-123123123123123123123123123123]", "[100000000000000000000]", "[-237462374673276894279832749832423479823246327846]"},
		"i_number, number_too_long": {
			"[0.4e00669999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999969999999006]",
		},
		"i_string, syntax":       {`{"\uDFAA":0}`, `["\uDADA"]`, `["\uD888\u1234"]`, `["\uD800\n"]`, `["\uDd1ea"]`, `["\uD800\uD800\n"]`, `["\ud800"]`, `["\ud800abc"]`, `["\uDd1e\uD834"]`, `["\uDFAA"]`, "\ufeff{}"},
		"i_string, invalid_utf8": {"[\"\xff\"]", "[\"\xe9\"]", "[\"\x81\"]", "[\"\xf4\xbf\xbf\xbf\"]", "[\"\xc0\xaf\"]", "[\"\xfc\x83\xbf\xbf\xbf\xbf\"]", "[\"\xfc\x80\x80\x80\x80\x80\"]", "[\"\xe0\xff\"]", "\xff\xfe[\x00\"\x00\xe9\x00\"\x00]\x00", "[\"\xe6\x97\xa5\xd1\x88\xfa\"]", "[\"\xed\xa0\x80\"]", "\x00[\x00\"\x00\xe9\x00\"\x00]", "[\x00\"\x00\xe9\x00\"\x00]\x00"},
		"i_structure, too_deep":  {strings.Repeat("[", 500) + strings.Repeat("]", 500)},
	}
}

func TestJSONSuite(t *testing.T) {
	b := newBinder[struct{}](t, sanitize.Config{AllowUnknown: true})
	count := map[byte]int{}
	for name, cases := range jsonSuite() {
		_, rule, _ := strings.Cut(name, ", ")
		count[name[0]] += len(cases)
		for _, text := range cases {
			_, err := b.Bind(httptest.NewRecorder(), post("application/json", text))
			code := ""
			if err != nil {
				code = problem(t, err).Code
			}
			shown := text[:min(len(text), 60)]
			switch {
			case rule != "":
				assert.Equal(t, "parse_error", code, "%s: %q", name, shown)
				assert.Equal(t, rule, problem(t, err).Errors[0].Code, "%s: %q", name, shown)
			case name[0] == 'n':
				assert.Equal(t, "parse_error", code, "%s: %q", name, shown)
			default: // well-formed; "invalid" says only that it is no object
				assert.Contains(t, []string{"", "invalid"}, code, "%s: %q", name, shown)
				assert.Equal(t, strings.HasPrefix(strings.TrimSpace(text), "{"), code == "", "%s: %q", name, shown)
			}
		}
	}
	assert.Equal(t, map[byte]int{'n': 196, 'y': 94, 'i': 35}, count, "cases got lost")
}
