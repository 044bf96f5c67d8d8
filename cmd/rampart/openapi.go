package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An openAPI is what a description of OpenAPI 3.0 or 3.1 says of its routes. Bodies and
// responses are not read.
type openAPI struct {
	Version    string              `yaml:"openapi"`
	Swagger    string              `yaml:"swagger"`
	Servers    []apiServer         `yaml:"servers"`
	Security   []map[string]any    `yaml:"security"`
	Paths      map[string]pathItem `yaml:"paths"`
	Components struct {
		Parameters map[string]apiParameter `yaml:"parameters"`
		PathItems  map[string]pathItem     `yaml:"pathItems"`
	} `yaml:"components"`
}

type apiServer struct {
	URL       string `yaml:"url"`
	Variables map[string]struct {
		Default string `yaml:"default"`
	} `yaml:"variables"`
}

type pathItem struct {
	Ref        string         `yaml:"$ref"`
	Parameters []apiParameter `yaml:"parameters"`
	Get        *apiOperation  `yaml:"get"`
	Put        *apiOperation  `yaml:"put"`
	Post       *apiOperation  `yaml:"post"`
	Delete     *apiOperation  `yaml:"delete"`
	Options    *apiOperation  `yaml:"options"`
	Head       *apiOperation  `yaml:"head"`
	Patch      *apiOperation  `yaml:"patch"`
	Trace      *apiOperation  `yaml:"trace"`
}

type apiOperation struct {
	Parameters []apiParameter    `yaml:"parameters"`
	Security   *[]map[string]any `yaml:"security"` // nil: the document's
}

type apiParameter struct {
	Ref      string `yaml:"$ref"`
	Name     string `yaml:"name"`
	In       string `yaml:"in"`
	Example  any    `yaml:"example"`
	Examples map[string]struct {
		Value any `yaml:"value"`
	} `yaml:"examples"`
	Schema struct {
		Type     any    `yaml:"type"` // a text, or in 3.1 a list
		Format   string `yaml:"format"`
		Example  any    `yaml:"example"`
		Examples any    `yaml:"examples"`
		Default  any    `yaml:"default"`
		Enum     []any  `yaml:"enum"`
	} `yaml:"schema"`
}

// An operation is a route and a method of a description.
type operation struct {
	Method  string
	Path    string // as the description has it
	Sample  string // with a value in each parameter
	Private bool   // it demands a credential
}

// parseOpenAPI reads a description, and returns the path of its first server.
func parseOpenAPI(text []byte) (operations []operation, prefix string, err error) {
	if json.Valid(text) { // JSON is YAML, but for its escapes of surrogates (RFC 8259 section 7)
		var v any
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return nil, "", err
		}
		if text, err = yaml.Marshal(v); err != nil {
			return nil, "", err
		}
	}
	var doc openAPI
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, "", err
	}
	if !strings.HasPrefix(doc.Version, "3.") {
		return nil, "", fmt.Errorf("it is no description of OpenAPI 3 (openapi %q, swagger %q); convert an older one", doc.Version, doc.Swagger)
	}
	for path, item := range doc.Paths {
		if !strings.HasPrefix(path, "/") {
			continue // an extension
		}
		item, err := doc.item(item)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", path, err)
		}
		for method, op := range map[string]*apiOperation{
			"GET": item.Get, "PUT": item.Put, "POST": item.Post, "DELETE": item.Delete, "OPTIONS": item.Options, "HEAD": item.Head, "PATCH": item.Patch, "TRACE": item.Trace,
		} {
			if op == nil {
				continue
			}
			sample, err := doc.sample(path, append(slices.Clone(op.Parameters), item.Parameters...)) // an operation's own counts first
			if err != nil {
				return nil, "", fmt.Errorf("%s %s: %w", method, path, err)
			}
			operations = append(operations, operation{method, path, sample, doc.private(op)})
		}
	}
	slices.SortFunc(operations, func(a, b operation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return operations, doc.prefix(), nil
}

// item follows a reference to another path item of the document.
func (d *openAPI) item(item pathItem) (pathItem, error) {
	for range 10 {
		ref := item.Ref
		if ref == "" {
			return item, nil
		}
		var found bool
		if name, ok := strings.CutPrefix(ref, "#/components/pathItems/"); ok {
			item, found = d.Components.PathItems[pointer(name)]
		} else if name, ok := strings.CutPrefix(ref, "#/paths/"); ok {
			item, found = d.Paths[pointer(name)]
		}
		if !found {
			return item, fmt.Errorf("the path item %q is not in this file; bundle the description into one", ref)
		}
	}
	return item, fmt.Errorf("references go in a circle")
}

// pointer undoes the escapes of a JSON pointer in a fragment (RFC 6901 sections 3, 6).
func pointer(token string) string {
	if decoded, err := url.PathUnescape(token); err == nil {
		token = decoded
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
}

// private reports whether an operation demands a credential: an empty requirement
// among others makes it optional.
func (d *openAPI) private(op *apiOperation) bool {
	security := d.Security
	if op.Security != nil {
		security = *op.Security
	}
	return len(security) > 0 && !slices.ContainsFunc(security, func(r map[string]any) bool { return len(r) == 0 })
}

// sample is a path with a value in each parameter, and a query of the others.
func (d *openAPI) sample(path string, parameters []apiParameter) (string, error) {
	var query []string
	seen := map[string]bool{}
	for _, p := range parameters {
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			if p, ok = d.Components.Parameters[pointer(name)]; !ok {
				return "", fmt.Errorf("the parameter %q is not in this file", name)
			}
		} else if p.Ref != "" {
			return "", fmt.Errorf("the parameter %q is not in this file; bundle the description into one", p.Ref)
		}
		if p.Name == "" || seen[p.In+p.Name] {
			continue
		}
		seen[p.In+p.Name] = true
		switch p.In {
		case "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(p.value()))
		case "query":
			query = append(query, url.QueryEscape(p.Name)+"="+url.QueryEscape(p.value()))
		}
	}
	for { // a parameter that the description forgets
		begin := strings.IndexByte(path, '{')
		end := strings.IndexByte(path, '}')
		if begin < 0 || end < begin {
			break
		}
		path = path[:begin] + "1" + path[end+1:]
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	return path, nil
}

// value is what the description gives as an example, or something of the type.
func (p apiParameter) value() string {
	candidates := []any{p.Example}
	for _, e := range p.Examples {
		candidates = append(candidates, e.Value)
	}
	candidates = append(candidates, p.Schema.Example, first(p.Schema.Examples), p.Schema.Default, first(p.Schema.Enum))
	for _, c := range candidates {
		switch v := first(c).(type) {
		case string:
			return v
		case int, int64, float64, bool:
			return fmt.Sprint(v)
		}
	}
	switch p.Schema.Format {
	case "uuid":
		return "00000000-0000-4000-8000-000000000001"
	case "date":
		return "2026-01-01"
	case "date-time":
		return "2026-01-01T00:00:00Z"
	case "email":
		return "a@example.com"
	case "uri":
		return "https://www.example.com/"
	}
	if t, ok := first(p.Schema.Type).(string); ok && t == "boolean" {
		return "true"
	}
	return "1"
}

// first is the first of a list, or what is none.
func first(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// prefix is the path of the first server.
func (d *openAPI) prefix() string {
	if len(d.Servers) == 0 {
		return ""
	}
	text := d.Servers[0].URL
	for name, v := range d.Servers[0].Variables {
		text = strings.ReplaceAll(text, "{"+name+"}", v.Default)
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.EscapedPath(), "/")
}

// describe adds the routes of a description to what is configured. A base URL without
// a path gets that of the description's server.
func (t terminal) describe(c *config, base *url.URL, name string) error {
	text, err := t.readFile(name)
	if err != nil {
		return err
	}
	operations, prefix, err := parseOpenAPI(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if strings.Trim(base.Path, "/") == "" {
		c.URL = strings.TrimSuffix(c.URL, "/") + prefix
	}
	for _, op := range operations {
		if op.Method == http.MethodGet && !ends(op.Path) {
			c.Routes = append(c.Routes, route{op.Sample, op.Private})
		}
	}
	if len(c.Routes) == 0 {
		return fmt.Errorf("%s: it has no route to GET", name)
	}
	taken := func(private bool) string { // the simplest path first
		best := ""
		for _, r := range c.Routes {
			if path, _, _ := strings.Cut(r.Path, "?"); r.Private == private && (best == "" || len(path) < len(best)) {
				best = path
			}
		}
		return best
	}
	if c.Public == "" {
		c.Public = taken(false)
	}
	if c.Secure == "" && c.Bob != (user{}) {
		c.Secure = taken(true)
	}
	return nil
}
