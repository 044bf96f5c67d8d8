package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"github.com/ecolaura/rampart/gateway/internal/engine"
)

// lookEvery is how often the file is looked at.
const lookEvery = 500 * time.Millisecond

// reloader brings a changed file into use: all of it, or none.
type reloader struct {
	file   string
	engine *engine.Engine
	log    *slog.Logger

	mu   sync.Mutex
	sum  [sha256.Size]byte // of the text last looked at
	info os.FileInfo       // of the file, when last looked at
	read bool              // since info has been so
}

// first reads the file for the first time.
func (r *reloader) first() error {
	if r.file == "" {
		return nil
	}
	text, err := os.ReadFile(r.file)
	if err != nil {
		return err
	}
	r.sum = sha256.Sum256(text)
	f, err := r.engine.Load(text)
	if err == nil {
		r.tell(context.Background(), f)
	}
	return err
}

// tell logs what the author of a configuration may not expect.
func (r *reloader) tell(ctx context.Context, f *conf.File) {
	for _, n := range slices.Concat(f.Notes, r.engine.Notes()) {
		r.log.WarnContext(ctx, "configuration", slog.Int("line", n.Line), slog.String("note", n.String()))
	}
}

// save replaces the file, which is then not read again as a changed one.
func (r *reloader) save(text []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := writeFile(r.file, text); err != nil {
		return err
	}
	r.sum = sha256.Sum256(text)
	return nil
}

// writeFile replaces a file as a whole, so that nobody ever reads half of it.
func writeFile(name string, text []byte) error {
	mode := os.FileMode(0o600)
	if info, err := os.Stat(name); err == nil {
		mode = info.Mode().Perm()
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".gateway-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // it is gone after a success
	_, err = tmp.Write(text)
	if err := errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// reload reads the file, whether it has changed or not.
func (r *reloader) reload(ctx context.Context) error {
	if r.file == "" {
		return Mistakes{{Reason: "the gateway was started without a file (-config)"}}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	text, err := os.ReadFile(r.file)
	if err != nil {
		return err
	}
	r.sum = sha256.Sum256(text)
	return r.use(ctx, text)
}

// use changes to text, and says in the log what became of it.
func (r *reloader) use(ctx context.Context, text []byte) error {
	f, err := r.engine.Load(text)
	if err != nil {
		why := err.Error()
		if ms, ok := errors.AsType[Mistakes](err); ok {
			why = ms.In(r.file)
		}
		r.log.ErrorContext(ctx, "configuration refused, the old one stays", slog.String("error", why))
		return err
	}
	r.log.InfoContext(ctx, "configuration in use", slog.Int("services", len(f.Services)), slog.Int("routes", len(f.Routes)))
	r.tell(ctx, f)
	return nil
}

// follow reloads when the file has changed, until ctx is done.
func (r *reloader) follow(ctx context.Context) {
	if r.file == "" {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.look(ctx)
		}
	}
}

// look reloads if the text is another one. A file that has just changed may not
// have been written to its end, and half of one may be without its plugins: so it
// is read only if it is still the same at the next look.
func (r *reloader) look(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed() || r.read {
		return
	}
	text, err := os.ReadFile(r.file)
	if err != nil || r.changed() {
		return // it is just being replaced
	}
	r.read = true
	if sum := sha256.Sum256(text); sum != r.sum {
		r.sum = sum
		_ = r.use(ctx, text) // it has been logged
	}
}

// changed reports whether the file is not as it was, or cannot be seen.
func (r *reloader) changed() bool {
	info, err := os.Stat(r.file)
	if err != nil {
		return true
	}
	old := r.info
	if old != nil && os.SameFile(info, old) && info.ModTime().Equal(old.ModTime()) && info.Size() == old.Size() {
		return false
	}
	r.info, r.read = info, false
	return true
}
