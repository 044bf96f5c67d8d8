package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"
)

// terminal is a terminal, and the end where somebody types.
func terminal(t *testing.T) (tty, keyboard *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = keyboard.Close() })
	var number, locked int32
	for request, value := range map[uintptr]*int32{syscall.TIOCGPTN: &number, syscall.TIOCSPTLCK: &locked} {
		_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, keyboard.Fd(), request, uintptr(unsafe.Pointer(value)))
		require.Zero(t, failed)
	}
	tty, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tty.Close() })
	return tty, keyboard
}

func TestAPasswordIsTypedTwiceAndNotShown(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ecolaura.db")
	for _, tt := range []struct {
		desc   string
		typed  []string // nil: the operator gives up
		status int
		want   string
	}{
		{"given up", nil, 1, "context canceled"},
		{"two passwords", []string{operatorPassword, "another long password"}, 1, "these were two passwords"},
		{"a short one", []string{"short"}, 1, "12 to 1024"},
		{"the same twice", []string{operatorPassword, operatorPassword}, 0, "Once more: \n"},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			tty, keyboard := terminal(t)
			before, err := term.GetState(int(tty.Fd()))
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var stdout bytes.Buffer
			stderr := &logBuffer{}
			ended := make(chan int, 1)
			none := func(string) string { return "" }
			go func() { ended <- run(ctx, []string{"-db", db, "user", "add", "olga"}, none, tty, &stdout, stderr) }()
			hidden := func() {
				require.Eventually(t, func() bool {
					now, err := term.GetState(int(tty.Fd()))
					return err == nil && *now != *before
				}, 20*time.Second, time.Millisecond)
			}
			hidden()
			for i, line := range tt.typed {
				if i == 1 {
					require.Eventually(t, func() bool { return bytes.Contains([]byte(stderr.String()), []byte("Once more: ")) }, 20*time.Second, time.Millisecond)
					hidden()
				}
				_, err := keyboard.WriteString(line + "\n")
				require.NoError(t, err)
			}
			if tt.typed == nil {
				cancel()
			}
			assert.Equal(t, tt.status, <-ended, stderr)
			assert.Contains(t, stderr.String(), tt.want)
			after, err := term.GetState(int(tty.Fd()))
			require.NoError(t, err)
			assert.Equal(t, before, after, "it shows again what is typed")
		})
	}
}
