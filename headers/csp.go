package headers

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strings"
)

// A Source is one entry of a CSP source list (CSP Level 3 section 2.3.1): a
// keyword below, a hash, a scheme such as "https:", or a host such as
// "https://cdn.example", "*.example.com:8443" or "https://cdn.example/js/".
type Source string

// Keyword sources. New refuses one in a directive in which it means nothing.
const (
	None             Source = "'none'"
	Self             Source = "'self'"
	StrictDynamic    Source = "'strict-dynamic'"
	ReportSample     Source = "'report-sample'" // reports show how the blocked code begins, see ReportsConfig.Samples
	UnsafeHashes     Source = "'unsafe-hashes'"
	WASMUnsafeEval   Source = "'wasm-unsafe-eval'"
	SpeculationRules Source = "'inline-speculation-rules'" // not in Default
	UnsafeInline     Source = "'unsafe-inline'"            // needs CSP.DangerouslyUnsafeInline
	UnsafeEval       Source = "'unsafe-eval'"              // needs CSP.DangerouslyUnsafeEval
	Data             Source = "data:"
	Blob             Source = "blob:"

	// TrustedTypesEval lets eval take what a policy of TrustedTypes has made,
	// and no other text. It needs RequireTrustedTypes.
	TrustedTypesEval Source = "'trusted-types-eval'"

	// ReportSHA256, ReportSHA384 and ReportSHA512 have the hash of each script
	// that a page loads reported to ReportTo, which they need. They block nothing.
	ReportSHA256 Source = "'report-sha256'"
	ReportSHA384 Source = "'report-sha384'"
	ReportSHA512 Source = "'report-sha512'"

	// UnsafeWebTransportHashes lets a page open WebTransport sessions to any
	// server whose certificate's hash it names, whatever the list says of hosts.
	// Chromium 156 does not know it yet, and prints a line.
	UnsafeWebTransportHashes Source = "'unsafe-webtransport-hashes'"

	// WithNonce stands for the request's nonce, see [Nonce]. A request whose
	// handler asks for none gets the policy without it (and without
	// UnsafeInline, which browsers ignore beside a nonce).
	WithNonce Source = "'nonce'"
)

// SHA256 returns the source that admits an inline script or style with exactly
// this text between its tags.
func SHA256(inline string) Source {
	sum := sha256.Sum256([]byte(inline))
	return hashSource("sha256", sum[:])
}

// SHA384 is like [SHA256] with SHA-384.
func SHA384(inline string) Source {
	sum := sha512.Sum384([]byte(inline))
	return hashSource("sha384", sum[:])
}

// SHA512 is like [SHA256] with SHA-512.
func SHA512(inline string) Source {
	sum := sha512.Sum512([]byte(inline))
	return hashSource("sha512", sum[:])
}

func hashSource(name string, sum []byte) Source {
	return Source("'" + name + "-" + base64.StdEncoding.EncodeToString(sum) + "'")
}

// A CSP is a content security policy. A nil list leaves its directive out, so
// that the browser falls back to Default; an empty one that is not nil is a
// mistake, say [None]. Default is required.
//
// Directives that browsers have dropped have no field: block-all-mixed-content,
// disown-opener, navigate-to, plugin-types, prefetch-src, referrer, reflected-xss
// and require-sri-for. New says what to use where one stands among sources.
type CSP struct {
	_ [0]func() // no comparison, no unkeyed literals

	Default    []Source // default-src
	Script     []Source // script-src
	ScriptElem []Source // script-src-elem
	ScriptAttr []Source // script-src-attr
	Style      []Source // style-src
	StyleElem  []Source // style-src-elem
	StyleAttr  []Source // style-src-attr
	Img        []Source // img-src
	Font       []Source // font-src
	Connect    []Source // connect-src
	Media      []Source // media-src
	Object     []Source // object-src
	Frame      []Source // frame-src
	Fenced     []Source // fenced-frame-src; falls back to Frame
	Child      []Source // child-src
	Worker     []Source // worker-src
	Manifest   []Source // manifest-src

	FormAction     []Source // form-action; does not fall back to Default
	FrameAncestors []Source // frame-ancestors; does not fall back to Default
	BaseURI        []Source // base-uri; does not fall back to Default

	Sandbox                 []string // sandbox tokens such as "allow-forms"; empty but not nil: all restrictions
	TrustedTypes            []string // trusted-types: policy names or "*", "'allow-duplicates'"; or "'none'" alone
	RequireTrustedTypes     bool     // require-trusted-types-for 'script'
	UpgradeInsecureRequests bool     // upgrade-insecure-requests
	WebRTC                  string   // webrtc: "'allow'" or "'block'"; no browser obeys it yet, and Chromium 156 prints a line

	ReportTo  string   // report-to: a name of Config.ReportingEndpoints
	ReportURI []string // report-uri: https URLs or paths of this host, for browsers without the Reporting API

	// DangerouslyUnsafeInline admits UnsafeInline. An injected script then runs
	// as if there were no policy, unless a nonce or hash stands beside it.
	DangerouslyUnsafeInline bool

	// DangerouslyUnsafeEval admits UnsafeEval: text that reaches eval,
	// Function or setTimeout becomes code.
	DangerouslyUnsafeEval bool
}

// A directive is one directive that holds a source list.
type directive struct {
	name    string
	field   string
	sources []Source
}

// directives returns every source list, in the order in which it is rendered.
func (c *CSP) directives() []directive {
	return []directive{
		{"default-src", "Default", c.Default},
		{"script-src", "Script", c.Script},
		{"script-src-elem", "ScriptElem", c.ScriptElem},
		{"script-src-attr", "ScriptAttr", c.ScriptAttr},
		{"style-src", "Style", c.Style},
		{"style-src-elem", "StyleElem", c.StyleElem},
		{"style-src-attr", "StyleAttr", c.StyleAttr},
		{"img-src", "Img", c.Img},
		{"font-src", "Font", c.Font},
		{"connect-src", "Connect", c.Connect},
		{"media-src", "Media", c.Media},
		{"object-src", "Object", c.Object},
		{"frame-src", "Frame", c.Frame},
		{"fenced-frame-src", "Fenced", c.Fenced},
		{"child-src", "Child", c.Child},
		{"worker-src", "Worker", c.Worker},
		{"manifest-src", "Manifest", c.Manifest},
		{"form-action", "FormAction", c.FormAction},
		{"frame-ancestors", "FrameAncestors", c.FrameAncestors},
		{"base-uri", "BaseURI", c.BaseURI},
	}
}

// cspText is a rendered policy: without a nonce, and, if it has one, as the
// pieces between which the nonce goes.
type cspText struct {
	plain  string
	pieces []string
}

// with splices nonce between the pieces.
func (t cspText) with(nonce string) string {
	var b strings.Builder
	n := len(nonce) * (len(t.pieces) - 1)
	for _, piece := range t.pieces {
		n += len(piece)
	}
	b.Grow(n)
	for i, piece := range t.pieces {
		if i > 0 {
			b.WriteString(nonce)
		}
		b.WriteString(piece)
	}
	return b.String()
}

// render writes the policy. The policy was validated: no source can hold a
// byte that ends a directive.
func (c *CSP) render() cspText {
	if c == nil {
		return cspText{}
	}
	plain, nonced := c.text(false), c.text(true)
	if plain == nonced {
		return cspText{plain: plain}
	}
	return cspText{plain: plain, pieces: strings.Split(nonced, nonceMark)}
}

// nonceMark stands for the nonce while a policy is rendered. No valid source
// can hold its byte.
const nonceMark = "\x00"

func (c *CSP) text(nonced bool) string {
	var parts []string
	for _, d := range c.directives() {
		if d.sources != nil {
			parts = append(parts, d.text(nonced))
		}
	}
	if c.WebRTC != "" {
		parts = append(parts, "webrtc "+c.WebRTC)
	}
	if c.Sandbox != nil {
		parts = append(parts, strings.Join(append([]string{"sandbox"}, c.Sandbox...), " "))
	}
	if c.TrustedTypes != nil {
		parts = append(parts, strings.Join(append([]string{"trusted-types"}, c.TrustedTypes...), " "))
	}
	if c.RequireTrustedTypes {
		parts = append(parts, "require-trusted-types-for 'script'")
	}
	if c.UpgradeInsecureRequests {
		parts = append(parts, "upgrade-insecure-requests")
	}
	if len(c.ReportURI) > 0 {
		parts = append(parts, "report-uri "+strings.Join(c.ReportURI, " "))
	}
	if c.ReportTo != "" {
		parts = append(parts, "report-to "+c.ReportTo)
	}
	return strings.Join(parts, "; ")
}

func (d directive) text(nonced bool) string {
	hasNonce := contains(d.sources, WithNonce)
	words := make([]string, 0, len(d.sources)+1)
	words = append(words, d.name)
	for _, s := range d.sources {
		switch {
		case s == WithNonce && nonced:
			words = append(words, "'nonce-"+nonceMark+"'")
		case s == WithNonce, s == UnsafeInline && hasNonce && !nonced:
			// Without the nonce beside it, 'unsafe-inline' would come alive.
		default:
			words = append(words, string(s))
		}
	}
	if len(words) == 1 {
		words = append(words, string(None))
	}
	return strings.Join(words, " ")
}
