package cors

import (
	"strings"

	"golang.org/x/net/idna"
)

// validPunycode reports whether a browser can have the host in an origin: it takes each
// "xn--" label for a name in Unicode and sends what that is in punycode, or does not
// load the page (URL standard, "domain to ASCII").
func validPunycode(host string) bool {
	if !strings.Contains(host, "xn--") {
		return true
	}
	asBrowsersDo := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true), idna.CheckHyphens(false), idna.StrictDomainName(false))
	ascii, err := asBrowsersDo.ToASCII(host)
	return err == nil && ascii == host
}
