package peers_test

import (
	"testing"

	"github.com/ecolaura/rampart/internal/peers"
)

func TestEveryRowAnswersAsItShould(t *testing.T) {
	for _, row := range peers.Rows() {
		if err := row.Check(); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkPeers(b *testing.B) {
	for _, row := range peers.Rows() {
		b.Run(row.Group+"/"+row.Implementation, func(b *testing.B) {
			w := peers.NewSink()
			b.ReportAllocs()
			for b.Loop() {
				w.Reset()
				row.Handler.ServeHTTP(w, row.Request)
			}
		})
	}
}
