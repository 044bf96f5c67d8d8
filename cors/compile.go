package cors

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/token"
	"github.com/ecolaura/rampart/internal/weborigin"
)

const (
	wildcard  = "*"
	maxMaxAge = 24 * time.Hour // no browser keeps a response longer
)

// What the mistakes say would be right.
const (
	wantOrigin     = "an origin is scheme://host[:port] in lower case, without a path, a trailing slash or the default port"
	wantNoProtocol = "this header belongs to CORS itself; remove it"
)

// A compiler turns a Config into a policy and collects its mistakes.
type compiler struct {
	cfg    Config // becomes the normalised copy
	policy policy
	bad    *conferr.Mistakes
}

func compile(cfg Config) (*policy, error) {
	c := compiler{cfg: cfg, bad: conferr.For("cors.Config")}
	c.origins()
	c.methods()
	c.requestHeaders()
	c.responseHeaders()
	c.bounds()
	c.bad.If(cfg.DangerouslyDebugAnywhere && !cfg.Debug, "DangerouslyDebugAnywhere", rampart.ReasonPointless, nil, "it says where Debug holds; set Debug too, or neither")
	if err := c.bad.Err(); err != nil {
		return nil, err
	}
	if cfg.OriginFunc != nil {
		c.policy.asker = newAsker(cfg.OriginFunc)
		c.policy.asksInsecure = cfg.DangerouslyAllowInsecureOrigins || !cfg.Credentials && !cfg.PrivateNetwork
	}
	c.policy.debug, c.policy.debugAnywhere = cfg.Debug, cfg.DangerouslyDebugAnywhere
	c.policy.credentials = cfg.Credentials
	c.policy.privateNetwork = cfg.PrivateNetwork
	c.policy.enforce = cfg.Enforce
	c.policy.errorHandler, c.policy.logger = cfg.ErrorHandler, cfg.Logger
	c.policy.refusal = refusal()
	return &c.policy, nil
}

// sorted returns a fresh slice without duplicates, nil if there is nothing.
func sorted(list []string) []string {
	list = slices.Compact(slices.Sorted(slices.Values(list)))
	return slices.Clip(list)
}

func (c *compiler) origins() {
	c.cfg.Origins = sorted(c.cfg.Origins)
	c.bad.If(len(c.cfg.Origins) == 0 && c.cfg.OriginFunc == nil, "Origins", rampart.ReasonMissing, nil,
		`list the origins that may read, such as "https://app.example.com", or set OriginFunc`)
	for _, text := range c.cfg.Origins {
		if text == wildcard {
			c.everyone()
			continue
		}
		if text == "null" || strings.HasPrefix(text, "file:") {
			c.bad.Add("Origins", ReasonNullOrigin, text, "any site can take this origin on with a sandboxed frame; serve the page over https and list its origin")
			continue
		}
		p, ok := weborigin.ParsePattern(text)
		if !ok {
			c.bad.Add("Origins", rampart.ReasonInvalid, text, wantOrigin)
			continue
		}
		if !validPunycode(p.Base.Host()) {
			c.bad.Add("Origins", rampart.ReasonInvalid, text, "no name has this punycode; copy the origin from a browser, as the script of the page finds it in location.origin")
			continue
		}
		c.dangers(p, text)
		c.policy.origins.Add(p)
	}
}

func (c *compiler) everyone() {
	c.policy.everyone = true
	c.bad.If(len(c.cfg.Origins) > 1, "Origins", ReasonWildcardNotAlone, wildcard,
		`"*" takes every origin; remove it or the others`)
	c.bad.If(c.cfg.OriginFunc != nil, "OriginFunc", rampart.ReasonPointless, nil,
		`"*" takes every origin, so none is left to ask about; remove it from Origins, or leave OriginFunc nil`)
	c.bad.If(c.cfg.Credentials, "Origins", ReasonWildcardWithCredentials, wildcard,
		"every site could read your users' data; list the origins, or leave Credentials false")
	c.bad.If(c.cfg.PrivateNetwork, "Origins", ReasonWildcardWithPrivateNetwork, wildcard,
		"every site could reach into your network; list the origins, or leave PrivateNetwork false")
}

// dangers refuses what would hand users' data, or their private network, to
// strangers.
func (c *compiler) dangers(p weborigin.Pattern, text string) {
	if !c.cfg.Credentials && !c.cfg.PrivateNetwork {
		return
	}
	if !c.cfg.DangerouslyAllowInsecureOrigins && p.Base.Insecure() {
		const want = "anyone on the network can change a page over http; use https, or read what DangerouslyAllowInsecureOrigins says"
		c.bad.If(c.cfg.Credentials, "Origins", ReasonInsecureWithCredentials, text, want)
		c.bad.If(c.cfg.PrivateNetwork, "Origins", ReasonInsecureWithPrivateNetwork, text, want)
	}
	if !c.cfg.DangerouslyAllowPublicSuffixes && p.Open() {
		const want = "anyone can register a name there; write the label before it too, or read what DangerouslyAllowPublicSuffixes says"
		c.bad.If(c.cfg.Credentials, "Origins", ReasonPublicSuffixWithCredentials, text, want)
		c.bad.If(c.cfg.PrivateNetwork, "Origins", ReasonPublicSuffixPrivateNetwork, text, want)
	}
}

func (c *compiler) methods() {
	set := make(map[string]struct{})
	for _, method := range c.cfg.Methods {
		switch name := normalMethod(method); {
		case name == wildcard:
			c.policy.anyMethod = true
		case !token.Valid(method):
			c.bad.Add("Methods", rampart.ReasonInvalid, method, `a method is one word, such as "PUT"; give each its own entry`)
		case forbiddenMethod(name):
			c.bad.Add("Methods", ReasonForbidden, method, "no browser lets a script send this method; remove it")
		case !safelistedMethod(name):
			set[name] = struct{}{}
		}
	}
	c.policy.methods = set
}

func (c *compiler) requestHeaders() {
	set := make(map[string]struct{})
	for _, header := range c.cfg.RequestHeaders {
		switch name := strings.ToLower(header); {
		case name == wildcard:
			c.policy.anyHeader = true
		case !token.Valid(header):
			c.bad.Add("RequestHeaders", rampart.ReasonInvalid, header, conferr.WantHeader)
		case forbiddenRequestHeader(name):
			c.bad.Add("RequestHeaders", ReasonForbidden, header, "no browser lets a script send this header; remove it")
		case pointlessRequestHeader(name):
			c.bad.Add("RequestHeaders", rampart.ReasonPointless, header, wantNoProtocol)
		default:
			set[name] = struct{}{}
		}
	}
	_, c.policy.authorization = set[authorization]
	if c.policy.anyHeader {
		maps.DeleteFunc(set, func(name string, _ struct{}) bool { return name != authorization })
	}
	c.policy.headers = set
	c.policy.longestHeader = nameWindow
	for name := range set {
		c.policy.longestHeader = max(c.policy.longestHeader, len(name))
	}
}

func (c *compiler) responseHeaders() {
	var list []string
	all := false
	for _, header := range c.cfg.ResponseHeaders {
		switch name := strings.ToLower(header); {
		case name == wildcard:
			all = true
			c.bad.If(c.cfg.Credentials, "ResponseHeaders", ReasonWildcardWithCredentials, wildcard,
				`beside Credentials browsers take "*" for the name of a header; list the headers`)
		case !token.Valid(header):
			c.bad.Add("ResponseHeaders", rampart.ReasonInvalid, header, conferr.WantHeader)
		case forbiddenResponseHeader(name):
			c.bad.Add("ResponseHeaders", ReasonForbidden, header, "no browser lets a script read this header; remove it")
		case pointlessResponseHeader(name):
			c.bad.Add("ResponseHeaders", rampart.ReasonPointless, header, wantNoProtocol)
		case !safelistedResponseHeader(name):
			list = append(list, http.CanonicalHeaderKey(name))
		}
	}
	if all {
		list = []string{wildcard}
	}
	c.policy.expose = strings.Join(sorted(list), ", ")
}

func (c *compiler) bounds() {
	switch age := c.cfg.MaxAge; {
	case age == NoPreflightCache:
		c.policy.maxAge = "0"
	case age < 0 || age > maxMaxAge || age%time.Second != 0:
		c.bad.Add("MaxAge", ReasonOutOfBounds, age, "use whole seconds up to 24h, or NoPreflightCache")
	case age > 0:
		c.policy.maxAge = strconv.Itoa(int(age / time.Second))
	}
	c.policy.status = cmp.Or(c.cfg.PreflightStatus, http.StatusNoContent)
	c.bad.If(c.policy.status < 200 || c.policy.status > 299, // only an ok status lets a preflight succeed (Fetch, CORS-preflight fetch, step 7)
		"PreflightStatus", ReasonOutOfBounds, c.policy.status, "browsers take a status from 200 to 299")
}
