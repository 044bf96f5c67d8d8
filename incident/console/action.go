package console

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// A field is an input of an order's form.
type field struct {
	Name, Label, Hint string
	Choices           []string // nil: any text
	List              bool     // blank-separated
}

// An action is an order as the console gives it.
type action struct {
	Name, Title, Says string
	Call              string // of the operators' calls
	Fields            []field
	Ends              bool // it takes an end
}

// actions are the orders with a form, in the order of the page.
var actions = []action{ //nolint:gochecknoglobals // read-only
	{"lockdown", "Lock down", "Close the service but for reading, or but for a list of addresses.", "lockdown/", []field{
		{Name: "mode", Label: "Mode", Choices: []string{"read_only", "deny"}},
		{Name: "allow", Label: "Addresses served with deny", Hint: "separated by blanks", List: true},
	}, true},
	{"tighten", "Tighten a limit", "A policy counts by a lower rate.", "rates/", []field{
		{Name: "policy", Label: "Policy"}, {Name: "rate", Label: "Rate", Hint: "such as 10/minute"},
	}, true},
	{"block", "Block", "Refuse all requests from an address or prefix.", "blocks/", []field{{Name: "prefix", Label: "Address or prefix"}}, true},
	{"end_subject", "End sessions of a subject", "All their devices are logged out.", "sessions/end/", []field{{Name: "subject", Label: "Subject"}}, false},
	{"end_session", "End one session", "One device is logged out.", "sessions/end/", []field{{Name: "session", Label: "Session"}}, false},
	{"end_all", "End all sessions", "Everybody is logged out, you too.", "sessions/end/", nil, false},
	{"revoke_key", "Revoke a key", "A program is refused.", "keys/revoke/", []field{{Name: "key", Label: "Key ID"}}, false},
	{"revoke_owner", "Revoke the keys of an owner", "All programs of a subject are refused.", "keys/revoke/", []field{{Name: "owner", Label: "Subject"}}, false},
	{"rotate_signing_key", "Rotate the signing key", "New tokens are signed with a new key.", "signing-key/rotate/", []field{
		{Name: "overlap", Label: "Old tokens verify for", Hint: "such as 1h; 0s if the key has leaked"},
	}, false},
	{"rotate_field_key", "Rotate the field key", "Values are encrypted anew, in the background.", "field-key/rotate/", nil, false},
}

// lifts are the orders that end a measure: one click, no preview.
var lifts = []action{ //nolint:gochecknoglobals // read-only
	{Name: "unblock", Call: "blocks/lift/", Fields: []field{{Name: "prefix"}}},
	{Name: "loosen", Call: "rates/lift/", Fields: []field{{Name: "policy"}}},
	{Name: "lift_lockdown", Call: "lockdown/lift/"},
}

func actionOf(name string) (action, bool) {
	for _, list := range [][]action{actions, lifts} {
		for _, a := range list {
			if a.Name == name {
				return a, true
			}
		}
	}
	return action{}, false
}

// body is what the operators' call takes.
func (a action) body(form url.Values) map[string]any {
	body := map[string]any{"note": form.Get("note")}
	for _, f := range a.Fields {
		value := strings.TrimSpace(form.Get(f.Name))
		switch {
		case !f.List:
			body[f.Name] = value
		case value != "":
			body[f.Name] = strings.Fields(value)
		}
	}
	if a.Ends {
		body["for"] = form.Get("for")
	}
	if a.Name == "end_all" {
		body["before"] = ""
	}
	return body
}

// effect says whom an order will hit, as far as this instance can tell.
func (c *Console) effect(r *http.Request, a action, form url.Values) []string {
	var says []string
	say := func(format string, args ...any) { says = append(says, fmt.Sprintf(format, args...)) }
	switch a.Name {
	case "block":
		c.effectOfBlock(strings.TrimSpace(form.Get("prefix")), say)
	case "end_subject":
		var body struct{ Sessions []session }
		if err := c.get(r, "/sessions/?subject="+url.QueryEscape(strings.TrimSpace(form.Get("subject"))), &body); err != nil {
			say("How many sessions that is cannot be told: %s", err.Error())
			break
		}
		say("%d live sessions end.", len(body.Sessions))
		for _, s := range body.Sessions {
			say("Session %s: %s, last used %s.", s.ID, s.Device, clock(s.Used))
		}
	case "revoke_owner":
		var keys []apiKey
		if err := c.get(r, "/keys/?owner="+url.QueryEscape(strings.TrimSpace(form.Get("owner"))), &keys); err != nil {
			say("How many keys that is cannot be told: %s", err.Error())
			break
		}
		say("%d keys, of the first page.", len(keys))
		for _, k := range keys {
			say("Key %s: %s.", k.ID, k.Name)
		}
	case "tighten":
		for _, p := range c.rates(r) {
			if p.Policy == strings.TrimSpace(form.Get("policy")) {
				say("%s counts by %s now; configured is %s. Each of its callers is counted by the lower rate.", p.Policy, p.Rate, p.Configured)
			}
		}
		if len(says) == 0 {
			say("There is no such policy on this instance.")
		}
	case "lockdown":
		minutes := c.cfg.Recorder.Traffic()
		say("Everybody. This instance had %d requests in the last full minute.", minutes[len(minutes)-2].Requests)
		if form.Get("mode") == "deny" {
			say("Only these addresses are served: %s. The operators' calls and the log-in stay open.", form.Get("allow"))
		} else {
			say("Reading goes on; every other method is refused. The operators' calls and the log-in stay open.")
		}
	case "end_all":
		say("Everybody who is logged in, you too: you will log in again.")
	case "rotate_signing_key":
		say("With an overlap of 0s every access token is refused at once; else nobody notices.")
	default:
		say("%s", a.Says)
	}
	return says
}

func (c *Console) effectOfBlock(text string, say func(string, ...any)) {
	p, err := netip.ParsePrefix(text)
	if addr, err1 := netip.ParseAddr(text); err1 == nil {
		p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if err != nil {
		say("This is no address or prefix; the order would be refused.")
		return
	}
	names, refused := c.cfg.Recorder.within(p)
	say("%s. Of those who were refused here lately it holds %d addresses with %d refusals.", size(p), names, refused)
	say("Others behind the same addresses are refused, too.")
}

// size says how many addresses a prefix has.
func size(p netip.Prefix) string {
	switch bits := p.Addr().BitLen() - p.Bits(); {
	case bits == 0:
		return "One address"
	case bits <= 24:
		return fmt.Sprintf("%d addresses", 1<<bits)
	default:
		return fmt.Sprintf("2^%d addresses", bits)
	}
}

// clock writes a time as the pages do.
func clock(t time.Time) string {
	if t.IsZero() {
		return "not known"
	}
	if t = t.UTC(); time.Since(t).Abs() < 12*time.Hour {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}
