// Package markup cleans HTML that users write. [UGC] is the policy for rich
// text, [Basic] that of bleach.clean, [New] makes others; [Policy.Clean] returns
// HTML that is balanced and stable (cleaning it again changes nothing), and
// [Linkify] makes links of the addresses in a text. [StripTags] leaves plain
// text.
//
// It stops stored cross-site scripting: no policy can allow scripts, event
// handlers, style, or URLs that run code. Clean when text comes in or when it is
// shown; whichever, the result goes into the page as it is, between tags.
//
// It does not make text safe inside a script, a style or an attribute, and does
// not judge what a link leads to or an image shows.
package markup
