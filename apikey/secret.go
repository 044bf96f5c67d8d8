package apikey

import (
	"fmt"
	"io"
	"log/slog"
)

// A Secret is the text of a new key. It is shown to its owner once, by
// [Secret.Reveal], and cannot be recovered. However it is printed, logged or
// marshalled otherwise, it reads prefix_id_****. The zero Secret is empty.
type Secret struct {
	text *string // a pointer: reflection, too, prints no more than an address
}

func newSecret(text string) Secret { return Secret{&text} }

// Reveal returns the key itself, for its owner's eyes.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns the redacted form.
func (s Secret) String() string {
	if s.text == nil {
		return "****"
	}
	return (*s.text)[:len(*s.text)-secretLen-sumLen] + "****"
}

// Format writes the redacted form for every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns the redacted form; encoding/json and others use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns the redacted form.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
