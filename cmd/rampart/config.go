package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"
)

// A config is a file that describes a target. What is left out is not attacked.
type config struct {
	URL   string   `yaml:"url"`
	Owned []string `yaml:"owned"` // hosts that the reader may attack

	Headers     map[string]string `yaml:"headers"`      // sent with each request
	ProxyHeader string            `yaml:"proxy-header"` // in which this machine is believed about clients
	PlainHTTP   map[string]string `yaml:"plain-http"`   // what a proxy adds to what came over plain http

	Login login `yaml:"login"`
	Alice user  `yaml:"alice"` // may do what scoped, own and write say
	Bob   user  `yaml:"bob"`   // may not

	Public  string  `yaml:"public"`
	Secure  string  `yaml:"secure"`
	Routes  []route `yaml:"routes"`
	JWKS    string  `yaml:"jwks"`
	Refresh string  `yaml:"refresh"`
	Logout  string  `yaml:"logout"`
	Expired secret  `yaml:"expired"` // an access token

	Scoped    []request `yaml:"scoped"`
	Own       *own      `yaml:"own"`
	Write     request   `yaml:"write"`
	Invalid   []string  `yaml:"invalid"`
	Malformed []request `yaml:"malformed"`
	HTML      string    `yaml:"html"` // a body of write with {html} in it
	Read      string    `yaml:"read"`
	Upload    request   `yaml:"upload"`

	Limits         []limit `yaml:"limits"`
	Guesses        int     `yaml:"guesses"`
	AccountGuesses int     `yaml:"account-guesses"`

	Origins   []string  `yaml:"origins"`
	APIKey    apiKey    `yaml:"api-key"`
	Blocked   []blocked `yaml:"blocked"`
	RequestID string    `yaml:"request-id"`
	Log       string    `yaml:"log"` // the file that the service logs to

	Timeouts time.Duration `yaml:"timeouts"`
}

type login struct {
	Kind string `yaml:"kind"` // json (the default), form, cookies, oauth2, token, api-key

	Path     string `yaml:"path"`
	Page     string `yaml:"page"`
	Name     string `yaml:"name-field"`
	Password string `yaml:"password-field"`
	Access   string `yaml:"access-member"`
	Refresh  string `yaml:"refresh-member"`
	JSON     bool   `yaml:"json"` // cookies are given for JSON

	CSRFField  string `yaml:"csrf-field"`
	CSRFCookie string `yaml:"csrf-cookie"`
	CSRFHeader string `yaml:"csrf-header"`

	TokenURL string `yaml:"token-url"` // of oauth2
	Scope    string `yaml:"scope"`
	Audience string `yaml:"audience"`
	Header   string `yaml:"header"` // of api-key
}

type user struct {
	Name     string `yaml:"name"`     // for oauth2 the client's id
	Password secret `yaml:"password"` // for oauth2 its secret
	Token    secret `yaml:"token"`    // for the kinds token and api-key
}

type route struct {
	Path    string `yaml:"path"`
	Private bool   `yaml:"private"`
}

// UnmarshalYAML takes a path alone, too.
func (r *route) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		return node.Decode(&r.Path)
	}
	type plain route
	return node.Decode((*plain)(r))
}

type request struct {
	Method      string            `yaml:"method"`
	Path        string            `yaml:"path"`
	Body        string            `yaml:"body"`
	ContentType string            `yaml:"content-type"`
	Headers     map[string]string `yaml:"headers"`
}

// own is what makes something of its owner's, and what only the owner may do with it.
type own struct {
	Create request `yaml:"create"`
	Member string  `yaml:"member"` // of the response, that goes in place of {id}
	Use    request `yaml:"use"`
}

type limit struct {
	request `yaml:",inline"`
	Name    string        `yaml:"name"`
	Layer   string        `yaml:"layer"`
	Count   int           `yaml:"count"`
	Refill  time.Duration `yaml:"refill"`
	As      user          `yaml:"as"`
	Keyed   bool          `yaml:"keyed"`
	Bad     bool          `yaml:"bad"`
}

type apiKey struct {
	Path   string   `yaml:"path"`
	Header string   `yaml:"header"`
	Key    secret   `yaml:"key"`
	Ended  []secret `yaml:"ended"`
}

type blocked struct {
	Address netip.Addr `yaml:"address"`
	Layer   string     `yaml:"layer"`
}

// A secret is a text, or "${NAME}": the value of an environment variable. It prints
// as REDACTED.
type secret struct{ text string }

var (
	variable = regexp.MustCompile(`^\$\{(\w+)\}$`) // read-only
	quoted   = regexp.MustCompile("(?s)`.*`")      // read-only; what yaml repeats
)

// UnmarshalYAML implements [yaml.Unmarshaler].
func (s *secret) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a secret is a text", node.Line) // yaml would repeat what is there
	}
	s.text = node.Value
	return nil
}

// fill puts the values of environment variables in place of their names.
func (c *config) fill(env func(string) string) error {
	all := []*secret{&c.Alice.Password, &c.Alice.Token, &c.Bob.Password, &c.Bob.Token, &c.Expired, &c.APIKey.Key}
	for i := range c.APIKey.Ended {
		all = append(all, &c.APIKey.Ended[i])
	}
	for i := range c.Limits {
		all = append(all, &c.Limits[i].As.Password, &c.Limits[i].As.Token)
	}
	var errs []error
	for _, s := range all {
		if m := variable.FindStringSubmatch(s.text); m != nil {
			if s.text = env(m[1]); s.text == "" {
				errs = append(errs, fmt.Errorf("the environment has no %s", m[1]))
			}
		}
	}
	return errors.Join(errs...)
}

// Format implements [fmt.Formatter].
func (secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "REDACTED") }

// readConfig reads a file strictly.
func (t terminal) readConfig(name string) (*config, error) {
	text, err := t.readFile(name)
	if err != nil {
		return nil, err
	}
	var cfg config
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %s", name, quoted.ReplaceAllString(err.Error(), "…")) // it may be a secret in the wrong place
	}
	if err := cfg.fill(t.env); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &cfg, nil
}

func httpHeader(m map[string]string) http.Header {
	if len(m) == 0 {
		return nil
	}
	h := http.Header{}
	for name, value := range m {
		h.Set(name, value)
	}
	return h
}
