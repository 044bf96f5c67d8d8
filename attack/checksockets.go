package attack

import (
	"context"
	"net/http"
)

// sockets opens web sockets as a page of another site does (RFC 6455 section
// 10.2: a server that is not meant for every page looks at Origin). The visitor's
// cookies go with it.
func (s *scan) sockets(ctx context.Context, c *Client) {
	paths := []string{"/ws", "/ws/", "/socket", "/websocket", "/socket.io/?EIO=4&transport=websocket", "/graphql", "/cable", "/live"}
	for _, r := range s.places() {
		paths = append(paths, r.Path)
	}
	for _, path := range paths {
		r := Request{Path: path, Header: http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"YXR0YWNrYXR0YWNrYXR0YQ=="},
			"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"},
		}}
		if cookie := s.bob.Header.Get("Cookie"); cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		got, err := c.raw(ctx, c.wire(r))
		if err == nil && got.Status == http.StatusSwitchingProtocols {
			s.found(socketOrigin, "", c.wire(r), "status 101 for the origin https://evil.example")
		}
	}
}
