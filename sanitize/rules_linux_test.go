package sanitize_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/sanitize"
)

func TestRulesThatOpenFilesOpenNoPipes(t *testing.T) {
	type form struct {
		Image string `json:"image" validate:"omitempty,image"`
		Type  string `json:"type" validate:"omitempty,mimetype=image/*"`
	}
	b := newBinder[form](t, sanitize.Config{})
	dir := t.TempDir()
	pipe, picture := filepath.Join(dir, "pipe"), filepath.Join(dir, "picture")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.WriteFile(picture, []byte("GIF89a\x01\x00\x01\x00"), 0o600))
	assert.NoError(t, b.Value(&form{picture, picture}))
	assert.Equal(t, []string{"#/image:image", "#/type:mimetype"}, faults(b.Value(&form{pipe, pipe})))
	assert.Equal(t, []string{"#/image:image", "#/type:mimetype"}, faults(b.Value(&form{dir, dir})))
}
