package column

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
)

// A Cipher encrypts and decrypts the values of a column: a [*fernet.Cipher], such as
// one of [fernet.Keyring.Field], or a [fernet.Bound].
type Cipher interface {
	Usable() bool                         // reports whether there is a key, so that Encrypt does not panic
	Encrypt(msg []byte) []byte            // a token of msg with the current time
	Decrypt(token []byte) ([]byte, error) // its text, or [fernet.ErrInvalid]
}

// errNoKey is what a statement fails with that would store a value in the clear.
var errNoKey = errors.New("column: a cipher without a key, or Row without a field or an id")

// Seal encrypts v with c now and returns the token as an argument for database/sql:
//
//	db.ExecContext(ctx, `UPDATE users SET ssn = ? WHERE id = ?`, column.Seal(c, u.SSN), u.ID)
//
// v is a string or a []byte, of a named type too, a pointer to one, or a
// [driver.Valuer] whose value is one, such as [sql.NullString]. What is nil
// becomes NULL, what is empty is encrypted. Any other v, and a c without a key,
// makes the statement fail.
func Seal(c Cipher, v any) driver.Valuer {
	text, null, err := plaintext(v)
	if err != nil || null {
		return sealed{err: err, null: null}
	}
	if c == nil || !c.Usable() {
		return sealed{err: errNoKey}
	}
	return sealed{token: string(c.Encrypt(text))}
}

// sealed holds a token and no text, so that a log of arguments gives nothing away.
type sealed struct {
	token string
	null  bool
	err   error
}

// Value implements [driver.Valuer].
func (s sealed) Value() (driver.Value, error) {
	if s.err != nil || s.null {
		return nil, s.err
	}
	return s.token, nil
}

// plaintext returns the bytes that v stands for.
func plaintext(v any) (text []byte, null bool, err error) {
	if valuer, ok := v.(driver.Valuer); ok {
		rv := reflect.ValueOf(v)
		if rv.Kind() == reflect.Pointer && rv.IsNil() { // database/sql takes it for NULL as well
			return nil, true, nil
		}
		if v, err = valuer.Value(); err != nil {
			return nil, false, err
		}
	}
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	switch {
	case !rv.IsValid(), rv.Kind() == reflect.Pointer:
		return nil, true, nil
	case rv.Kind() == reflect.String:
		return []byte(rv.String()), false, nil
	case isBytes(rv.Type()):
		return rv.Bytes(), rv.IsNil(), nil
	default:
		return nil, false, fmt.Errorf("column: cannot encrypt a %T", v)
	}
}

func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// Scan returns a destination for database/sql that decrypts a column with c into dst:
//
//	row.Scan(&u.ID, column.Scan(c, &u.SSN))
//
// dst points to a string or a []byte, of a named type too, or to a pointer to
// one, or it is a [sql.Scanner], such as a [*sql.NullString]. NULL sets a slice
// or pointer to nil, is passed on to a Scanner, and is an error for a string, as
// without encryption. A column that does not decrypt is [fernet.ErrInvalid]. After an
// error dst is as it was.
func Scan(c Cipher, dst any) sql.Scanner { return &scanner{cipher: c, dst: dst} }

type scanner struct {
	cipher Cipher
	dst    any
}

// Scan implements [sql.Scanner].
func (s *scanner) Scan(src any) error {
	var text []byte
	switch token := src.(type) {
	case nil:
	case string:
		return s.decrypt([]byte(token))
	case []byte:
		return s.decrypt(token)
	default:
		return fmt.Errorf("column: cannot decrypt a %T", src)
	}
	return s.store(text, true)
}

func (s *scanner) decrypt(token []byte) error {
	if s.cipher == nil {
		return errNoKey
	}
	text, err := s.cipher.Decrypt(token)
	if err != nil {
		return err
	}
	return s.store(text, false)
}

// store puts the text, or NULL, where dst points.
func (s *scanner) store(text []byte, null bool) error {
	if dst, ok := s.dst.(sql.Scanner); ok {
		if null {
			return dst.Scan(nil)
		}
		return dst.Scan(string(text))
	}
	ptr := reflect.ValueOf(s.dst)
	if ptr.Kind() != reflect.Pointer || ptr.IsNil() {
		return fmt.Errorf("column: cannot decrypt into a %T", s.dst)
	}
	return put(ptr.Elem(), text, null)
}

func put(v reflect.Value, text []byte, null bool) error {
	switch {
	case null && (v.Kind() == reflect.Pointer || isBytes(v.Type())):
		v.SetZero()
		return nil
	case v.Kind() == reflect.Pointer:
		fresh := reflect.New(v.Type().Elem())
		if err := put(fresh.Elem(), text, null); err != nil {
			return err
		}
		v.Set(fresh)
		return nil
	case v.Kind() == reflect.String && null:
		return fmt.Errorf("column: cannot decrypt NULL into a %s", v.Type())
	case v.Kind() == reflect.String:
		v.SetString(string(text))
		return nil
	case isBytes(v.Type()):
		v.SetBytes(text)
		return nil
	default:
		return fmt.Errorf("column: cannot decrypt into a %s", v.Type())
	}
}
