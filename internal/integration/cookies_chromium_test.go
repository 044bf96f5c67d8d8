package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"github.com/ecolaura/rampart/headers"
)

// jarCookie is a cookie as the table says that a browser then holds it.
type jarCookie struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Path     string `json:"path"`
	Secure   bool   `json:"secure"`
	HTTPOnly bool   `json:"http_only"`
	SameSite string `json:"same_site"`
}

// cookieTable is the table of headers' own tests.
type cookieTable struct {
	Config struct {
		ScriptReadable []string          `json:"script_readable"`
		SameSite       map[string]string `json:"same_site"`
		Prefix         map[string]string `json:"prefix"`
	} `json:"config"`
	Forms []struct {
		Desc      string     `json:"desc"`
		Scheme    string     `json:"scheme"`
		SetCookie string     `json:"set_cookie"`
		Want      string     `json:"want"`
		Jar       *jarCookie `json:"jar"`
	} `json:"forms"`
}

// TestChromiumKeepsCookiesAsTheTableSays sets every form of the table through
// the layer and looks into the browser's jar: flags as configured, values
// byte-equal.
func TestChromiumKeepsCookiesAsTheTableSays(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "headers", "testdata", "set_cookie.json"))
	if err != nil {
		t.Fatal(err)
	}
	var table cookieTable
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	cfg := headers.API("localhost:*")
	cfg.Cookies.ScriptReadable, cfg.Cookies.Prefix = table.Config.ScriptReadable, table.Config.Prefix
	cfg.Cookies.SameSite = map[string]http.SameSite{}
	for name, mode := range table.Config.SameSite {
		cfg.Cookies.SameSite[name] = map[string]http.SameSite{"Strict": http.SameSiteStrictMode, "Lax": http.SameSiteLaxMode, "None": http.SameSiteNoneMode}[mode]
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	layer, err := headers.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	set := layer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("form"))
		if err == nil {
			w.Header()["Set-Cookie"] = []string{table.Forms[n].SetCookie}
		}
		fmt.Fprint(w, "set")
	}))
	secure, plain := httptest.NewTLSServer(set), httptest.NewServer(set)
	defer secure.Close()
	defer plain.Close()
	base := map[string]string{
		"https": "https://localhost:" + port(t, secure.Listener.Addr()),
		"http":  "http://localhost:" + port(t, plain.Listener.Addr()),
	}
	ctx := browser(t)
	checked := 0
	for i, form := range table.Forms {
		if form.Jar == nil {
			continue
		}
		if err := chromedp.Do(ctx, clearCookies, chromedp.Navigate(fmt.Sprintf("%s/?form=%d", base[form.Scheme], i))); err != nil {
			t.Fatal(err)
		}
		jar, err := chromedp.Run(ctx, cookies)
		if err != nil {
			t.Fatal(err)
		}
		checked++
		if len(jar) != 1 {
			t.Errorf("%s: %q left %d cookies", form.Desc, form.Want, len(jar))
			continue
		}
		got, want := jar[0], *form.Jar
		if want.Path == "" {
			want.Path = "/"
		}
		if got != want {
			t.Errorf("%s: %q:\n got %+v\nwant %+v", form.Desc, form.Want, got, want)
		}
	}
	if checked < 60 {
		t.Errorf("%d forms checked; want at least 60", checked)
	}
	t.Logf("%d forms in Chromium's jar as the table says", checked)
}

func clearCookies(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
	_, err := cdp.Call(ctx, target, network.ClearBrowserCookies, cdp.Empty{})
	return chromedp.Void{}, err
}

func cookies(ctx context.Context, target *chromedp.Target) ([]jarCookie, error) {
	res, err := cdp.Call(ctx, target, storage.GetCookies, storage.GetCookiesParams{})
	if err != nil {
		return nil, err
	}
	var jar []jarCookie
	for _, c := range res.Cookies {
		jar = append(jar, jarCookie{c.Name, c.Value, c.Path, c.Secure, c.HTTPOnly, string(c.SameSite)})
	}
	return jar, nil
}
