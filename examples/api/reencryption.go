package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ecolaura/rampart/crypto/column"
)

// reencryption brings the encrypted columns under the newest key, in the
// background, beside the requests. It can be killed and started again.
type reencryption struct {
	db      *database
	columns columns
	log     *slog.Logger

	mu      sync.Mutex
	cancel  context.CancelFunc // nil: not running
	ended   chan struct{}
	again   bool // a newer key came meanwhile
	running bool
	now     map[string]column.Progress // by column
	failed  bool
}

// start begins, or begins anew once what runs has ended.
func (re *reencryption) start() {
	re.mu.Lock()
	defer re.mu.Unlock()
	if re.running {
		re.again = true
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	re.cancel, re.ended, re.running = cancel, make(chan struct{}), true
	go func() {
		defer close(re.ended)
		for re.run(ctx) {
		}
	}()
}

// run goes through the columns once and reports whether to do so again.
func (re *reencryption) run(ctx context.Context) (again bool) {
	re.set(func() { re.again, re.failed, re.now = false, false, map[string]column.Progress{} })
	select { // until every instance encrypts with the newest key
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	for _, job := range []column.Reencrypt{
		{Column: "phone", Cipher: re.columns.phone, IndexColumn: "phone_index", Index: re.columns.phoneIndex},
		{Column: "note", Cipher: re.columns.note, RowBound: true},
	} {
		job.DB, job.Dialect, job.Table, job.ID = re.db.DB, re.db.dialect, "customers", "id"
		_, err := job.Run(ctx, func(p column.Progress) { re.set(func() { re.now[job.Column] = p }) })
		if err != nil && ctx.Err() == nil {
			re.set(func() { re.failed = true })
			re.log.LogAttrs(ctx, slog.LevelError, "re-encryption: start it again by rotating the key, or by a restart", slog.String("column", job.Column), slog.String("error", err.Error()))
		}
	}
	re.mu.Lock()
	defer re.mu.Unlock()
	re.running = re.again && ctx.Err() == nil
	return re.running
}

func (re *reencryption) set(change func()) {
	re.mu.Lock()
	defer re.mu.Unlock()
	change()
}

// state is for operators.
func (re *reencryption) state() map[string]any {
	re.mu.Lock()
	defer re.mu.Unlock()
	s := map[string]any{"running": re.running, "failed": re.failed}
	for column, p := range re.now {
		s[column] = map[string]int{"rows": p.Rows, "changed": p.Changed, "invalid": p.Invalid}
	}
	return s
}

// close ends it; the next start goes on.
func (re *reencryption) close() {
	re.mu.Lock()
	cancel, ended := re.cancel, re.ended
	re.mu.Unlock()
	if cancel != nil {
		cancel()
		<-ended
	}
}
