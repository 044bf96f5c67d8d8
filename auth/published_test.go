package auth_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/conferr/conferrtest"
)

func TestAKeyOfDjangosStartprojectIsRefusedUnlessSaidOtherwise(t *testing.T) {
	published := []byte("django-insecure-0123456789abcdef0123456789abcdef")
	cfg := auth.Simplejwt(published)
	_, err := auth.NewVerifier(cfg)
	assert.Equal(t, "Keys: weak", conferrtest.Text(err))
	cfg.DangerouslyPublishedKey = true
	_, err = auth.NewVerifier(cfg)
	assert.NoError(t, err)

	good, err := auth.NewKey(auth.HS256, "a", []byte("0123456789abcdef0123456789abcdef"))
	require.NoError(t, err)
	old, err := auth.NewKey(auth.HS256, "b", published)
	require.NoError(t, err)
	cfg = auth.Simplejwt(published)
	cfg.Keys, err = auth.NewKeys(good, old)
	require.NoError(t, err)
	_, err = auth.NewVerifier(cfg)
	assert.Equal(t, "Keys: weak", conferrtest.Text(err), "it verifies only, and everybody can sign with it")
	cfg.Keys, err = auth.NewKeys(good)
	require.NoError(t, err)
	_, err = auth.NewVerifier(cfg)
	assert.NoError(t, err)
}
