package cors_test

import (
	"encoding/json"
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

	"github.com/ecolaura/rampart/cors"
)

// improvements lists the recorded answers of django-cors-headers 3.14 whose
// verdict differs from ours, or whose headers grant what ours do not.
var improvements = map[string]string{
	"E14": "an origin with a path is no origin, and not echoed",
	"E15": "an origin with a query and a fragment is no origin, and not echoed",
	"E16": "no browser sends an origin in upper case; it is not echoed",
	"E23": "a denied origin gets no Access-Control-Allow-Credentials",
	"E24": "a denied origin gets no Access-Control-Allow-Credentials",
	"E25": "a preflight is answered, not redirected: a browser follows no redirect there",
}

type recorded struct {
	ID      string      `json:"id"`
	Title   string      `json:"title"`
	Stack   string      `json:"stack"`
	Method  string      `json:"method"`
	Headers [][2]string `json:"headers"`
	Status  int         `json:"status"`
	Answer  [][2]string `json:"answer"`
}

// djangoConfig is the migration of the recorded settings. Of the default
// CORS_ALLOW_HEADERS, accept-encoding, dnt and origin are forbidden to scripts.
func djangoConfig(stack string) cors.Config {
	return cors.Config{
		Origins:        []string{"https://www.ecolaura.com", "https://admin.ecolaura.com"},
		Methods:        []string{"DELETE", "OPTIONS", "PATCH", "PUT"},
		RequestHeaders: []string{"accept", "authorization", "content-type", "user-agent", "x-csrftoken", "x-requested-with"},
		MaxAge:         24 * time.Hour,
		Credentials:    stack == "creds",
		Logger:         quiet(),
	}
}

func TestDjangoCORSHeadersIsEqualedOrImproved(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "django_cors.json"))
	require.NoError(t, err)
	var all struct{ Cases []recorded }
	require.NoError(t, json.Unmarshal(raw, &all))
	require.Len(t, all.Cases, 30)

	for _, tt := range all.Cases {
		t.Run(tt.ID+" "+tt.Title, func(t *testing.T) {
			c, err := cors.New(djangoConfig(tt.Stack))
			require.NoError(t, err)
			theirs := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for _, line := range tt.Answer {
					w.Header().Add(line[0], line[1])
				}
				w.WriteHeader(tt.Status)
			})
			ours := c.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Vary", "Accept")
				w.WriteHeader(tt.Status) // a 401 or 429 of an inner layer
			}))
			want, got := grants(t, theirs, tt), grants(t, ours, tt)
			if improvements[tt.ID] == "" {
				assert.Equal(t, want, got)
			} else {
				assert.NotEqual(t, want, got, "listed as an improvement, but equal")
			}
		})
	}
}

// grants says what a browser makes of the answer to the recorded request.
func grants(t *testing.T, h http.Handler, tt recorded) map[string]any {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), tt.Method, "https://api.ecolaura.com/", nil)
	for _, line := range tt.Headers {
		r.Header.Add(line[0], line[1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	page := browser{page: r.Header.Get("Origin")}
	whole := map[string]any{
		"readable":    page.corsCheck(w.Header(), false) == "",
		"credentials": w.Header().Get("Access-Control-Allow-Credentials"),
		"vary":        slices.Contains(varyOf(w.Header()), "origin"),
	}
	if method := r.Header.Get("Access-Control-Request-Method"); method != "" && page.page != "" {
		page.handler = h
		page.server = "https://api.ecolaura.com"
		var names []string
		if list := r.Header.Get("Access-Control-Request-Headers"); list != "" {
			names = strings.Split(list, ",")
		}
		private := r.Header.Get("Access-Control-Request-Private-Network") != ""
		whole["readable"] = nil // nobody reads a preflight's answer
		whole["preflight"] = page.preflight(t, method, names, false, private) == ""
	}
	return whole
}
