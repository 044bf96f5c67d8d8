package apikey_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/apikey"
)

func TestASecretIsRedactedHoweverItIsPrinted(t *testing.T) {
	f := newFixture(t)
	k, secret, err := f.Create(t.Context(), apikey.Key{Name: "n"})
	require.NoError(t, err)
	text := secret.Reveal()
	tail := text[len(text)-36:]
	redacted := prefix + "_" + k.ID + "_****"
	type holder struct {
		Public apikey.Secret
		hidden apikey.Secret
		Ptr    *apikey.Secret
	}
	h := holder{secret, secret, &secret}

	var out strings.Builder
	for _, verb := range "vsqxXdoOUtbceEfFgGpwT" {
		for _, flags := range []string{"", "+", "#", "0", "-", " ", "80.3"} {
			for _, v := range []any{secret, &secret, h, &h, []apikey.Secret{secret}, map[string]apikey.Secret{"k": secret}} {
				fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", v)
			}
		}
	}
	for _, v := range []any{secret, &secret, h, &h} {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(b)
		b, err = xml.Marshal(v)
		require.NoError(t, err)
		out.Write(b)
		var buf bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&buf, nil), slog.NewJSONHandler(&buf, nil)} {
			slog.New(handler).Info("m", "v", v, slog.Any("a", v))
			out.Write(buf.Bytes())
		}
	}
	fmt.Fprint(&out, secret, secret.String(), fmt.Errorf("x: %v", secret))
	assert.NotContains(t, out.String(), tail)
	assert.NotContains(t, out.String(), fmt.Sprintf("%x", tail))
	assert.NotContains(t, out.String(), fmt.Sprintf("%X", tail))
	assert.Equal(t, redacted, fmt.Sprintf("%#v", secret))
	assert.Equal(t, redacted, secret.String())
	b, err := json.Marshal(secret)
	require.NoError(t, err)
	assert.Equal(t, `"`+redacted+`"`, string(b))

	var zero apikey.Secret
	assert.Empty(t, zero.Reveal())
	assert.Equal(t, "****", fmt.Sprint(zero))
}
