package replay_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/examples/internal/replay"
)

func TestARequestIsSentAsItWasRecorded(t *testing.T) {
	calls := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		body, _ := io.ReadAll(r.Body)
		assert.Equal(t, "//a/%2e%2e?b=c", r.RequestURI)
		assert.Equal(t, "api.example", r.Host)
		assert.Equal(t, []string{"fresh"}, r.Header["X_under"], "a client library would not send it")
		assert.Equal(t, int64(len(body)), r.ContentLength)
		assert.JSONEq(t, `{"token":"fresh"}`, string(body))
		w.Header().Add("Vary", "a")
		w.Header().Add("Vary", "b")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "x")
	}))
	t.Cleanup(s.Close)
	text := `{"token":"{{t}}"}`
	c := replay.Case{
		ID: "1", Repeat: 3, Method: "POST", Path: "//a/%2e%2e?b=c", Body: &text,
		Headers: map[string]string{"Host": "api.example", "X_under": "{{t}}", "Content-Length": "99", "Connection": "keep-alive"},
	}
	got, err := c.Fill(map[string]string{"t": "fresh"}).Send(t.Context(), s.URL)
	require.NoError(t, err)
	assert.Equal(t, 3, calls)
	assert.Equal(t, http.StatusTeapot, got.Status)
	assert.Equal(t, "a, b", got.Headers["Vary"])
	assert.Equal(t, "x", got.Body)
	assert.Equal(t, `{"token":"{{t}}"}`, *c.Body, "the case itself is left as it is")
	assert.Equal(t, "{{t}}", c.Headers["X_under"])
}

// TestAnEarlyAnswerIsRead sends more than a server reads.
func TestAnEarlyAnswerIsRead(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) }))
	t.Cleanup(s.Close)
	body := string(make([]byte, 8<<20))
	got, err := replay.Case{Method: "POST", Path: "/", Body: &body}.Send(t.Context(), s.URL)
	require.NoError(t, err)
	assert.Equal(t, http.StatusRequestEntityTooLarge, got.Status)
}
