// Package markup cleans HTML that users write. [Basic] is the policy of bleach.clean,
// [UGC] is for rich text, [Markdown] and [Editor] are for what such programs write,
// [New] makes others; [Policy.Clean] returns HTML that is balanced and stable
// (cleaning it again changes nothing), and [Linkify] makes links of the addresses in
// a text. [StripTags] leaves plain text.
//
// It stops stored cross-site scripting: no policy can allow scripts, event
// handlers, CSS that places or loads something, or URLs that run code. Clean when
// text comes in or when it is shown; whichever, the result goes into the page as it
// is, between the tags of an element that the docs name (docs/sanitizing.md), such
// as div, li or td.
//
// It does not make text safe inside a script, a style or an attribute, and does
// not judge what a link leads to or an image shows.
package markup
