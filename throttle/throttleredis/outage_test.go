package throttleredis_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttleredis"
)

func TestALimiterFollowsItsOutagePolicyAndLeavesTheEventToTheStore(t *testing.T) {
	for outage, want := range map[rampart.Outage][]int{
		rampart.FailClosed: {503, 503, 503, 503},
		rampart.FailOpen:   {204, 204, 204, 204},
		rampart.FallBack:   {204, 204, 429, 429},
	} {
		store, srv, log := open(t, throttleredis.Config{})
		srv.answer = failing(errors.New("LOADING Redis is loading the dataset in memory"))
		l, err := throttle.New(throttle.Config{
			Policies: []throttle.Policy{{Name: "p", Rate: throttle.Rate{Count: 4, Period: time.Hour}, Key: throttle.ByIP(nil)}},
			Store:    store, Outage: outage, Replicas: 2, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		h := l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
		var got []int
		for range 4 {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			got = append(got, w.Code)
		}
		assert.Equal(t, want, got)
		assert.Empty(t, log.String(), "four failures are not yet an outage")
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		assert.Equal(t, 1, strings.Count(log.String(), "\n"))
	}
}
