package plugin

import (
	"bytes"
	"context"
	"os"
	"strings"
	"syscall"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// FileLog appends a line for each request to a file.
type FileLog struct {
	Path              string            `k:"path"`
	Reopen            bool              `k:"reopen"` // for each batch, so that a file may be moved away
	CustomFieldsByLua map[string]string `k:"custom_fields_by_lua"`
}

func newFileLog() any { return config(&FileLog{}) }

// Check looks for mistakes.
func (l *FileLog) Check(c *conf.Checks, _ *conf.File) {
	c.Want(l.Path != "" && strings.TrimSpace(l.Path) == l.Path && conf.Printable(l.Path) && !strings.ContainsAny(l.Path, "*&%`"), "config.path",
		"a file's name is wanted, such as /var/log/gateway.log")
	noLua(c, l.CustomFieldsByLua)
}

// layer writes lines from a queue, so that no request waits for a disk.
func (l *FileLog) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	settings := newQueue()
	settings.MaxBatchSize, settings.MaxCoalescingDelay = 1000, 0.1
	out := &appender{cfg: l}
	q := newLogQueue(settings, e.Log, func(outcome string, n int) { e.Metrics.logs.WithLabelValues("file-log", outcome).Add(float64(n)) }, out.write)
	layer := logLayer(q)
	layer.close = func() { q.close(); out.close() }
	return layer, nil
}

// An appender belongs to the goroutine of a queue.
type appender struct {
	cfg  *FileLog
	file *os.File
}

func (a *appender) write(_ context.Context, batch [][]byte) error {
	if a.file == nil {
		// A pipe without a reader must not hold the queue for ever.
		f, err := os.OpenFile(a.cfg.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o600)
		if err != nil {
			return err
		}
		a.file = f
	}
	_, err := a.file.Write(append(bytes.Join(batch, []byte{'\n'}), '\n'))
	if err != nil || a.cfg.Reopen {
		a.close()
	}
	return err
}

func (a *appender) close() {
	if a.file != nil {
		_ = a.file.Close() // each write has said whether it went well
		a.file = nil
	}
}
