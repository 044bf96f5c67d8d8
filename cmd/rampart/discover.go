package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart/attack"
)

// maxLinks bounds what is taken of a page.
const maxLinks = 50

var link = regexp.MustCompile(`(?is)<(?:a|area|form|link|iframe)\b[^>]*?\b(?:href|action|src)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`) // read-only

// discover fetches the first page and returns its links to the same origin, below the
// base URL. Redirects are not followed: they may lead elsewhere.
func discover(ctx context.Context, target *attack.Target) ([]attack.Route, error) {
	base, err := url.Parse(strings.TrimSuffix(target.URL, "/") + "/")
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.String(), nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, target.Header)
	if host := target.Header.Get("Host"); host != "" {
		req.Host = host
	}
	client := &http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("nothing answers at %s: %w", base, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read only
	if resp.StatusCode >= 500 {
		return nil, fmt.Errorf("%s answers with status %d: a service that is down refuses everything", base, resp.StatusCode)
	}
	page, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%s does not answer to the end: %w", base, err)
	}
	return links(base, page), nil
}

// links are those of a page that lead below base.
func links(base *url.URL, page []byte) (routes []attack.Route) {
	for _, m := range link.FindAllSubmatch(page, 1000) {
		to, err := base.Parse(html.UnescapeString(string(m[1]) + string(m[2]) + string(m[3])))
		if err != nil || to.Scheme != base.Scheme || to.Host != base.Host || to.User != nil {
			continue
		}
		below, ok := strings.CutPrefix(to.EscapedPath(), strings.TrimSuffix(base.EscapedPath(), "/"))
		if !ok || !strings.HasPrefix(below, "/") || ends(below) {
			continue
		}
		if to.RawQuery != "" {
			below += "?" + to.RawQuery
		}
		route := attack.Route{Path: below}
		if !slices.Contains(routes, route) && len(routes) < maxLinks {
			routes = append(routes, route)
		}
	}
	return routes
}

// ends reports whether a link may change something, though it is a GET.
func ends(path string) bool {
	path = strings.ToLower(path)
	return slices.ContainsFunc([]string{"logout", "log-out", "signout", "sign-out", "delete", "remove", "unsubscribe"}, func(word string) bool {
		return strings.Contains(path, word)
	})
}
