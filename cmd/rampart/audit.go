package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

func auditCommand(t terminal) *cli.Command {
	return &cli.Command{
		Name:      "audit",
		Usage:     "look at headers, cookies, CORS, TLS, CSRF and caching, with a score",
		ArgsUsage: "URL",
		Description: `It sends a few requests such as a browser does, and no credentials. The score is that
of the Mozilla HTTP Observatory, point by point; what it does not look at stands below.

   rampart audit https://www.example.com
   rampart audit -min 100 -format json https://staging.example.com`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Value: "text", Usage: "`FORMAT` of the report: text or json"},
			&cli.IntFlag{Name: "min", Value: 100, Usage: "least `SCORE` that is well; less is a finding"},
			&cli.StringFlag{Name: "ca", Usage: "`FILE` of the CAs, in PEM, that are believed beside the system's"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error { return t.audit(ctx, cmd) },
	}
}

func (t terminal) audit(ctx context.Context, cmd *cli.Command) error {
	u, err := url.Parse(cmd.Args().First())
	if cmd.NArg() != 1 || err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return usage(cmd, "give one http or https URL, without userinfo, behind the flags")
	}
	format := cmd.String("format")
	if format != "text" && format != "json" {
		return usage(cmd, "-format is text or json")
	}
	roots, err := rootsOf(cmd.String("ca"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	a := auditor{roots: roots}
	o, err := a.observe(ctx, u)
	if err != nil {
		return err
	}
	points := o.points()
	total, grade := score(points)
	more := slices.Concat(a.tls(ctx, o), o.forgeable(), o.cached(), o.named())
	if format == "json" {
		enc := json.NewEncoder(t.out)
		enc.SetIndent("", "  ")
		err = enc.Encode(map[string]any{"url": o.url.String(), "score": total, "grade": grade, "points": points, "more": more})
	} else {
		err = writeAudit(t.out, o, points, total, grade, more, t.painter())
	}
	if err == nil && (total < cmd.Int("min") || len(more) > 0) {
		err = errFound
	}
	return err
}

func rootsOf(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: it holds no certificate", file)
	}
	return pool, nil
}

func writeAudit(out io.Writer, o *observed, points []point, total int, grade string, more []string, p painter) error {
	var b strings.Builder
	for _, pt := range points {
		colour := green
		if pt.Score < 0 {
			colour = red
		}
		fmt.Fprintf(&b, "%s  %-28s %s\n", p.paint(colour, fmt.Sprintf("%+4d", pt.Score)), pt.Test, clean(pt.Result))
		if pt.Fix != "" {
			fmt.Fprintf(&b, "      %-28s %s\n", "", pt.Fix)
		}
	}
	for _, m := range more {
		fmt.Fprintf(&b, "%s  %s\n", p.paint(yellow, "   !"), clean(oneLine(m)))
	}
	fmt.Fprintf(&b, "%s: score %d, grade %s\n", clean(o.url.String()), total, p.paint(bold, grade))
	_, err := io.WriteString(out, b.String())
	return err
}

// An auditor asks a site.
type auditor struct{ roots *x509.CertPool } // nil: the system's

// client follows no redirect by itself, and sends what it is told to only. Where a
// certificate is not one to take, that is seen first, and told.
func (a auditor) client(careless bool) *http.Client {
	return &http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{RootCAs: a.roots, MinVersion: tls.VersionTLS12, InsecureSkipVerify: careless}, //nolint:gosec // see above
		},
	}
}

// A response is one whose body is read, up to 1 MiB.
type answer struct {
	url     *url.URL
	status  int
	header  http.Header
	cookies []*http.Cookie
	tls     *tls.ConnectionState
	page    []byte
}

// A walk is where redirects led.
type walk struct {
	hops    []*url.URL // the first is what was asked for
	last    *answer    // nil: nobody answered
	cookies []*http.Cookie
}

// walk asks for a URL and follows redirects.
func (a auditor) walk(ctx context.Context, u *url.URL, careless bool, header http.Header) (w walk, err error) {
	client := a.client(careless)
	for range 10 {
		w.hops = append(w.hops, u)
		got, to, err := ask(ctx, client, u, header)
		if err != nil {
			return w, err
		}
		w.last = got
		w.cookies = append(w.cookies, got.cookies...)
		if to == nil {
			return w, nil
		}
		u = to
	}
	return w, errors.New("it redirects more than ten times")
}

// ask sends one request; to is where the response leads, or nil.
func ask(ctx context.Context, client *http.Client, u *url.URL, header http.Header) (got *answer, to *url.URL, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("User-Agent", "rampart-audit")
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read only
	page, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, nil, err
	}
	got = &answer{url: u, status: resp.StatusCode, header: resp.Header, cookies: resp.Cookies(), tls: resp.TLS, page: page}
	if location, e := resp.Location(); e == nil && got.status >= 300 && got.status <= 399 && (location.Scheme == "http" || location.Scheme == "https") {
		to = location
	}
	return got, to, nil
}

// observe asks as the Observatory does: over https if there is some, and over http.
func (a auditor) observe(ctx context.Context, u *url.URL) (*observed, error) {
	o := &observed{}
	take := func(w walk) {
		o.answer, o.url, o.cookies = w.last, w.last.url, w.cookies
	}
	if u.Port() == "" || u.Scheme == "http" { // another port speaks one of the two
		plain := *u
		plain.Scheme = "http"
		if w, _ := a.walk(ctx, &plain, false, nil); w.last != nil { // who does not respond needs no redirect
			o.hops = w.hops
			take(w)
		}
	}
	if u.Port() == "" || u.Scheme == "https" {
		secure := *u
		secure.Scheme = "https"
		w, err := a.walk(ctx, &secure, false, nil)
		o.verified = err == nil
		if w.last == nil {
			w, _ = a.walk(ctx, &secure, true, nil) // without a response there is no https
		}
		if w.last != nil {
			o.https = w.last
			take(w)
		}
	}
	if o.answer == nil {
		return nil, fmt.Errorf("nothing answers at %s", u)
	}
	if status := o.answer.status; status >= 400 && status != http.StatusUnauthorized && status != http.StatusForbidden {
		return nil, fmt.Errorf("%s answers with status %d; give a page that is there", o.url, status)
	}
	w, _ := a.walk(ctx, o.url, o.https != nil && !o.verified, http.Header{"Origin": {corsOrigin}}) // no response is none that is shared
	o.cors = w.last
	return o, nil
}

// tls says what is wrong with the TLS that a response came over.
func (a auditor) tls(ctx context.Context, o *observed) (all []string) {
	if o.https == nil || o.https.tls == nil {
		return []string{"TLS: the site is not served over https"}
	}
	if !o.verified {
		all = append(all, "TLS: the certificate is not one that clients take")
	}
	state := o.https.tls
	if len(state.PeerCertificates) > 0 {
		leaf := state.PeerCertificates[0]
		if left := time.Until(leaf.NotAfter); left < 14*24*time.Hour {
			all = append(all, fmt.Sprintf("TLS: the certificate ends on %s", leaf.NotAfter.Format(time.DateOnly)))
		}
	}
	if state.Version < tls.VersionTLS13 {
		all = append(all, "TLS: version 1.3 is not spoken")
	}
	u := o.https.url
	addr := u.Host
	if u.Port() == "" {
		addr += ":443"
	}
	for version, name := range map[uint16]string{tls.VersionTLS10: "1.0", tls.VersionTLS11: "1.1"} {
		d := tls.Dialer{Config: &tls.Config{ServerName: u.Hostname(), MinVersion: version, MaxVersion: version, InsecureSkipVerify: true}} //nolint:gosec // it asks whether a server still takes that, and sends nothing
		if conn, err := d.DialContext(ctx, "tcp", addr); err == nil {
			_ = conn.Close() // nothing was sent
			all = append(all, "TLS: version "+name+" is still spoken (RFC 8996); tlsconf does not")
		}
	}
	slices.Sort(all)
	return all
}

// forgeable says that a form is sent with a cookie that other sites' pages bring along.
func (o *observed) forgeable() (all []string) {
	page := strings.ToLower(string(o.answer.page))
	if !strings.Contains(page, "<form") || !strings.Contains(page, "post") {
		return nil
	}
	for _, c := range o.cookies {
		name := strings.ToLower(c.Name)
		if (strings.Contains(name, "sess") || strings.Contains(name, "login")) && (c.SameSite == 0 || c.SameSite == http.SameSiteNoneMode) && !strings.Contains(page, "csrf") && !strings.Contains(page, "authenticity_token") {
			all = append(all, fmt.Sprintf("CSRF: a form is there, the session %q has no SameSite, and no token is in sight: headers.CSRF", c.Name))
		}
	}
	return all
}

// cached says that a response for one visitor may be stored for others.
func (o *observed) cached() (all []string) {
	control := strings.ToLower(strings.Join(o.answer.header.Values("Cache-Control"), ","))
	if len(o.answer.cookies) > 0 && !strings.Contains(control, "no-store") && !strings.Contains(control, "private") {
		all = append(all, "Caching: an answer sets a cookie, and shared caches may store it: Cache-Control: no-store")
	}
	if o.cors != nil {
		vary := strings.ToLower(strings.Join(o.cors.header.Values("Vary"), ","))
		if allowed := o.cors.header.Get("Access-Control-Allow-Origin"); allowed != "" && allowed != "*" && !strings.Contains(vary, "origin") {
			all = append(all, "Caching: Access-Control-Allow-Origin depends on the origin, and Vary does not say so: cors.New")
		}
	}
	return all
}

// named says that a response names what runs there.
func (o *observed) named() (all []string) {
	for _, name := range []string{"Server", "X-Powered-By", "X-Aspnet-Version"} {
		if value := o.header(name); value != "" && (name != "Server" || strings.ContainsAny(value, "0123456789")) {
			all = append(all, fmt.Sprintf("Headers: %s: %.100q names the software", name, value))
		}
	}
	return all
}
