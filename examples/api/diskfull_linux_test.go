package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// While the disk is full nobody can log in, the probe says so, and an operator gets in
// all the same.
func TestTheOperatorsWayInWhileTheDiskIsFull(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small disk cannot be mounted here (it takes root on Linux): %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	db := filepath.Join(disk, "ecolaura.db")
	require.Equal(t, 0, first(shell(t, db, operatorPassword, "user", "add", "olga", "ops")))
	s := startOn(t, db, wide...)
	login := `{"username":"olga","password":"` + operatorPassword + `"}`
	require.Equal(t, 200, s.post("/api/token/", login).status)
	require.Equal(t, 200, s.do("GET", "/healthz", "").status)

	filler, err := os.Create(filepath.Join(disk, "filler"))
	require.NoError(t, err)
	for size := 64 << 10; size > 0; {
		if n, err := filler.Write(make([]byte, size)); err != nil || n < size {
			size /= 2
		}
	}
	require.Eventually(t, func() bool { return s.post("/api/token/", login).status == 503 }, 20*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return s.do("GET", "/healthz", "").status == 503 }, 5*time.Second, 20*time.Millisecond)
	status, out, log := shell(t, db, "", "token", "olga")
	require.Equal(t, 0, status, log)
	token := bearer(strings.TrimSpace(out))
	assert.Equal(t, 200, s.do("GET", "/api/ops/", "", token).status)
	assert.Equal(t, 200, s.do("GET", "/api/ops/sessions/?subject=1", "", token).status)

	require.NoError(t, filler.Close())
	require.NoError(t, os.Remove(filler.Name()))
	require.Eventually(t, func() bool { return s.do("GET", "/healthz", "").status == 200 }, 5*time.Second, 20*time.Millisecond)
	assert.Equal(t, 200, s.post("/api/token/", login).status)
}
