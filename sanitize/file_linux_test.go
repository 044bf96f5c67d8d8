package sanitize_test

import (
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

func TestASaveThatFailsLeavesNoFile(t *testing.T) {
	dir, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	defer func() { require.NoError(t, dir.Close()) }()
	f := sanitize.File{Name: "a.png", Data: []byte(png)}

	// A limit on the size of files stands for a full disk. The signal that comes
	// with it would end the process.
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var old syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4, Max: old.Max}))
	err = f.Save(dir)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old))

	require.ErrorIs(t, err, syscall.EFBIG)
	_, err = dir.Stat("a.png")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.NoError(t, f.Save(dir), "and another attempt can be made")
}
