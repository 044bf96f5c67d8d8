package attack

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// exposures are files and pages that a service has by mistake. What tells that it
// is really there is something that no page of errors holds. It is read-only.
var exposures = []struct { //nolint:gochecknoglobals // read-only
	weakness weakness
	path     string
	sign     *regexp.Regexp
}{
	{envExposed, "/.env", regexp.MustCompile(`(?m)^(export )?[A-Z][A-Z0-9_]{2,}\s*=`)},
	{envExposed, "/.env.production", regexp.MustCompile(`(?m)^(export )?[A-Z][A-Z0-9_]{2,}\s*=`)},
	{envExposed, "/.aws/credentials", regexp.MustCompile(`aws_access_key_id`)},
	{envExposed, "/web.config", regexp.MustCompile(`(?i)<configuration`)},
	{envExposed, "/.htpasswd", regexp.MustCompile(`(?m)^[\w.-]+:(\$|\{SHA\}|[./\w]{13}$)`)},
	{envExposed, "/docker-compose.yml", regexp.MustCompile(`(?m)^services:`)},
	{repoExposed, "/.git/HEAD", regexp.MustCompile(`^(ref: refs/|[0-9a-f]{40}\s*$)`)},
	{repoExposed, "/.git/config", regexp.MustCompile(`(?m)^\[core\]`)},
	{repoExposed, "/.svn/wc.db", regexp.MustCompile(`^SQLite format 3`)},
	{repoExposed, "/.hg/requires", regexp.MustCompile(`(?m)^(revlogv1|dotencode)`)},
	{repoExposed, "/.DS_Store", regexp.MustCompile(`^\x00\x00\x00\x01Bud1`)},
	{profilerExposed, "/debug/pprof/", regexp.MustCompile(`(?i)goroutine|full goroutine stack dump`)},
	{profilerExposed, "/debug/pprof/cmdline", regexp.MustCompile(`^/?[\w./-]+(\x00|$)`)},
	{profilerExposed, "/debug/vars", regexp.MustCompile(`"memstats"`)},
	{profilerExposed, "/debug/default/view", regexp.MustCompile(`(?i)yii debugger`)},
	{profilerExposed, "/_profiler", regexp.MustCompile(`(?i)symfony profiler`)},
	{metricsExposed, "/metrics", regexp.MustCompile(`(?m)^# (HELP|TYPE) `)},
	{metricsExposed, "/actuator/prometheus", regexp.MustCompile(`(?m)^# (HELP|TYPE) `)},
	{backupExposed, "/backup.zip", regexp.MustCompile(`^PK\x03\x04`)},
	{backupExposed, "/backup.tar.gz", regexp.MustCompile(`^\x1f\x8b`)},
	{backupExposed, "/backup.sql", regexp.MustCompile(`(?i)create table|insert into|database dump`)},
	{backupExposed, "/dump.sql", regexp.MustCompile(`(?i)create table|insert into|database dump`)},
	{backupExposed, "/db.sqlite3", regexp.MustCompile(`^SQLite format 3`)},
	{backupExposed, "/database.sqlite", regexp.MustCompile(`^SQLite format 3`)},
	{backupExposed, "/index.php.bak", regexp.MustCompile(`<\?php`)},
	{backupExposed, "/main.go~", regexp.MustCompile(`(?m)^package main`)},
	{consoleExposed, "/actuator/env", regexp.MustCompile(`"propertySources"`)},
	{consoleExposed, "/actuator/heapdump", regexp.MustCompile(`^JAVA PROFILE`)},
	{consoleExposed, "/server-status", regexp.MustCompile(`(?i)apache server status`)},
	{consoleExposed, "/phpinfo.php", regexp.MustCompile(`(?i)<title>.*phpinfo\(\)`)},
	{consoleExposed, "/console", regexp.MustCompile(`(?i)werkzeug|h2 console|interactive console`)},
	{consoleExposed, "/__debug__/", regexp.MustCompile(`(?i)djdt`)},
	{consoleExposed, "/services", regexp.MustCompile(`"paths":|"data":\[\{.*"connect_timeout"`)},
}

// listed is a page that a web server makes of a folder.
var listed = regexp.MustCompile(`(?i)<title>\s*(index of|directory listing for) /|<h1>\s*(index of|directory listing for) /|(?s)^(<!doctype html>\s*<meta[^>]*>\s*(<meta[^>]*>\s*)?)?<pre>\n(<a href="[^"]*">[^<]*</a>\n)+</pre>\s*$`) // read-only

// exposed asks for what should not be there, and for the folders of what is.
func (s *scan) exposed(ctx context.Context, c *Client) {
	missing, ok := s.send(ctx, c, Request{Path: "/attack-missing-file"})
	if !ok {
		return
	}
	for _, e := range exposures {
		r := Request{Path: e.path}
		got, ok := s.send(ctx, c, r)
		if !ok {
			return
		}
		// A service that responds to everything alike has no such file.
		if got.Status == http.StatusOK && e.sign.Match(got.Body) && (!served(missing) || !e.sign.Match(missing.Body)) {
			s.found(e.weakness, "", c.wire(r), "status 200, and it is what its name says")
		}
	}
	for _, path := range s.folders() {
		r := Request{Path: path}
		if got, ok := s.send(ctx, c, r); ok && got.Status == http.StatusOK && listed.Match(got.Body) {
			s.found(listing, "", c.wire(r), "status 200, and a list of what is in it")
		}
	}
}

// folders are those of the target's paths, and usual ones.
func (s *scan) folders() []string {
	all := []string{"/static/", "/files/", "/uploads/", "/media/", "/assets/", "/images/", "/backup/"}
	for _, r := range s.places() {
		path, _, _ := strings.Cut(r.Path, "?")
		for path != "" && len(all) < 40 {
			path = path[:strings.LastIndexByte(path, '/')]
			if folder := path + "/"; !slices.Contains(all, folder) {
				all = append(all, folder)
			}
		}
	}
	return all
}
