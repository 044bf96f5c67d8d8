package sanitize_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

// A ruling is what the validator library alone says of bodies of one type: a field X
// of the given type and tag, and its siblings. A body is written as the number of the
// siblings, "|", and the value of X; nothing for one without X.
type ruling struct {
	Type    string   `json:"type"`
	Tag     string   `json:"tag"`
	Accepts []string `json:"accepts,omitempty"`
	Refuses []string `json:"refuses,omitempty"`
	Panics  []string `json:"panics,omitempty"`
}

const rulingsFile = "testdata/validator.json"

type rulings struct {
	Version string   `json:"version"`
	Rulings []ruling `json:"rulings"`
}

// oracleTypes are those that X has.
func oracleTypes() map[string]reflect.Type {
	type inner struct {
		A string `validate:"max=3"`
		B int
	}
	return map[string]reflect.Type{
		"string": reflect.TypeFor[string](), "*string": reflect.TypeFor[*string](), "int": reflect.TypeFor[int](), "int8": reflect.TypeFor[int8](),
		"uint16": reflect.TypeFor[uint16](), "float64": reflect.TypeFor[float64](), "float32": reflect.TypeFor[float32](), "bool": reflect.TypeFor[bool](),
		"*int": reflect.TypeFor[*int](), "*bool": reflect.TypeFor[*bool](), "[]string": reflect.TypeFor[[]string](), "[]int": reflect.TypeFor[[]int](),
		"[2]int": reflect.TypeFor[[2]int](), "map[string]string": reflect.TypeFor[map[string]string](), "map[int]string": reflect.TypeFor[map[int]string](),
		"[]inner": reflect.TypeFor[[]inner](), "[]*int": reflect.TypeFor[[]*int](), "time": reflect.TypeFor[time.Time](), "*time": reflect.TypeFor[*time.Time](),
		"inner": reflect.TypeFor[inner](), "*inner": reflect.TypeFor[*inner](), "[]byte": reflect.TypeFor[[]byte](), "any": reflect.TypeFor[any](),
		"[][]string": reflect.TypeFor[[][]string](),
	}
}

// withSiblings is a struct with X and fields that rules ask.
func withSiblings(x reflect.Type, tag string) reflect.Type {
	type nested struct{ S string }
	fields := []reflect.StructField{{Name: "X", Type: x, Tag: reflect.StructTag("validate:" + strconv.Quote(tag))}}
	for name, t := range map[string]reflect.Type{
		"S": reflect.TypeFor[string](), "I": reflect.TypeFor[int](), "U": reflect.TypeFor[uint16](), "F": reflect.TypeFor[float64](), "B": reflect.TypeFor[bool](),
		"L": reflect.TypeFor[[]string](), "P": reflect.TypeFor[*string](), "T": reflect.TypeFor[time.Time](), "N": reflect.TypeFor[nested](),
		"M": reflect.TypeFor[map[string]string](),
	} {
		fields = append(fields, reflect.StructField{Name: name, Type: t})
	}
	slices.SortFunc(fields, func(a, b reflect.StructField) int { return strings.Compare(a.Name, b.Name) })
	return reflect.StructOf(fields)
}

// TestTheLibrarysTagsMeanWhatTheyMeanThere: every verdict that the library gave by
// itself is given here, or is in the table of stricter ones.
func TestTheLibrarysTagsMeanWhatTheyMeanThere(t *testing.T) {
	if os.Getenv("RAMPART_UPDATE") != "" {
		recordRulings(t)
	}
	var file rulings
	oracle(t, filepath.Base(rulingsFile), &file)
	types, cases, tags := oracleTypes(), 0, map[string]bool{}
	seen := map[string]bool{}
	for _, r := range file.Rulings {
		for word := range strings.FieldsFuncSeq(r.Tag, func(c rune) bool { return c == ',' || c == '|' }) {
			name, _, _ := strings.Cut(word, "=")
			tags[name] = true
		}
		cases += len(r.Accepts) + len(r.Refuses) + len(r.Panics)
		bind, err := sanitize.BindAs(sanitize.Config{Logger: quiet(), Limits: sanitize.Limits{MaxString: 1 << 20}}, withSiblings(types[r.Type], r.Tag))
		if err != nil { // a mistake at the start: nothing may have been accepted that can be refused
			if reason := whyAtStart(r); len(r.Accepts) > 0 && len(r.Refuses) > 0 {
				assert.NotEmpty(t, reason, "%s %q: %v; accepts %.200q", r.Type, r.Tag, err, r.Accepts)
				seen[reason] = true
			}
			continue
		}
		verdict := func(short string) bool {
			body := whole(short)
			return bind(httptest.NewRecorder(), post("application/json", body)) == nil
		}
		for _, body := range r.Accepts {
			if !verdict(body) {
				reason := whyStricter(r, body)
				assert.NotEmpty(t, reason, "%s %q refuses %.300s: %v", r.Type, r.Tag, body, faults(bind(httptest.NewRecorder(), post("application/json", whole(body)))))
				seen[reason] = true
			}
		}
		for _, body := range r.Refuses {
			assert.False(t, verdict(body), "%s %q accepts %.300s", r.Type, r.Tag, body)
		}
		for _, body := range r.Panics {
			assert.True(t, !verdict(body) || r.Tag == "port" || r.Tag == "min=2|required_with=S", "%s %q accepts %.300s", r.Type, r.Tag, body) // for texts, too; the second of a choice
		}
	}
	assert.GreaterOrEqual(t, cases, 2000)
	for _, name := range builtIn() {
		assert.True(t, tags[name], "%s was never tried", name)
	}
	for reason := range strings.SplitSeq(reasons, "\n") {
		assert.True(t, seen[reason], "no difference any more: %s", reason)
	}
	t.Logf("validator %s: %d verdicts about %d tags", file.Version, cases, len(tags))
}

// reasons are those for which we refuse what the library accepts, as the table in
// docs/sanitizing.md has them.
const reasons = `a text with NUL
longer than what the format stands for
email: quoted local parts, a domain of one label
url: http and https only
ipv4: IPv4 in IPv6 form
uuid: upper case
cron: numbers out of range
hostname_rfc1123: numbers, too long
json: strict
ascii: control characters
a struct in the input is checked, even if it is empty
a list of structs is checked without dive
a required struct must be there
a rule that does not fit the type is a mistake at the start`

func reason(i int) string { return strings.Split(reasons, "\n")[i] }

func whyStricter(r ruling, body string) string {
	_, x, _ := strings.Cut(body, "|")
	s := ""
	_ = json.Unmarshal([]byte(x), &s) // else it is no text
	for word, i := range map[string]int{
		"email": 2, "url": 3, "ipv4": 4, "uuid": 5, "cron": 6, "hostname_rfc1123": 7, "json": 8, "ascii": 9,
	} {
		if slices.Contains(strings.FieldsFunc(r.Tag, func(c rune) bool { return c == ',' || c == '|' }), word) {
			return reason(i)
		}
	}
	switch {
	case strings.Contains(body, `\u0000`):
		return reason(0)
	case len(s) > 256:
		return reason(1)
	case strings.Contains(r.Type, "inner") && strings.Contains(r.Type, "[]"):
		return reason(11)
	case (r.Type == "inner" || r.Type == "[2]int") && x != "":
		return reason(10)
	case r.Type == "inner":
		return reason(12)
	}
	return ""
}

// whyAtStart says why a tag is refused at the start, although the library has both
// verdicts with it.
func whyAtStart(r ruling) string {
	switch r.Tag {
	case "alphanum|unique", "alpha|numeric", "dive,dive,min=2", "dive,keys,alpha,endkeys,min=2", "dive,keys,max=1,endkeys", "dive,omitempty,alpha", "dive,structonly",
		"fieldcontains=S", "fieldexcludes=S", "min=1,dive,required", "nostructlevel", "structonly", "omitempty,alpha|min=3", "unix_addr", "noneof=ab", "datetime":
		return reason(13)
	}
	if strings.Contains(r.Type, "inner") && strings.HasPrefix(r.Tag, "ne") || strings.HasSuffix(r.Tag, ",omitempty,max=2") || strings.HasSuffix(r.Tag, ",omitempty,min=2") {
		return reason(13)
	}
	return ""
}

// builtIn lists the library's tags.
func builtIn() []string {
	return strings.Fields(`required required_if required_unless skip_unless required_with required_with_all required_without required_without_all
		excluded_if excluded_unless excluded_with excluded_with_all excluded_without excluded_without_all isdefault len min max eq eq_ignore_case ne
		ne_ignore_case lt lte gt gte eqfield eqcsfield necsfield gtcsfield gtecsfield ltcsfield ltecsfield nefield gtefield gtfield ltefield ltfield
		fieldcontains fieldexcludes alpha alphaspace alphanum alphanumspace alphaunicode alphanumunicode boolean numeric number hexadecimal hexcolor
		rgb rgba hsl hsla cmyk e164 email url http_url https_url uri origin urn_rfc8141 urn_rfc2141 file filepath base32 base64 base64url base64rawurl
		contains containsany containsrune excludes excludesall excludesrune startswith endswith startsnotwith endsnotwith image mimetype isbn isbn10
		isbn13 issn eth_addr eth_addr_checksum btc_addr btc_addr_bech32 uuid uuid3 uuid4 uuid5 uuid7 uuid_rfc4122 uuid3_rfc4122 uuid4_rfc4122
		uuid5_rfc4122 ulid md4 md5 sha256 sha384 sha512 ripemd128 ripemd160 tiger128 tiger160 tiger192 ascii printascii multibyte datauri latitude
		longitude ssn ipv4 ipv6 ip cidrv4 cidrv6 cidr tcp4_addr tcp6_addr tcp_addr udp4_addr udp6_addr udp_addr ip4_addr ip6_addr ip_addr unix_addr
		uds_exists mac hostname hostname_rfc1123 hostname_label fqdn unique oneof oneofci noneof noneofci html html_encoded url_encoded dir dirpath
		json jwt hostname_port port lowercase uppercase datetime timezone iso3166_1_alpha2 iso3166_1_alpha2_eu iso3166_1_alpha3 iso3166_1_alpha3_eu
		iso3166_1_alpha_numeric iso3166_1_alpha_numeric_eu iso3166_2 iso4217 iso4217_numeric bcp47_language_tag bcp47_strict_language_tag
		postcode_iso3166_alpha2 postcode_iso3166_alpha2_field bic_iso_9362_2014 bic semver dns_rfc1035_label credit_card cve luhn_checksum mongodb
		mongodb_connection_string cron spicedb ein duration validateFn omitempty omitnil omitzero dive keys endkeys structonly nostructlevel iscolor
		country_code eu_country_code`)
}

// recordRulings asks the library alone: about the texts in its own tests, and about
// values of every type.
func recordRulings(t *testing.T) {
	t.Helper()
	byKey := map[[2]string]map[string]bool{}
	add := func(typ, tag, body string) {
		key := [2]string{typ, tag}
		if byKey[key] == nil {
			byKey[key] = map[string]bool{}
		}
		if len(byKey[key]) < 75 {
			byKey[key][body] = true
		}
	}
	for typ, bodies := range oracleBodies() {
		for _, tag := range oracleTags() {
			for _, body := range bodies {
				if body[0] == '0' || asksSiblings(tag) && !slices.Contains([]string{"int8", "float32", "*bool", "[][]string", "[]*int", "map[int]string", "[]inner", "[2]int"}, typ) {
					add(typ, tag, body)
				}
			}
		}
	}
	for tag, texts := range minedTexts(t) {
		for _, text := range texts {
			x, _ := json.Marshal(text)
			add("string", tag, "0|"+string(x))
		}
	}
	file := rulings{Version: libraryVersion(t)}
	lib := validator.New()
	for _, key := range slices.SortedFunc(maps.Keys(byKey), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		r := ruling{Type: key[0], Tag: key[1]}
		typ := withSiblings(oracleTypes()[r.Type], r.Tag)
		for _, body := range slices.Sorted(maps.Keys(byKey[key])) {
			v := reflect.New(typ)
			if json.Unmarshal([]byte(whole(body)), v.Interface()) != nil {
				continue
			}
			switch verdict := ask(lib, v.Interface()); verdict {
			case "accepts":
				r.Accepts = append(r.Accepts, body)
			case "refuses":
				r.Refuses = append(r.Refuses, body)
			default:
				r.Panics = append(r.Panics[:0], body) // one will do
			}
		}
		if len(r.Accepts)+len(r.Refuses) > 0 {
			file.Rulings = append(file.Rulings, r)
		}
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	fmt.Fprintf(&b, "{\"version\": %q, \"rulings\": [\n", file.Version)
	for i, r := range file.Rulings {
		if i > 0 {
			b.WriteString(",")
		}
		require.NoError(t, enc.Encode(r))
	}
	b.WriteString("]}\n")
	require.NoError(t, os.WriteFile(rulingsFile, []byte(b.String()), 0o600))
}

func ask(lib *validator.Validate, v any) (verdict string) {
	defer func() {
		if recover() != nil {
			verdict = "panics"
		}
	}()
	if lib.Struct(v) != nil {
		return "refuses"
	}
	return "accepts"
}

func libraryVersion(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", "github.com/go-playground/validator/v10").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// minedTexts returns the texts that the library's own tests have beside each tag.
func minedTexts(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/go-playground/validator/v10").Output()
	require.NoError(t, err)
	syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(out)), "validator_test.go"), nil, 0)
	require.NoError(t, err)
	known := map[string]bool{}
	for _, name := range builtIn() {
		known[name] = true
	}
	mined := map[string][]string{}
	for _, decl := range syntax.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		var texts, tags []string
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && utf8.ValidString(s) && len(s) < 400 {
					texts = append(texts, s)
					tags = append(tags, s) // some are in a variable
				}
			case *ast.Field:
				if n.Tag != nil {
					tag, _ := strconv.Unquote(n.Tag.Value)
					tags = append(tags, reflect.StructTag(tag).Get("validate"))
				}
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if lit, isLit := n.Args[max(0, len(n.Args)-1):], ok && sel.Sel.Name == "Var" && len(n.Args) == 2; isLit {
					if lit, ok := lit[0].(*ast.BasicLit); ok {
						tag, _ := strconv.Unquote(lit.Value)
						tags = append(tags, tag)
					}
				}
			}
			return true
		})
		for _, tag := range tags {
			name, _, _ := strings.Cut(tag, "=")
			if known[name] && !strings.ContainsAny(tag, ",|") && !touchesFiles(name) && !asksSiblings(tag) {
				mined[tag] = append(mined[tag], texts...)
			}
		}
	}
	return mined
}

// touchesFiles reports whether a verdict depends on the machine.
func touchesFiles(name string) bool {
	return slices.Contains([]string{"file", "filepath", "dir", "dirpath", "image", "mimetype", "uds_exists"}, name)
}

// oracleTags are tags for values of every type.
func oracleTags() []string {
	list := strings.Fields(`required omitempty required,min=2 omitempty,min=2 omitnil,min=2 omitzero,min=2 isdefault min=2 max=2 len=2 gt=2 gte=2 lt=2 lte=2 gt=0 min=0x2
		eq=2 ne=2 eq=abc ne=abc eq_ignore_case=ABC ne_ignore_case=ABC eq=true omitempty,eq=true
		required_if=S:a required_unless=S:a skip_unless=S:a required_with=S required_with=S:I required_with_all=S:I required_without=S required_without_all=S:I required_with=P
		required_if=I:3 required_if=B:true required_if=P:a required_unless=U:4 required_if=L:2 required_if=M:nil required_if=S:a:I:3 required_with=N.S required_if=N.S:a
		excluded_if=S:a excluded_unless=S:a excluded_with=S excluded_with_all=S:I excluded_without=S excluded_without_all=S:I excluded_if=I:3 excluded_with=P
		required_with=S,omitempty,min=2 required_without=S,min=2 required_with=S|required_with=I min=2|required_with=S excluded_with=S,omitempty,max=2
		eqfield=S nefield=S gtfield=S gtefield=S ltfield=S ltefield=S eqfield=I nefield=I gtfield=I gtefield=I ltfield=I ltefield=I eqfield=F gtfield=F ltefield=U gtfield=U
		eqfield=B nefield=B eqfield=L nefield=L gtfield=L eqfield=T nefield=T gtfield=T gtefield=T ltfield=T ltefield=T eqfield=P eqfield=N.S
		eqcsfield=S necsfield=S gtcsfield=S gtecsfield=S ltcsfield=S ltecsfield=S eqcsfield=I necsfield=I gtcsfield=I gtecsfield=I ltcsfield=I ltecsfield=I eqcsfield=N.S
		eqcsfield=L gtcsfield=L eqcsfield=T gtcsfield=T ltecsfield=T fieldcontains=S fieldexcludes=S
		unique dive,min=2 omitempty,dive,min=2 min=1,dive,required dive,omitempty,alpha dive,keys,alpha,endkeys,min=2 dive,keys,max=1,endkeys dive,dive,min=2 dive,required_with=S
		unique=A structonly nostructlevel dive dive,structonly gt gte lt lte min max
		oneof=1:2:3 oneof=ab:c oneof='a:b':ab oneofci=AB:c noneof=1:2 noneof=ab noneofci=AB number numeric boolean latitude longitude port iso3166_1_alpha_numeric
		iso3166_1_alpha_numeric_eu iso4217_numeric luhn_checksum country_code eu_country_code iscolor json alpha alpha|numeric omitempty,alpha|min=3 hexcolor|rgb|eq=abc
		alpha,min=2|eq=a min=3|max=1 alphanum|unique ascii
		filepath file dir dirpath image mimetype=image/png uds_exists unix_addr validateFn isdefault|min=3 e164 ulid uuid semver ipv4 cron hostname_rfc1123
		postcode_iso3166_alpha2=US postcode_iso3166_alpha2=GB postcode_iso3166_alpha2_field=S spicedb spicedb=id spicedb=permission spicedb=type`)
	for i, tag := range list {
		name, param, _ := strings.Cut(tag, "=")
		if strings.HasPrefix(name, "required_") || strings.HasPrefix(name, "excluded_") || name == "skip_unless" || strings.Contains(name, "oneof") || strings.HasPrefix(name, "noneof") || strings.Contains(tag, "|required_") {
			list[i] = name + "=" + strings.ReplaceAll(param, ":", " ")
		}
	}
	return append(list, "-")
}

// oracleBodies lists bodies by the type of X.
func oracleBodies() map[string][]string {
	xs := map[string][]string{
		"string": {
			`""`, `"a"`, `"ab"`, `"abc"`, `"ABC"`, `"1"`, `"2"`, `"a b"`, `"840"`, `"#fff"`, `"US"`, `"rgb(1,2,3)"`, `"0x2"`, `"18"`, `"/nowhere/at/all"`, `"/nowhere/"`, `"79927398713"`, `"true"`,
			`"12345"`, `"SW1A 1AA"`, `"::ffff:1.2.3.4"`, `"99 1 1 1 1"`, `"{\"a\":1,\"a\":2}"`, `"document"`, `"a/b:c"`, `"a\u0000"`, `"1.0.0-` + strings.Repeat("a", 300) + `"`,
		},
		"*string": {`null`, `""`, `"a"`, `"ab"`, `"abc"`, `"1"`}, "int": {`0`, `1`, `2`, `3`, `-2`, `840`, `978`, `65535`, `65536`, `79927398713`}, "int8": {`0`, `2`, `3`, `40`},
		"uint16": {`0`, `2`, `4`, `5`, `65535`, `276`}, "float64": {`0`, `2`, `2.5`, `-1`, `90.5`, `1e300`}, "float32": {`0`, `2`, `2.5`}, "bool": {`true`, `false`}, "*int": {`null`, `0`, `2`, `3`}, "*bool": {`null`, `false`, `true`},
		"[]string": {`[]`, `["a"]`, `["a","b"]`, `["a","a"]`, `["ab","bc","cd"]`, `["",""]`}, "[]int": {`[]`, `[0]`, `[2,3]`, `[2,2]`, `[1,2,3]`}, "[2]int": {`[0,0]`, `[2,3]`, `[1,1]`},
		"map[string]string": {`{}`, `{"a":"b"}`, `{"a":"bc","d":"ef"}`, `{"1":"bc"}`, `{"a":"x","b":"x"}`, `{"ab":"","c":"y","d":"z"}`}, "map[int]string": {`{}`, `{"1":"ab"}`, `{"1":"a","2":"a"}`, `{"-3":"abc"}`},
		"[]inner": {`[]`, `[{"A":"a"}]`, `[{"A":"a"},{"A":"a"}]`, `[{"A":"abcd"}]`, `[{"A":"a","B":1},{"A":"b"}]`}, "[]*int": {`[]`, `[null]`, `[1,null]`, `[2,2]`, `[null,null]`}, "time": {`"0001-01-01T00:00:00Z"`, `"1999-01-01T00:00:00Z"`, `"2020-05-05T00:00:00+02:00"`, `"2999-01-01T00:00:00Z"`},
		"*time": {`null`, `"1999-01-01T00:00:00Z"`, `"2999-01-01T00:00:00Z"`}, "inner": {`{}`, `{"A":"a"}`, `{"A":"abcd"}`}, "*inner": {`null`, `{}`, `{"A":"a"}`, `{"A":"abcd"}`}, "[]byte": {`""`, `"YQ=="`, `"YWJj"`, `"e30="`},
		"any": {`null`, `"ab"`, `""`, `2`, `true`}, "[][]string": {`[]`, `[[]]`, `[["ab"]]`, `[["ab"],["a"]]`},
	}
	bodies := map[string][]string{}
	for typ, values := range xs {
		for i, n := range siblings() {
			bodies[typ] = append(bodies[typ], strconv.Itoa(i)+"|")
			for j, x := range values {
				if j < 3 || i == 0 || j < 5 && strings.Contains(n, "2020") {
					bodies[typ] = append(bodies[typ], strconv.Itoa(i)+"|"+x)
				}
			}
		}
	}
	return bodies
}

// siblings are the fields beside X.
func siblings() []string {
	return []string{
		``, `"S":"a"`, `"S":"ab","I":3,"U":4,"F":2.5,"B":true,"L":["a","b"],"P":"a","T":"2020-05-04T22:00:00Z","N":{"S":"ab"}`,
		`"S":"abcd","I":-5,"P":"","M":{}`, `"S":"US"`,
	}
}

// whole returns a body that is written short.
func whole(short string) string {
	i, x, _ := strings.Cut(short, "|")
	n, _ := strconv.Atoi(i)
	if x != "" {
		x = `"X":` + x
	}
	return "{" + strings.Trim(x+","+siblings()[n], ",") + "}"
}

// asksSiblings reports whether a tag names a field.
func asksSiblings(tag string) bool {
	return strings.Contains(tag, "required_") || strings.Contains(tag, "excluded_") || strings.Contains(tag, "skip_") || strings.Contains(tag, "field")
}
