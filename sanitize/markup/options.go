package markup

import (
	"slices"
	"strings"

	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/text"
)

// AllowClasses allows those classes on a tag that is allowed before it, or on
// every tag with "*", that a pattern names: "footnotes" is that class, and
// "language-*" every one that begins so and goes on with letters, digits, "-" or
// "_". Name what the page's style sheet has for such text, and nothing that
// places or covers something.
func AllowClasses(tag string, patterns ...string) Option {
	patterns = slices.Clone(patterns)
	return func(h *Policy) error {
		t, err := h.on("markup.AllowClasses", tag)
		if err != nil {
			return err
		}
		bad := conferr.For("markup.AllowClasses")
		bad.If(len(patterns) == 0, "patterns", conferr.ReasonMissing, nil, `name classes, such as "language-*"`)
		for _, pattern := range patterns {
			switch start := strings.TrimSuffix(pattern, "*"); {
			case start == "" && pattern != "":
				bad.Add("patterns", conferr.ReasonTooWide, pattern, `begin a pattern with a name, such as "language-*"; AllowAttrs with "class" allows every class`)
			case !isClass(start):
				bad.Add("patterns", conferr.ReasonInvalid, pattern, `write a class of letters, digits, "-" and "_", or its beginning and a "*" at the end`)
			}
		}
		if err := bad.Err(); err != nil {
			return err
		}
		t.widen(&tagPolicy{attrs: map[string]attrKind{"class": attrClass}, classes: patterns})
		return nil
	}
}

// AllowIDs allows ids on every tag and gives each the prefix, which ends with "-":
// so no id is one that the page or its scripts use (DOM clobbering). Links to a
// fragment of the same page get it too, as do attributes that refer to ids, such as
// headers and aria-labelledby; an id that has it stays as it is.
func AllowIDs(prefix string) Option {
	return func(h *Policy) error {
		if len(prefix) > 32 || len(prefix) < 2 || !isClass(prefix) || prefix[len(prefix)-1] != '-' || prefix[0] < 'A' {
			return conferr.New("markup.AllowIDs", "prefix", conferr.ReasonInvalid, prefix,
				`write at most 32 letters, digits and "-", with a letter first and a "-" at the end, such as "user-content-"`)
		}
		if h.idPrefix != "" && h.idPrefix != prefix {
			return conferr.New("markup.AllowIDs", "prefix", conferr.ReasonConflict, prefix, "the policy has another prefix already: "+h.idPrefix)
		}
		h.idPrefix = prefix
		h.global.attrs["id"] = attrID
		return nil
	}
}

// AllowStyles allows properties in the style attribute of a tag that is allowed
// before it, or of every tag with "*". What a property may be is fixed: colours by
// name, number, rgb or hsl; lengths within bounds (text of 4 to 200 pixels, boxes
// of up to 4000 or 100 %, nothing negative); the usual words; names of fonts.
// Declarations that are anything else go, and with them whatever has an escape, a
// comment, a URL or "!important". Properties that place or cover something (such as
// position, z-index, transform, opacity) or load it (background, content) are mistakes.
// Where a height or float could let the content out over what is below, "contain:
// paint" is added, which cuts it off at the edge of its box.
func AllowStyles(tag string, properties ...string) Option {
	properties = slices.Clone(properties)
	return func(h *Policy) error {
		t, err := h.on("markup.AllowStyles", tag)
		if err != nil {
			return err
		}
		bad := conferr.For("markup.AllowStyles")
		bad.If(len(properties) == 0, "properties", conferr.ReasonMissing, nil, `name CSS properties, such as "text-align"`)
		for _, name := range properties {
			switch allowed := propertyNamed(name); {
			case allowed != nil:
				t.styles[name] = allowed
			case isUnsafeProperty(name):
				bad.Add("properties", conferr.ReasonUnsafe, name, "this property can place something over the page, hide it or fetch a URL; no policy can allow it")
			default:
				bad.Add("properties", conferr.ReasonUnknown, name, `use the name of a property of text, boxes or borders in lower case, such as "text-align"`)
			}
		}
		t.attrs["style"] = attrStyle
		return bad.Err()
	}
}

// AllowDataImages allows images inside the text: data URLs in the src of img, in
// strict base64, of the types image/png, image/jpeg, image/gif or image/webp, that
// begin as their type does and have at most maxBytes each, decoded. No other type can
// be allowed: SVG carries a document of its own. It allows img with src.
func AllowDataImages(maxBytes int, types ...string) Option {
	types = slices.Clone(types)
	return func(h *Policy) error {
		bad := conferr.For("markup.AllowDataImages")
		bad.If(maxBytes < 1 || maxBytes > 1<<24, "maxBytes", conferr.ReasonInvalid, maxBytes, "allow 1 to 16777216 bytes")
		bad.If(len(types) == 0, "types", conferr.ReasonMissing, nil, "name at least one type, such as image/png")
		for _, name := range types {
			switch name {
			case "image/png", "image/jpeg", "image/gif", "image/webp":
			case "image/svg+xml", "text/html", "application/xhtml+xml", "text/xml", "application/xml":
				bad.Add("types", conferr.ReasonUnsafe, name, "data of this type is a document that can run code; no policy can allow it")
			default:
				bad.Add("types", conferr.ReasonUnknown, name, "use image/png, image/jpeg, image/gif or image/webp")
			}
		}
		h.maxImage, h.imageTypes = maxBytes, append(h.imageTypes, types...)
		img, _ := elementNamed("img")
		h.add(img).allow("src", attrImage)
		return bad.Err()
	}
}

// AllowFrames allows iframes of https URLs whose host is one of hosts, exactly, such
// as "www.youtube-nocookie.com". Each gets a sandbox in which it can run scripts in
// its own origin but not lead this page elsewhere, open windows, send forms or
// download, so never name a host that serves this page or its API: a frame of the
// same origin can leave its sandbox. It may have width, height, title, loading,
// frameborder and allowfullscreen; frames without an allowed URL go.
func AllowFrames(hosts ...string) Option {
	hosts = slices.Clone(hosts)
	return func(h *Policy) error {
		bad := conferr.For("markup.AllowFrames")
		bad.If(len(hosts) == 0, "hosts", conferr.ReasonMissing, nil, `name the hosts of frames, such as "www.youtube-nocookie.com"`)
		for _, host := range hosts {
			bad.If(!text.IsHostName(host) || host != text.LowerASCII(host) || !isPublicHost(host, false), "hosts", conferr.ReasonInvalid, host,
				`write a public host in lower case without scheme, port or "*", such as "www.youtube-nocookie.com"`)
		}
		h.frames = append(h.frames, hosts...)
		t := h.add(element{"iframe", isVoid | isFrame})
		t.allow("src", attrImage)
		for _, name := range []string{"width", "height", "title", "loading", "allowfullscreen", "frameborder"} {
			t.allow(name, attrText)
		}
		return bad.Err()
	}
}

// AllowNewTabs allows target="_blank" on links, which get rel="noopener" then, so
// that the page behind them cannot reach back to this one. Other targets go: they
// would be windows and frames of the page. It allows the element a with href.
func AllowNewTabs() Option {
	return func(h *Policy) error {
		h.newTabs = true
		if err := allowLinks(h); err != nil {
			return err
		}
		h.tags["a"].attrs["target"] = attrTarget
		return nil
	}
}

// AllowCheckboxes allows disabled checkboxes, as in Markdown's task lists: input with
// type="checkbox" and disabled, which is added if it is missing. No other
// input can be allowed.
func AllowCheckboxes() Option {
	return func(h *Policy) error {
		h.add(element{"input", isVoid | isInput})
		return nil
	}
}

// RewriteURLs has f look at every URL that the policy allows: to load images
// through a proxy, to check hosts, or to drop one by returning "". f gets the tag,
// the attribute and the URL as a browser reads it, with "/" for "\"; one whose host
// browsers and parsers could take differently is dropped before. What f returns is
// checked like the URL that was there, so f can only narrow what the policy allows.
// It must return its own URLs unchanged, or cleaning twice changes the text, and
// be safe for concurrent use. Compare a host with those that you allow: there are
// many ways to write one that you do not.
func RewriteURLs(f func(tag, attr, url string) string) Option {
	return func(h *Policy) error {
		switch {
		case f == nil:
			return conferr.New("markup.RewriteURLs", "f", conferr.ReasonMissing, nil, "give a function that returns a URL, or an empty text to drop it")
		case h.rewrite != nil:
			return conferr.New("markup.RewriteURLs", "f", conferr.ReasonDuplicate, nil, "the policy has such a function already; call one from the other")
		}
		h.rewrite = f
		return nil
	}
}
