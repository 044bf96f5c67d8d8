package monitor

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// webhookTries is how often an alert is sent at most: at once, and after 1, 2, 4 and 8 s.
const webhookTries = 5

// WebhookConfig configures a [Webhook].
type WebhookConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// URL receives the alerts, by POST. It is an https URL, or one of a loopback
	// address: alerts name addresses and subjects. Required. It is never printed: it
	// may hold a token.
	URL string

	// Secret signs them: 24 to 64 random bytes in base64, which "whsec_" may precede.
	// Required. It is never printed.
	Secret string

	// Timeout bounds each call; 0 means 5 s, 1 min is the most.
	Timeout time.Duration

	// Client makes the calls; nil: one that follows no redirect.
	Client *http.Client
}

// String returns "REDACTED": URL and Secret are secrets.
func (WebhookConfig) String() string { return "monitor.WebhookConfig(REDACTED)" }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (c WebhookConfig) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer] with what String returns.
func (c WebhookConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler] with what String returns.
func (c WebhookConfig) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// A Webhook sends alerts to a URL as Standard Webhooks (standardwebhooks.com) has it:
// JSON, signed with HMAC-SHA256 in webhook-signature. A receiver that has seen a
// webhook-id responds with 2xx again and does nothing. Create one with [NewWebhook]; the zero
// value sends nothing.
type Webhook struct {
	send func(context.Context, Alert) error
}

// NewWebhook returns a Webhook for cfg, or every mistake in cfg, each a
// [*rampart.ConfigError], joined. Give its method Alert to [Config].
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	bad := conferr.For("monitor.WebhookConfig")
	u, err := url.Parse(cfg.URL)
	private := err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()))
	bad.If(!private, "URL", rampart.ReasonInvalid, nil, "give an https URL, or an http one of a loopback address")
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(cfg.Secret, "whsec_"))
	bad.If(err != nil || len(key) < 24 || len(key) > 64, "Secret", rampart.ReasonInvalid, nil, "give 24 to 64 random bytes in base64")
	bad.If(cfg.Timeout < 0 || cfg.Timeout > time.Minute, "Timeout", rampart.ReasonInvalid, cfg.Timeout, "use up to 1m; 0 means 5s")
	if err := bad.Err(); err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	client := cfg.Client
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Webhook{func(ctx context.Context, a Alert) error {
		return (&message{id: "msg_" + rand.Text(), body: a.json(), url: cfg.URL, key: key, timeout: cfg.Timeout}).deliver(ctx, client)
	}}, nil
}

// loopback reports whether host is this machine.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Alert sends a, and again while the receiver does not respond or responds with 408, 425, 429
// or 5xx: five times in all, for some 40 s at most. It is a [Config].Alert, whose queue
// holds what waits meanwhile. The error says why the last call failed.
func (h *Webhook) Alert(ctx context.Context, a Alert) error {
	if h.send == nil {
		return errors.New("monitor: a zero Webhook sends nothing")
	}
	return h.send(ctx, a)
}

// json is what a receiver gets of an alert.
func (a Alert) json() []byte {
	state := "alert.firing"
	if a.Resolved {
		state = "alert.resolved"
	}
	body, _ := json.Marshal(map[string]any{ // strings and numbers
		"type": state, "timestamp": a.At.UTC(),
		"data": map[string]any{"rule": a.Rule, "key": a.Key, "count": a.Count, "window_seconds": a.Window.Seconds(), "event": a.Event},
	})
	return body
}

// message is one alert on its way.
type message struct {
	id, url string
	body    []byte
	key     []byte
	timeout time.Duration
}

func (m *message) deliver(ctx context.Context, client *http.Client) (err error) {
	wait := time.Second
	for try := range webhookTries {
		if try > 0 {
			select {
			case <-time.After(wait):
				wait *= 2
			case <-ctx.Done():
				return fmt.Errorf("monitor: webhook: %w", errors.Join(err, context.Cause(ctx)))
			}
		}
		var again bool
		if again, err = m.post(ctx, client); !again {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("monitor: webhook: %w", err)
	}
	return nil
}

// post makes one call and reports whether to try again. The error does not name the URL.
func (m *message) post(ctx context.Context, client *http.Client) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(m.body))
	if err != nil {
		return false, errors.New("not a URL")
	}
	at := strconv.FormatInt(time.Now().Unix(), 10) // of this attempt, as receivers refuse old ones
	mac := hmac.New(sha256.New, m.key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", m.id, at, m.body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Webhook-Id", m.id)
	r.Header.Set("Webhook-Timestamp", at)
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	res, err := client.Do(r)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if err != nil {
		return true, err
	}
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10) // so that the connection is kept
	_ = res.Body.Close()
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return false, nil
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		return true, fmt.Errorf("the receiver answers %d", code)
	default:
		return false, fmt.Errorf("the receiver answers %d", code)
	}
}
