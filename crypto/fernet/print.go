package fernet

import (
	"fmt"
	"log/slog"
	"strings"
)

// What holds keys prints as "REDACTED" and the ids of the keys, whatever prints
// it: fmt with any verb, both slog handlers, encoding/json.

// String returns "REDACTED" and the key's ID.
func (k Key) String() string { return "REDACTED(" + k.ID() + ")" }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// LogValue implements [slog.LogValuer] with what String returns.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText implements [encoding.TextMarshaler] with what String returns, so
// that a configuration can be dumped. [Key.Reveal] is the way to keep a key.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String returns "REDACTED" and the [Key.ID] of each key, the first one first.
func (r *Keyring) String() string {
	var ids []string
	if r != nil {
		if set := r.set.Load(); set != nil {
			ids = set.ids
		}
	}
	return "REDACTED(" + strings.Join(ids, " ") + ")"
}

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (r *Keyring) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.String())) }

// LogValue implements [slog.LogValuer] with what String returns.
func (r *Keyring) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalText implements [encoding.TextMarshaler] with what String returns.
func (r *Keyring) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns what the String method of the cipher's Keyring returns.
func (c *Cipher) String() string {
	if c == nil {
		return (*Keyring)(nil).String()
	}
	return c.ring.String()
}

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (c *Cipher) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// LogValue implements [slog.LogValuer] with what String returns.
func (c *Cipher) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler] with what String returns.
func (c *Cipher) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String returns what the String method of the Keyring returns; the row is not shown.
func (b Bound) String() string { return b.c.String() }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (b Bound) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(b.String())) }

// LogValue implements [slog.LogValuer] with what String returns.
func (b Bound) LogValue() slog.Value { return slog.StringValue(b.String()) }

// MarshalText implements [encoding.TextMarshaler] with what String returns.
func (b Bound) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String returns what the String method of the Keyring returns.
func (m *MAC) String() string {
	if m == nil {
		return (*Keyring)(nil).String()
	}
	return m.ring.String()
}

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (m *MAC) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(m.String())) }

// LogValue implements [slog.LogValuer] with what String returns.
func (m *MAC) LogValue() slog.Value { return slog.StringValue(m.String()) }

// MarshalText implements [encoding.TextMarshaler] with what String returns.
func (m *MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }
