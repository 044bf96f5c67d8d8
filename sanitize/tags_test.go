package sanitize_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/sanitize"
	"github.com/ecolaura/rampart/sanitize/markup"
)

// mistakes lists the mistakes of err, without the package.
func mistakes(err error) []string {
	var list []string
	for m := range rampart.Mistakes(err) {
		list = append(list, m.Field+": "+string(m.Reason)+": "+m.Value)
	}
	return list
}

func TestNewBinderReportsEveryBadTag(t *testing.T) {
	type inner struct {
		A string `json:"a" validate:"nope"`
	}
	type badTags struct {
		Unknown    string           `validate:"emial"`
		UnknownToo string           `sanitize:"trimm"`
		Policy     string           `sanitize:"html=all"`
		Param      string           `validate:"max=many"`
		Negative   string           `validate:"min=-1"`
		NoParam    string           `validate:"oneof"`
		TooMuch    string           `validate:"uuid=4"`
		BadParam   int              `validate:"oneof=a b"`
		Cross      string           `validate:"eqfield=Nope"`
		Cross2     int              `validate:"required_if=Param"`
		Cross3     int              `validate:"required_if=Param x Nope y"`
		Cross4     int              `validate:"required_if=Param x IntMin many"`
		Cross5     string           `validate:"required_with=Nope.Deeper"`
		Cross6     string           `validate:"eqfield"`
		Either     string           `validate:"email|emial"`
		Either2    string           `validate:"email|omitempty"`
		Either3    string           `validate:"email||phone"`
		Port       string           `validate:"iso4217_numeric"`
		Sample     []inner          `validate:"unique=Nope"`
		Sample2    [][]int          `validate:"unique"`
		Decimal    string           `validate:"decimal=2"`
		Decimal2   string           `validate:"decimal=2:3"`
		Decimal3   string           `validate:"decimal=19:2"`
		DecimalMin string           `validate:"decimal=4:2,min=1.234"`
		IntDecimal int              `validate:"decimal=4:2"`
		DecimalLen string           `validate:"decimal=4:2,len=2"`
		IntEmail   int              `validate:"email"`
		IntUUID    int              `validate:"uuid"`
		IntMin     int8             `validate:"min=200"`
		UintMin    uint             `validate:"min=-2"`
		FloatMin   float64          `validate:"min=NaN"`
		BoolMin    bool             `validate:"min=1"`
		IntTrim    int              `sanitize:"trim"`
		Dive       string           `validate:"dive,max=3"`
		Keys2      []string         `validate:"dive,keys,alpha,endkeys"`
		Keys3      map[string]int   `validate:"dive,keys,alpha"`
		Only       string           `validate:"structonly"`
		OmitEmpty  int              `validate:"omitempty=3"`
		Empty      string           `validate:"required,,max=2"`
		Reader     error            `json:"reader"`
		Complex    complex64        `json:"complex"`
		Chan       chan int         `json:"chan"`
		Keys       map[bool]string  `json:"keys"`
		Path       []string         `path:"path"`
		Strings    int              `json:"strings,string"`
		Inner      inner            `validate:"max=3"`
		Same       string           `json:"param"`
		unexported string           `validate:"max=3"` //nolint:unused // the tag is the point
		Dash       string           `json:"-" sanitize:"trim"`
		Nested     map[string]inner `json:"nested"`
		OptPointer *sanitize.Optional[int]
	}
	_, err := sanitize.NewBinder[badTags](sanitize.Config{})
	require.Error(t, err)
	assert.Equal(t, []string{
		"Unknown: unknown: validate:emial",
		"UnknownToo: unknown: sanitize:trimm",
		"Policy: unknown: sanitize:html=all",
		"Param: invalid: validate:max=many",
		"Negative: invalid: validate:min=-1",
		"NoParam: invalid: validate:oneof",
		"TooMuch: invalid: validate:uuid=4",
		"BadParam: invalid: validate:oneof=a b",
		"Cross: invalid: validate:eqfield=Nope",
		"Cross2: invalid: validate:required_if=Param",
		"Cross3: invalid: validate:required_if=Param x Nope y",
		"Cross4: invalid: validate:required_if=Param x IntMin many",
		"Cross5: invalid: validate:required_with=Nope.Deeper",
		"Cross6: invalid: validate:eqfield",
		"Either: unknown: validate:email|emial",
		"Either2: invalid: validate:email|omitempty",
		"Either3: unknown: validate:email||phone",
		"Port: unsupported: validate:iso4217_numeric",
		"Sample.A: unknown: validate:nope",
		"Sample: invalid: validate:unique=Nope",
		"Sample2: invalid: validate:unique",
		"Decimal: invalid: validate:decimal=2",
		"Decimal2: invalid: validate:decimal=2:3",
		"Decimal3: invalid: validate:decimal=19:2",
		"DecimalMin: invalid: validate:min=1.234",
		"IntDecimal: unsupported: validate:decimal=4:2",
		"DecimalLen: unsupported: validate:len=2",
		"IntEmail: unsupported: validate:email",
		"IntUUID: unsupported: validate:uuid",
		"IntMin: invalid: validate:min=200",
		"UintMin: invalid: validate:min=-2",
		"FloatMin: invalid: validate:min=NaN",
		"BoolMin: unsupported: validate:min=1",
		"IntTrim: unsupported: sanitize:trim",
		"Dive: unsupported: validate:dive",
		"Keys2: unsupported: validate:keys",
		"Keys2: unsupported: validate:endkeys",
		"Keys3: unsupported: validate:keys",
		"Keys3: unsupported: validate:alpha",
		"Only: unsupported: validate:structonly",
		"OmitEmpty: invalid: validate:omitempty=3",
		"Empty: unknown: validate:",
		"Reader: unsupported: error",
		"Complex: unsupported: complex64",
		"Chan: unsupported: chan int",
		"Keys: unsupported: map[bool]string",
		"Path: unsupported: path:path",
		`Strings: unsupported: json:",string"`,
		"Inner: unsupported: validate:max=3",
		"Same: duplicate: param",
		"unexported: pointless: ",
		"Dash: pointless: ",
		"OptPointer: unsupported: *sanitize.Optional[int]",
	}, mistakes(err))
}

func TestNewBinderReportsEveryMistakeInConfig(t *testing.T) {
	_, err := sanitize.NewBinder[address](sanitize.Config{
		Limits: sanitize.Limits{
			MaxBody: -1, MaxDepth: 1001, MaxTokens: -1, MaxNumberLen: -1, MaxString: -1, MaxParams: -1, MaxQueryLen: -1, MaxPathLen: -1, MaxErrors: -1,
			ContentTypes: []string{"text/plain", "application/json; charset=utf-8", "json", "a/b/c"},
		},
		Rules:    map[string]func(string) error{"email": sanitize.Slug, "uuid": sanitize.Slug, "max": sanitize.Slug, "nil": nil},
		Cleaners: map[string]func(string) string{"trim": markup.StripTags, "html=ugc": markup.StripTags, "nil": nil},
		Logger:   slog.New(slog.DiscardHandler),
	})
	assert.Equal(t, []string{
		"Limits.MaxBody: invalid: -1", "Limits.MaxDepth: invalid: 1001", "Limits.MaxTokens: invalid: -1", "Limits.MaxNumberLen: invalid: -1",
		"Limits.MaxString: invalid: -1", "Limits.MaxParams: invalid: -1", "Limits.MaxQueryLen: invalid: -1", "Limits.MaxPathLen: invalid: -1",
		"Limits.MaxErrors: invalid: -1",
		"Limits.ContentTypes: invalid: application/json; charset=utf-8", "Limits.ContentTypes: invalid: json", "Limits.ContentTypes: invalid: a/b/c",
		"Rules: conflict: email", "Rules: conflict: max", "Rules: missing: nil", "Rules: conflict: uuid",
		"Cleaners: conflict: html=ugc", "Cleaners: missing: nil", "Cleaners: conflict: trim",
		"Limits.ContentTypes: unsupported: text/plain",
	}, mistakes(err))
}

func TestNewBinderWantsAStructOrAListOrMap(t *testing.T) {
	_, err := sanitize.NewBinder[string](sanitize.Config{})
	assert.Equal(t, []string{"T: unsupported: string"}, mistakes(err))
	_, err = sanitize.NewBinder[sanitize.Optional[int]](sanitize.Config{})
	assert.Equal(t, []string{"T: unsupported: sanitize.Optional[int]"}, mistakes(err))
	_, err = sanitize.NewBinder[[]string](forms())
	assert.Equal(t, []string{"T: unsupported: []string"}, mistakes(err))
	_, err = sanitize.NewBinder[map[string]chan int](sanitize.Config{})
	assert.Equal(t, []string{"T: unsupported: chan int"}, mistakes(err))
}

func TestEveryTagDoesWhatItSays(t *testing.T) {
	type form struct {
		Trim      string `json:"trim" sanitize:"trim"`
		Lower     string `json:"lower" sanitize:"lower"`
		NFC       string `json:"nfc" sanitize:"nfc"`
		Text      string `json:"text" sanitize:"text"`
		Multiline string `json:"multiline" sanitize:"multiline"`
		Striptags string `json:"striptags" sanitize:"striptags"`
		Basic     string `json:"basic" sanitize:"html=basic"`
		UGC       string `json:"ugc" sanitize:"html=ugc"`
		Email     string `json:"email" validate:"omitempty,email"`
		Phone     string `json:"phone" validate:"omitempty,phone"`
		Slug      string `json:"slug" validate:"omitempty,slug"`
		URL       string `json:"url" validate:"omitempty,url"`
		IP        string `json:"ip" validate:"omitempty,ip"`
		Username  string `json:"username" validate:"omitempty,username"`
		Filename  string `json:"filename" validate:"omitempty,filename"`
		IPv4      string `json:"ipv4" validate:"omitempty,ipv4"`
		IPv6      string `json:"ipv6" validate:"omitempty,ipv6"`
		Date      string `json:"date" validate:"omitempty,datetime=2006-01-02"`
		Currency  string `json:"currency" validate:"omitempty,iso4217"`
	}
	b := newBinder[form](t, sanitize.Config{})
	v := form{
		Trim: " a ", Lower: "ÄB", NFC: "e\u0301", Text: " a\nb", Multiline: "a\r\nb ", Striptags: "<b>a</b>", Basic: "<b>a<p>", UGC: "<b>a<p>",
		Email: "A@X.CO", Phone: "+1 202 555 0123", Slug: "a-b", URL: "HTTP://Example.com", IP: "::FFFF:1.2.3.4", Username: "Alice", Filename: "a.txt",
		IPv4: "1.2.3.4", IPv6: "::1", Date: "2026-01-02", Currency: "EUR",
	}
	require.NoError(t, b.Value(&v))
	assert.Equal(t, form{
		Trim: "a", Lower: "äb", NFC: "é", Text: "a b", Multiline: "a\nb", Striptags: "a", Basic: "<b>a&lt;p&gt;</b>", UGC: "<b>a<p></p></b>",
		Email: "A@x.co", Phone: "+12025550123", Slug: "a-b", URL: "http://example.com", IP: "1.2.3.4", Username: "alice", Filename: "a.txt",
		IPv4: "1.2.3.4", IPv6: "::1", Date: "2026-01-02", Currency: "EUR",
	}, v)
	v = form{
		Email: "x", Phone: "x", Slug: "!", URL: "x", IP: "x", Username: "!", Filename: "/", IPv4: "x", IPv6: "x", Date: "x", Currency: "x",
	}
	assert.Equal(t, []string{
		"#/email:email", "#/phone:phone", "#/slug:slug", "#/url:url", "#/ip:ip", "#/username:username", "#/filename:filename", "#/ipv4:ipv4",
		"#/ipv6:ipv6", "#/date:datetime", "#/currency:iso4217",
	}, faults(b.Value(&v)))
}
