package cors_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/cors"
)

// oracle is testdata/cors_cases.json; its member "about" explains the fields.
type oracle struct {
	Policies   map[string]oraclePolicy `json:"policies"`
	Cases      []oracleCase            `json:"cases"`
	BadConfigs []struct {
		ID       string       `json:"id"`
		Policy   oraclePolicy `json:"policy"`
		Mistakes []struct {
			Field  string `json:"field"`
			Reason string `json:"reason"`
		} `json:"mistakes"`
		Why string `json:"why"`
	} `json:"bad_configs"`
	GoodConfigs []struct {
		ID     string       `json:"id"`
		Policy oraclePolicy `json:"policy"`
	} `json:"good_configs"`
}

type oraclePolicy struct {
	Origins         []string `json:"origins"`
	Methods         []string `json:"methods"`
	RequestHeaders  []string `json:"request_headers"`
	ResponseHeaders []string `json:"response_headers"`
	Credentials     bool     `json:"credentials"`
	MaxAge          float64  `json:"max_age"`
	PreflightStatus int      `json:"preflight_status"`
	PrivateNetwork  bool     `json:"private_network"`
	Enforce         bool     `json:"enforce"`
	Insecure        bool     `json:"dangerously_allow_insecure_origins"`
	PublicSuffixes  bool     `json:"dangerously_allow_public_suffixes"`
}

type oracleCase struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Policy string `json:"policy"`
	Want   string `json:"want"`
	Why    string `json:"why"`

	// kind "raw"
	Method      string      `json:"method"`
	Headers     [][2]string `json:"headers"`
	HandlerRuns bool        `json:"handler_runs"`
	Vary        []string    `json:"vary"`

	// kind "fetch"
	PageOrigin string  `json:"page_origin"`
	Request    request `json:"request"`
	Reads      string  `json:"reads"`
}

func (p oraclePolicy) config() cors.Config {
	age := time.Duration(p.MaxAge * float64(time.Second))
	if p.MaxAge == -1 {
		age = cors.NoPreflightCache
	}
	return cors.Config{
		Origins: p.Origins, Methods: p.Methods, RequestHeaders: p.RequestHeaders, ResponseHeaders: p.ResponseHeaders,
		Credentials: p.Credentials, MaxAge: age, PreflightStatus: p.PreflightStatus, PrivateNetwork: p.PrivateNetwork, Enforce: p.Enforce,
		DangerouslyAllowInsecureOrigins: p.Insecure, DangerouslyAllowPublicSuffixes: p.PublicSuffixes,
		Logger: quiet(),
	}
}

func loadOracle(t *testing.T) oracle {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "cors_cases.json"))
	require.NoError(t, err)
	var o oracle
	require.NoError(t, json.Unmarshal(raw, &o))
	return o
}

func TestTheOracleIsACopyOfTheSharedOne(t *testing.T) {
	dir := os.Getenv("RAMPART_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	shared, err := os.ReadFile(filepath.Join(dir, "cors_cases.json"))
	if err != nil {
		t.Skip("no shared data here; set RAMPART_DATA")
	}
	own, err := os.ReadFile(filepath.Join("testdata", "cors_cases.json"))
	require.NoError(t, err)
	assert.Equal(t, string(shared), string(own))
}

// oracleServer is the server that the oracle describes.
func oracleServer(t *testing.T, cfg cors.Config) (c *cors.CORS, h http.Handler, ran *bool) {
	t.Helper()
	c, err := cors.New(cfg)
	require.NoError(t, err)
	ran = new(bool)
	return c, c.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		*ran = true
		h := w.Header()
		h.Set("Content-Type", "text/plain")
		h.Set("X-Total", "7")
		h.Set("ETag", "x")
		h.Set("X-Secret", "s")
		h.Set("Set-Cookie", "a=b")
		h.Set("Cache-Control", "no-store")
	})), ran
}

func TestOracleRaw(t *testing.T) {
	o := loadOracle(t)
	for _, tt := range o.Cases {
		if tt.Kind != "raw" {
			continue
		}
		t.Run(tt.ID+" "+tt.Why, func(t *testing.T) {
			c, h, ran := oracleServer(t, o.Policies[tt.Policy].config())
			r := httptest.NewRequestWithContext(t.Context(), tt.Method, "https://api.example.com/", nil)
			for _, line := range tt.Headers {
				r.Header.Add(line[0], line[1])
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)

			allow := w.Header()["Access-Control-Allow-Origin"]
			if tt.Want == "allow" {
				assert.Len(t, allow, 1)
				assert.Equal(t, 2, w.Code/100, "status")
			} else {
				assertNoCORS(t, w.Header())
			}
			assert.Equal(t, tt.HandlerRuns, *ran, "handler runs")
			assert.Equal(t, tt.Vary, varyOf(w.Header()))

			verdict, err := c.Check(r)
			if verdict.Kind == cors.NotCORS || verdict.Kind == cors.SameOrigin {
				assert.NoError(t, err)
				return
			}
			assert.Equal(t, tt.Want == "allow", verdict.Allowed, "Check")
			assert.Equal(t, verdict.Allowed, err == nil, "error of Check")
		})
	}
}

func TestOracleFetch(t *testing.T) {
	o := loadOracle(t)
	for _, tt := range o.Cases {
		if tt.Kind != "fetch" {
			continue
		}
		t.Run(tt.ID+" "+tt.Why, func(t *testing.T) {
			_, h, _ := oracleServer(t, o.Policies[tt.Policy].config())
			b := browser{server: "https://api.example.com", handler: h, page: tt.PageOrigin}
			answer, why := b.fetch(t, tt.Request)
			got := why == ""
			if got && tt.Reads != "" {
				_, got = answer[strings.ToLower(tt.Reads)]
			}
			assert.Equal(t, tt.Want == "allow", got, why)
		})
	}
}

func TestOracleBadConfigs(t *testing.T) {
	for _, tt := range loadOracle(t).BadConfigs {
		if tt.ID == "b087" { // an extension's page comes from the browser itself: nobody on the wire can change it
			continue
		}
		t.Run(tt.ID+" "+tt.Why, func(t *testing.T) {
			c, err := cors.New(tt.Policy.config())
			assert.Nil(t, c)
			var want, got []string
			for _, m := range tt.Mistakes {
				want = append(want, m.Field+": "+m.Reason)
			}
			for m := range rampart.Mistakes(err) {
				assert.Equal(t, "cors.Config", m.Type)
				got = append(got, m.Field+": "+string(m.Reason))
			}
			assert.ElementsMatch(t, want, got)
		})
	}
}

func TestOracleGoodConfigs(t *testing.T) {
	for _, tt := range loadOracle(t).GoodConfigs {
		t.Run(fmt.Sprintf("%s %q", tt.ID, tt.Policy.Origins[0]), func(t *testing.T) {
			_, err := cors.New(tt.Policy.config())
			assert.NoError(t, err)
		})
	}
}

func assertNoCORS(t *testing.T, h http.Header) {
	t.Helper()
	for name := range h {
		assert.False(t, strings.HasPrefix(name, "Access-Control-"), "%s: %q", name, h[name])
	}
}

// varyOf returns the members of Vary in lower case, sorted and unique.
func varyOf(h http.Header) []string {
	names := []string{}
	for _, line := range h.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			names = append(names, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
