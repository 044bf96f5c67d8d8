package weak

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"

	"github.com/ecolaura/rampart/attack"
)

// Target describes the service, but for where it is.
func (s *Server) Target() attack.Target {
	product := func(description string) string {
		body, _ := json.Marshal(map[string]string{"name": "soap", "description": description, "price": "1.00"})
		return string(body)
	}
	carol := attack.Account{Name: "carol", Password: "carol's password"}
	return attack.Target{
		Header: http.Header{"X-Forwarded-Proto": {"https"}, "Host": {Host}},
		Alice:  attack.Account{Name: "alice", Password: "alice's password"},
		Bob:    attack.Account{Name: "bob", Password: "bob's password"},
		Public: "/api/public/", Secure: "/api/secure/", JWKS: "/.well-known/jwks.json", Refresh: "/api/token/refresh/", Logout: "/api/token/blacklist/",
		Expired: s.expired,
		Routes:  []attack.Route{{Path: "/api/go/?next=/api/public/"}, {Path: "/api/files/?name=a.txt"}, {Path: "/api/preview/?url=https://www.example.com/"}},
		Scoped:  []attack.Request{{Path: "/api/reports/"}},
		Own: func(ctx context.Context, c *attack.Client, owner attack.Session) (attack.Request, error) {
			got, err := c.Send(ctx, attack.Request{Method: http.MethodPost, Path: "/api/notes/", Header: http.Header{"Authorization": {"Bearer " + owner.Access}}})
			if err != nil {
				return attack.Request{}, err
			}
			var made struct{ Path string }
			err = json.Unmarshal(got.Body, &made)
			return attack.Request{Path: made.Path}, err
		},
		Write:   attack.Request{Path: "/api/products/", Body: product("<p>mild</p>")},
		Invalid: []string{`{"name":"soap","price":"-1"}`, `{"name":"","price":"1"}`, `[]`, ``},
		HTML:    product, Read: "/api/products/",
		Malformed: []attack.Request{{Path: "/api/public/"}, {Path: "/api/public/?x=1"}},
		Upload:    attack.Request{Path: "/api/upload/"},
		Limits: []attack.Limit{
			{Name: "by address", Request: attack.Request{Path: "/api/limited/"}, Count: limit},
			{Name: "by user", Request: attack.Request{Path: "/api/mine/"}, Count: limit, As: &carol},
		},
		Guesses: 2 * limit, AccountGuesses: strange + 1,
		Origins: []string{"https://www.example.com"},
		KeyPath: "/api/partner/", Key: s.key, EndedKeys: []string{s.ended},
		PlainHTTP: http.Header{"X-Forwarded-Proto": {"http"}}, ProxyHeader: "X-Forwarded-For",
		Blocked:   []attack.Blocked{{Addr: netip.MustParseAddr("203.0.113.9")}},
		RequestID: "X-Request-ID", Log: s.log.String,
	}
}

// CookieTarget describes the part of the service that browsers use, with sessions of
// cookies.
func (s *Server) CookieTarget() attack.Target {
	t := s.Target()
	return attack.Target{
		Header: t.Header, ProxyHeader: t.ProxyHeader, Alice: t.Alice, Bob: t.Bob,
		Login:  attack.LoginForm{Path: "/web/login/", Page: "/web/login/", Cookies: true}.Login,
		Public: "/web/login/", Secure: "/web/me/", Logout: "/web/logout/",
		Write: attack.Request{Path: "/web/profile/", Body: "name=x", ContentType: "application/x-www-form-urlencoded"},
	}
}
