package integration_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ecolaura/rampart/sanitize/markup"
)

// inContainers parses every outcome in every container, as Chromium does for a
// page, and lists what is wrong: an outcome leaves its container, changes what is
// around it, is another one once it is written and parsed again, or has something
// that could run or cover the page. A line feed that begins a pre is lost to HTML
// itself, each time it is written.
const inContainers = `<script>
const after = '<i id="after"></i>', wrong = window.wrong = [];
const parse = s => new DOMParser().parseFromString("<!doctype html><body>" + s, "text/html");
const written = s => s.replace(/(<pre[^>]*>)\n+/g, "$1");
const covers = /^(position|z-index|inset|top|left|right|bottom|transform|translate|scale|rotate|opacity|filter|content|cursor|background-image|clip|mask|animation|transition|visibility|pointer-events|-)/;
function danger(el) {
  if (el.namespaceURI !== "http://www.w3.org/1999/xhtml" || /^(script|style|template|object|embed|form|base|meta|link|svg|math|noscript|textarea|select|button|title)$/.test(el.localName)) return "element " + el.localName;
  if (el.localName === "iframe" && (!el.sandbox.contains("allow-scripts") || el.sandbox.contains("allow-top-navigation") || new URL(el.src).origin !== "https://www.youtube-nocookie.com" || el.srcdoc)) return "frame";
  if (el.localName === "input" && (el.type !== "checkbox" || !el.disabled)) return "input";
  if (el.localName === "a" && (el.protocol === "javascript:" || el.protocol === "data:" || el.target && (el.target !== "_blank" || !el.relList.contains("noopener")))) return "link";
  for (const a of el.attributes) if (/^on|^(name|form|srcdoc|is|slot)$|^data-(hx|controller|action|x|bs|on)/.test(a.name)) return "attribute " + a.name;
  if (el.id && !el.id.startsWith("user-content-")) return "id " + el.id;
  if (/url\(|expression|var\(|attr\(/i.test(el.style.cssText)) return "style " + el.style.cssText;
  for (const property of el.style) if (covers.test(property) && property !== "background-color") return "style " + property;
}
for (const [before, behind] of containers) {
  const skeleton = parse(before + behind + after).body.innerHTML;
  for (const s of outcomes) {
    const doc = parse(before + s + behind + after), inside = doc.getElementById("in");
    if (!inside) { wrong.push(before + " is gone: " + s); continue }
    const whole = doc.body.innerHTML;
    const again = parse(before + inside.innerHTML + behind + after).body.innerHTML;
    if (written(again) !== written(whole)) wrong.push("mutation: " + whole + " became " + again);
    for (const el of inside.querySelectorAll("*")) { const d = danger(el); if (d) wrong.push(d + ": " + s) }
    inside.textContent = "";
    if (doc.body.innerHTML !== skeleton || doc.head.childNodes.length) wrong.push("left " + before + ": " + s);
  }
}
for (const s of outcomes) { const div = document.createElement("div"); div.innerHTML = s; document.body.append(div) }
</script>`

// readJSON reads a file of markup's testdata.
func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "sanitize", "markup", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// distinct returns n distinct outcomes of spliced vectors, cleaned by policies in turn.
func distinct(t *testing.T, n int, policies []*markup.Policy) []string {
	t.Helper()
	var pieces, vectors []string
	readJSON(t, "splices.json", &pieces)
	readJSON(t, "xss_vectors.json", &vectors)
	pieces = append(pieces, vectors...)
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	seen := map[string]bool{"": true}
	var list []string
	for i := 0; len(list) < n; i++ {
		var b strings.Builder
		for range 2 + rng.IntN(14) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		if out := policies[i%len(policies)].Clean(b.String()); !seen[out] && strings.Contains(out, "<") {
			seen[out] = true
			list = append(list, out)
		}
	}
	return list
}

// richest allows all that a policy can.
func richest(t *testing.T) *markup.Policy {
	t.Helper()
	h, err := markup.Editor().With(
		markup.AllowFrames("www.youtube-nocookie.com"),
		markup.AllowDataImages(1000, "image/png", "image/gif", "image/webp", "image/jpeg"),
		markup.AllowAttrs("*", "data-*", "aria-*"),
		markup.Linkify("pre"), markup.LinkifyEmails(),
		markup.RewriteURLs(func(_, _, address string) string {
			if u, err := url.Parse(address); err != nil || u.Host == "evil.example" {
				return ""
			}
			return address
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestChromiumKeepsWhatIsCleanedInItsContainer shows distinct outcomes of spliced
// vectors to Chromium in each of the containers that the docs name, and runs them.
func TestChromiumKeepsWhatIsCleanedInItsContainer(t *testing.T) {
	n, batch := 500, 500
	if os.Getenv("RAMPART_BARS") != "" {
		n, batch = 10_000, 1000
	}
	var containers [][2]string
	readJSON(t, "containers.json", &containers)
	if len(containers) != 22 {
		t.Fatalf("%d containers", len(containers))
	}
	outcomes := distinct(t, n, []*markup.Policy{markup.Basic(), markup.UGC(), markup.Markdown(), markup.Editor(), richest(t), richest(t)})
	pages := map[string]string{
		// What the test must notice: a list's item, a mutation, an id, a frame, CSS and a script.
		"/raw": lists(t, []string{`<li>x</li>`, `<a href="/x"><table><a href="/y">x</a></table></a>`, `<p id="x">x</p>`, `<iframe src="//evil.example"></iframe>`, `<p style="position: fixed">x</p>`, `<img src="x" onerror="alert(1)">`}, containers) + inContainers,
	}
	for i := range slices.Collect(slices.Chunk(outcomes, batch)) {
		pages[fmt.Sprintf("/batch/%d", i)] = lists(t, outcomes[i*batch:(i+1)*batch], containers) + inContainers
	}
	show := shown(t, pages)
	for i := range len(pages) - 1 {
		o := show(fmt.Sprintf("/batch/%d", i))
		for _, wrong := range o.Wrong[:min(len(o.Wrong), 5)] {
			t.Error(wrong)
		}
		if o.Ran > 0 || o.Divs != batch || len(o.Wrong) > 0 {
			t.Errorf("batch %d: %d scripts ran, %d of %d stayed in a live page, %d are wrong", i, o.Ran, o.Divs, batch, len(o.Wrong))
		}
	}
	raw := show("/raw")
	for _, want := range []string{"left <ul><li", "mutation", "id x", "frame", "style position", "attribute onerror"} {
		if !slices.ContainsFunc(raw.Wrong, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("the test does not notice %q", want)
		}
	}
	if raw.Ran == 0 {
		t.Error("the test does not notice a script")
	}
	t.Logf("%d distinct outcomes in %d containers", len(outcomes), len(containers))
}

// lists writes two lists as what the script of the page works on.
func lists(t *testing.T, outcomes []string, containers [][2]string) string {
	t.Helper()
	around, err := json.Marshal(containers)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("<script>const outcomes = %s, containers = %s</script>", script(t, outcomes), around)
}
