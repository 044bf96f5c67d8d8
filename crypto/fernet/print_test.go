package fernet_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// printed returns v in every way that a program prints a value by accident.
func printed(t *testing.T, v any) []string {
	t.Helper()
	var texts []string
	for verb := range strings.FieldsSeq("%v %+v %#v %s %q %x %X %d %t %b %o %c %U %e") {
		texts = append(texts, fmt.Sprintf(verb, v))
	}
	text, err := json.Marshal(v)
	require.NoError(t, err)
	texts = append(texts, string(text))
	var b bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		b.Reset()
		slog.New(h).Info("m", "v", v)
		texts = append(texts, b.String())
	}
	return texts
}

// secretForms returns the ways in which the bytes of keys could show.
func secretForms(t *testing.T, keys ...string) []string {
	t.Helper()
	var forms []string
	for _, k := range keys {
		raw, err := base64.URLEncoding.DecodeString(k)
		require.NoError(t, err)
		hexed := hex.EncodeToString(raw)
		forms = append(forms, k, k[:10], hexed[:8], strings.ToUpper(hexed[:8]), string(raw[:4]),
			strings.Trim(fmt.Sprint([]int{int(raw[0]), int(raw[1]), int(raw[2]), int(raw[3])}), "[]"), fmt.Sprintf("%#x, %#x, %#x", raw[0], raw[1], raw[2]),
			base64.StdEncoding.EncodeToString(raw)[:10])
	}
	return forms
}
