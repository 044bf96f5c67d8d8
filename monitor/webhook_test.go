package monitor_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
	"github.com/ecolaura/rampart/monitor"
)

const webhookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"

// receiver answers with its statuses in turn, and then with 204; 0 stands for no answer
// at all, -1 for one that does not come.
type receiver struct {
	statuses []int
	at       []time.Time
	ids      []string
	bodies   []string
}

func (rc *receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	rc.at, rc.ids, rc.bodies = append(rc.at, time.Now()), append(rc.ids, r.Header.Get("webhook-id")), append(rc.bodies, string(body))
	mac := hmac.New(sha256.New, []byte("0123456789abcdef01234567"))
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("webhook-timestamp") != fmt.Sprint(time.Now().Unix()) ||
		r.Header.Get("webhook-signature") != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody}, nil
	}
	status := http.StatusNoContent
	if len(rc.statuses) > 0 {
		status, rc.statuses = rc.statuses[0], rc.statuses[1:]
	}
	switch status {
	case 0:
		return nil, errors.New("connection refused")
	case -1:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Location": {"https://elsewhere.example/"}}, Body: io.NopCloser(strings.NewReader("secret?"))}, nil
}

func newWebhook(t *testing.T, rc *receiver) *monitor.Webhook {
	t.Helper()
	h, err := monitor.NewWebhook(monitor.WebhookConfig{URL: "https://hooks.example/t0ken", Secret: webhookSecret, Client: &http.Client{
		Transport:     rc,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	require.NoError(t, err)
	return h
}

func TestAWebhookIsSignedAndRetriedWithBackOff(t *testing.T) {
	for desc, tt := range map[string]struct {
		statuses []int
		calls    int
		took     time.Duration
		err      string
	}{
		"taken at once":                     {nil, 1, 0, ""},
		"after an outage":                   {[]int{0, 503, 429}, 4, 7 * time.Second, ""},
		"a receiver that hangs":             {[]int{-1}, 2, 6 * time.Second, ""},
		"a receiver that is down":           {[]int{500, 500, 500, 500, 502}, 5, 15 * time.Second, "monitor: webhook: the receiver answers 502"},
		"no connection at all":              {[]int{0, 0, 0, 0, 0}, 5, 15 * time.Second, "monitor: webhook: connection refused"},
		"one that refuses is not asked on":  {[]int{404}, 1, 0, "monitor: webhook: the receiver answers 404"},
		"a redirect is not followed":        {[]int{307}, 1, 0, "monitor: webhook: the receiver answers 307"},
		"an early and a slow one are asked": {[]int{425, 408}, 3, 3 * time.Second, ""},
	} {
		t.Run(desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rc := &receiver{statuses: tt.statuses}
				began := time.Now()
				err := newWebhook(t, rc).Alert(t.Context(), monitor.Alert{Rule: "guessing", Key: "192.0.2.7", Count: 50, Window: time.Minute, Event: "authn_login_fail", At: began})
				if tt.err == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, tt.err, "without the URL")
				}
				assert.Equal(t, tt.took, time.Since(began))
				require.Len(t, rc.ids, tt.calls)
				for _, id := range rc.ids {
					assert.Equal(t, rc.ids[0], id, "the receiver knows it again")
				}
				assert.JSONEq(t, `{"type":"alert.firing","timestamp":"2000-01-01T00:00:00Z","data":{"rule":"guessing","key":"192.0.2.7","count":50,"window_seconds":60,"event":"authn_login_fail"}}`, rc.bodies[0])
			})
		})
	}
}

func TestWhatIsQueuedForAWebhookIsSentBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := &receiver{statuses: []int{503}}
		m := newMonitor(t, monitor.Config{Rules: []monitor.Rule{{Name: "r", Key: monitor.BySubject, Threshold: 1, Window: time.Second}}, Alert: newWebhook(t, rc).Alert})
		log := slog.New(m)
		for _, subject := range []string{"a", "b", "c"} {
			log.WarnContext(t.Context(), "e", "event", "e", "subject", subject)
		}
		require.NoError(t, m.Close())
		assert.Len(t, rc.ids, 4)
		assert.Contains(t, rc.bodies[3], `"key":"c"`)
	})
	synctest.Test(t, func(t *testing.T) {
		rc := &receiver{statuses: []int{503, 503, 503, 503, 503}}
		m := newMonitor(t, monitor.Config{Rules: []monitor.Rule{{Name: "r", Threshold: 1, Window: time.Hour}}, Alert: newWebhook(t, rc).Alert})
		slog.New(m).WarnContext(t.Context(), "e", "event", "e")
		began := time.Now()
		require.NoError(t, m.Close(), "one that is down holds nobody up")
		assert.Equal(t, 5*time.Second, time.Since(began))
		assert.Contains(t, series(m), `rampart_alerts_failed_total{rule="r"} 1`)
	})
}

func TestAWebhookTellsThatAnAlertIsResolved(t *testing.T) {
	rc := &receiver{}
	require.NoError(t, newWebhook(t, rc).Alert(t.Context(), monitor.Alert{Rule: "r", Resolved: true}))
	assert.Contains(t, rc.bodies[0], `"type":"alert.resolved"`)
	require.NoError(t, newWebhook(t, rc).Alert(t.Context(), monitor.Alert{Rule: "r"}))
	assert.NotEqual(t, rc.ids[0], rc.ids[1])
}

func TestNewWebhookReportsEveryMistake(t *testing.T) {
	for desc, tt := range map[string]struct {
		cfg  monitor.WebhookConfig
		want string
	}{
		"empty":               {monitor.WebhookConfig{}, "URL: invalid\nSecret: invalid"},
		"plain http":          {monitor.WebhookConfig{URL: "http://hooks.example/t0ken", Secret: webhookSecret}, "URL: invalid"},
		"no URL":              {monitor.WebhookConfig{URL: "https://%zz/t0ken", Secret: webhookSecret}, "URL: invalid"},
		"a short secret":      {monitor.WebhookConfig{URL: "https://hooks.example", Secret: "whsec_YWJj"}, "Secret: invalid"},
		"no base64, too long": {monitor.WebhookConfig{URL: "https://hooks.example", Secret: "!", Timeout: time.Hour}, "Secret: invalid\nTimeout: invalid: \"1h0m0s\""},
	} {
		_, err := monitor.NewWebhook(tt.cfg)
		assert.Equal(t, tt.want, conferrtest.Text(err), desc)
		assert.NotContains(t, fmt.Sprint(err), "t0ken")
	}
	for _, u := range []string{"http://localhost:9", "http://127.0.0.1:9/x", "http://[::1]:9"} {
		_, err := monitor.NewWebhook(monitor.WebhookConfig{URL: u, Secret: strings.TrimPrefix(webhookSecret, "whsec_")})
		assert.NoError(t, err)
	}
	h, err := monitor.NewWebhook(monitor.WebhookConfig{URL: "http://127.0.0.1:1/t0ken", Secret: webhookSecret})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = h.Alert(ctx, monitor.Alert{})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "t0ken")
	assert.EqualError(t, new(monitor.Webhook).Alert(t.Context(), monitor.Alert{}), "monitor: a zero Webhook sends nothing")
}

func TestAWebhooksSecretsAreNeverPrinted(t *testing.T) {
	cfg := monitor.WebhookConfig{URL: "https://hooks.example/t0ken", Secret: webhookSecret}
	h, err := monitor.NewWebhook(cfg)
	require.NoError(t, err)
	var b bytes.Buffer
	for _, v := range []any{cfg, &cfg, h, *h} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&b, verb, v)
		}
		slog.New(slog.NewJSONHandler(&b, nil)).InfoContext(t.Context(), "x", "v", v)
		slog.New(slog.NewTextHandler(&b, nil)).InfoContext(t.Context(), "x", "v", v)
		text, err := json.Marshal(v)
		require.NoError(t, err)
		b.Write(text)
	}
	for _, secret := range []string{"t0ken", "MDEyMz", "0123456789abcdef01234567", fmt.Sprintf("%x", "t0ken")} {
		assert.NotContains(t, b.String(), secret)
	}
	assert.Contains(t, b.String(), "REDACTED")
}
