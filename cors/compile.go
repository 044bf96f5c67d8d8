package cors

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/token"
)

const (
	wildcard  = "*"
	maxMaxAge = 24 * time.Hour // no browser keeps an answer longer
)

// A compiler turns a Config into a policy and collects its mistakes.
type compiler struct {
	cfg    Config // becomes the normalised copy
	policy policy
	errs   []error
}

func compile(cfg Config) (*policy, error) {
	c := compiler{cfg: cfg}
	c.origins()
	c.methods()
	c.requestHeaders()
	c.responseHeaders()
	c.bounds()
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	c.policy.credentials = cfg.Credentials
	c.policy.privateNetwork = cfg.PrivateNetwork
	c.policy.enforce = cfg.Enforce
	c.policy.errorHandler, c.policy.logger = cfg.ErrorHandler, cfg.Logger
	c.policy.refusal = refusal()
	return &c.policy, nil
}

func (c *compiler) mistake(field, reason, value string) {
	c.errs = append(c.errs, &rampart.ConfigError{Package: "cors", Field: field, Reason: reason, Value: value})
}

// sorted returns a fresh slice without duplicates, nil if there is nothing.
func sorted(list []string) []string {
	list = slices.Compact(slices.Sorted(slices.Values(list)))
	return slices.Clip(list)
}

func (c *compiler) origins() {
	c.cfg.Origins = sorted(c.cfg.Origins)
	if len(c.cfg.Origins) == 0 {
		c.mistake("Origins", ReasonMissing, "")
	}
	for _, text := range c.cfg.Origins {
		if text == wildcard {
			c.everyone()
			continue
		}
		if text == "null" || strings.HasPrefix(text, "file:") {
			c.mistake("Origins", ReasonNullOrigin, text)
			continue
		}
		p, ok := parsePattern(text)
		if !ok {
			c.mistake("Origins", ReasonInvalid, text)
			continue
		}
		c.dangers(p, text)
		c.policy.origins.add(p)
	}
}

func (c *compiler) everyone() {
	c.policy.everyone = true
	if len(c.cfg.Origins) > 1 {
		c.mistake("Origins", ReasonWildcardNotAlone, wildcard)
	}
	if c.cfg.Credentials {
		c.mistake("Origins", ReasonWildcardWithCredentials, wildcard)
	}
	if c.cfg.PrivateNetwork {
		c.mistake("Origins", ReasonWildcardWithPrivateNetwork, wildcard)
	}
}

// dangers refuses what would hand users' data, or their private network, to
// strangers.
func (c *compiler) dangers(p pattern, text string) {
	if !c.cfg.DangerouslyAllowInsecureOrigins && p.insecure() {
		if c.cfg.Credentials {
			c.mistake("Origins", ReasonInsecureWithCredentials, text)
		}
		if c.cfg.PrivateNetwork {
			c.mistake("Origins", ReasonInsecureWithPrivateNetwork, text)
		}
	}
	if !c.cfg.DangerouslyAllowPublicSuffixes && (c.cfg.Credentials || c.cfg.PrivateNetwork) && p.publicSuffix() {
		if c.cfg.Credentials {
			c.mistake("Origins", ReasonPublicSuffixWithCredentials, text)
		}
		if c.cfg.PrivateNetwork {
			c.mistake("Origins", ReasonPublicSuffixPrivateNetwork, text)
		}
	}
}

func (c *compiler) methods() {
	set := make(map[string]struct{})
	for _, method := range c.cfg.Methods {
		switch name := normalMethod(method); {
		case name == wildcard:
			c.policy.anyMethod = true
		case !token.Valid(method):
			c.mistake("Methods", ReasonInvalid, method)
		case forbiddenMethod(name):
			c.mistake("Methods", ReasonForbidden, method)
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
			c.mistake("RequestHeaders", ReasonInvalid, header)
		case forbiddenRequestHeader(name):
			c.mistake("RequestHeaders", ReasonForbidden, header)
		case pointlessRequestHeader(name):
			c.mistake("RequestHeaders", ReasonPointless, header)
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
			if c.cfg.Credentials { // browsers would read it as the name of a header
				c.mistake("ResponseHeaders", ReasonWildcardWithCredentials, wildcard)
			}
		case !token.Valid(header):
			c.mistake("ResponseHeaders", ReasonInvalid, header)
		case forbiddenResponseHeader(name):
			c.mistake("ResponseHeaders", ReasonForbidden, header)
		case pointlessResponseHeader(name):
			c.mistake("ResponseHeaders", ReasonPointless, header)
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
		c.mistake("MaxAge", ReasonOutOfBounds, age.String())
	case age > 0:
		c.policy.maxAge = strconv.Itoa(int(age / time.Second))
	}
	c.policy.status = cmp.Or(c.cfg.PreflightStatus, http.StatusNoContent)
	if c.policy.status < 200 || c.policy.status > 299 { // only an ok status lets a preflight succeed (Fetch, CORS-preflight fetch, step 7)
		c.mistake("PreflightStatus", ReasonOutOfBounds, strconv.Itoa(c.policy.status))
	}
}
