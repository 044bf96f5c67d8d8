package main

import (
	"bufio"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// isLoopback reports whether a host is this machine (RFC 6761 section 6.3).
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// tokenHost is where a log-in goes, if that is another host.
func (l login) tokenHost() string {
	u, err := url.Parse(l.TokenURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// consent asks whether each of the hosts is the caller's, unless it is this machine or
// is said to be. Without a terminal it is refused.
func (t terminal) consent(owned []string, hosts ...string) error {
	for _, host := range hosts {
		if host == "" || isLoopback(host) || slices.ContainsFunc(owned, func(o string) bool { return strings.EqualFold(o, host) }) {
			continue
		}
		if !isTerminal(t.in) {
			return fmt.Errorf("%q is not this machine: name it in owned of -config, or with -i-own, if you may attack it", host)
		}
		fmt.Fprintf(t.err, "This sends attacks to %s. If you may do that, type its name: ", clean(host))
		line, err := bufio.NewReader(t.in).ReadString('\n')
		if err != nil || !strings.EqualFold(strings.TrimSpace(line), host) {
			return fmt.Errorf("nothing was sent to %q", host)
		}
	}
	return nil
}
