package plugin

import (
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// BotDetection refuses clients whose User-Agent is that of a bot.
type BotDetection struct {
	Allow []string `k:"allow"` // regular expressions; they win
	Deny  []string `k:"deny"`
}

func newBotDetection() any { return config(&BotDetection{}) }

// Check looks for mistakes.
func (b *BotDetection) Check(c *conf.Checks, _ *conf.File) {
	c.Regexps("config.allow", b.Allow)
	c.Regexps("config.deny", b.Deny)
}

// layer goes by the name that a client gives itself, so it stops only bots that
// say what they are.
func (b *BotDetection) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	d := &detector{}
	for to, from := range map[*[]*regexp.Regexp][]string{&d.allow: b.Allow, &d.deny: b.Deny} {
		for _, text := range from {
			rx, err := regexp.Compile(text)
			if err != nil {
				return nil, err
			}
			*to = append(*to, rx)
		}
	}
	refuse := func(w http.ResponseWriter, r *http.Request, status int, code, reason string) {
		e.Events.Refused(r, rampart.AuthzFail, "", slog.String("reason", reason))
		(&rampart.Problem{Status: status, Code: code}).Write(w)
	}
	return &Layer{Handler: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			agents := r.Header["User-Agent"]
			switch {
			case len(agents) > 1:
				refuse(w, r, http.StatusBadRequest, "bad_request", "user_agents")
			case len(agents) == 1 && d.isBot(agents[0]):
				refuse(w, r, http.StatusForbidden, "bot", "bot")
			default:
				next.ServeHTTP(w, r)
			}
		})
	}}, nil
}

// Bounds of what is looked at, and of what is remembered.
const (
	maxAgent  = 1024
	maxKnown  = 4096
	maxStored = 256 // a longer name is looked at each time
)

// A detector remembers what it found out of a name.
type detector struct {
	allow, deny []*regexp.Regexp

	mu    sync.Mutex
	known map[string]bool
}

func (d *detector) isBot(agent string) bool {
	agent = strings.TrimSpace(agent[:min(len(agent), maxAgent)])
	if len(agent) > maxStored {
		return d.judge(agent)
	}
	d.mu.Lock()
	bot, ok := d.known[agent]
	d.mu.Unlock()
	if ok {
		return bot
	}
	bot = d.judge(agent)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= maxKnown {
		d.known = map[string]bool{}
	}
	d.known[agent] = bot
	return bot
}

func (d *detector) judge(agent string) bool {
	in := func(rx *regexp.Regexp) bool { return rx.MatchString(agent) }
	switch {
	case slices.ContainsFunc(d.allow, in):
		return false
	case slices.ContainsFunc(d.deny, in):
		return true
	}
	return isKnownBot(agent)
}

// isKnownBot reports whether a name is one of Kong's bots: one that says so, or
// one of those listed.
func isKnownBot(agent string) bool {
	for word := range strings.FieldsFuncSeq(strings.ToLower(agent), func(r rune) bool { return strings.ContainsRune(" /;,()", r) }) {
		for _, kind := range []string{"spider", "crawl", "scrape", "archiver", "indexer"} {
			if strings.Contains(word, kind) {
				return true
			}
		}
		if strings.Contains(word, "bot") && !strings.Contains(word, "cubot") { // which is a telephone
			return true
		}
	}
	return slices.ContainsFunc(botNames, func(name string) bool { return strings.Contains(agent, name) })
}

// botNames are parts of the names of programs that read the web by themselves,
// and of libraries that they are made of; read-only.
var botNames = []string{ //nolint:gochecknoglobals // read-only
	// Search engines.
	"AdsBot-Google", "AppEngine-Google", "Mediapartners-Google", "Google-HTTP-Java-Client", "Google SketchUp", "/+/web/snippet",
	"BingPreview", "Ask Jeeves", "BaiduMobaider", "Daumoa", "Mail.RU_Bot", "Slurp", "Yandex", "Yeti", "YahooSeeker", "Y!J-BR", "altavista", "lycos",
	"ia_archiver", "archive.org_bot", "InternetArchive", "heritrix", "gonzo1", "ichiro", "htdig", "larbin", "holmes", "scooter", "Vagabondo",
	// Previews and pictures of pages.
	"facebookexternalhit", "PagePeeker", "Thumbshots.ru", "URL2PNG", "WebThumb", "ZooShot", "favicon", "SimplePie", "SimpleRSS", "NewsGator", "Netvibes",
	"BlogBridge", "IconSurf", "Genieo", "Read%20Later",
	// Watchers and checkers.
	"GomezAgent", "HttpMonitor", "TLSProber", "YottaaMonitor", "Checklinks", "LinkAider", "Link Sleuth", "SiteCon", "SEOstats", "WhatWeb", "Web-sniffer",
	"PagesInventory", "Comodo-Webinspector", "findlinks", "searchsight", "semanticdiscovery", "Riddler", "Rival IQ", "Reaper", "Kraken", "Nutch",
	"Scrapy", "Scrubby", "Squrl Java", "WASALive", "WeSEE:", "Wotbox", "Yowedo", "ZyBorg", "masidani", "netresearch", "PathDefender", "BoardReader",
	"DataparkSearch", "Flamingo_SearchEngine", "Aboundex", "Altresium", "Infohelfer", "InfuzApp", "Innovazion", "Pompos", "Peeplo", "WebZIP", "MSIECrawler",
	// Libraries.
	"Apache-HttpClient", "http%20client", "Python-urllib", "WinHTTP", "JNLP", "grub-client", "fetchurl",
}
