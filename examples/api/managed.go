package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/ecolaura/rampart/crypto/fernet"
)

// managed holds the keys that this server made itself. What its files hold
// seals every later key, which is kept in the database and reaches other
// instances through the feed. Keys that come from the environment or from
// -signing-key are not its own: it never replaces those.
type managed struct {
	db      *database
	shared  *shared
	signing *ownSigning // nil: managed elsewhere
	fields  *ownFields  // nil: managed elsewhere
	log     *slog.Logger

	rotating sync.Mutex // one rotation of the field key at a time
}

// managedKey is a row, and what the feed carries.
type managedKey struct {
	Kind     string    `json:"kind"` // "signing" or "field"
	ID       string    `json:"id"`
	Sealed   string    `json:"sealed"`
	Primary  bool      `json:"primary"`            // it signs, or encrypts; it is known everywhere before
	OldUntil time.Time `json:"old_until,omitzero"` // signing: until when those before it verify
}

const managedTopic = "ecolaura.keys"

// errManagedElsewhere means that a key came from outside.
var errManagedElsewhere = errors.New("the key is managed elsewhere")

// errTooManyKeys means that values may still be under too many old keys.
var errTooManyKeys = errors.New("too many field keys")

// openManaged takes over the keys that were made since, and follows the feed.
func openManaged(ctx context.Context, sec *secrets, db *database, sh *shared, log *slog.Logger) (*managed, error) {
	m := &managed{db: db, shared: sh, log: log}
	if sec.ownSigning {
		own, err := newOwnSigning(sec.signing)
		if err != nil {
			return nil, fmt.Errorf("%w: ECOLAURA_SECRET_KEY: %w", errSettings, err)
		}
		m.signing = own
	}
	if sec.fieldKeys != nil {
		own, err := newOwnFields(sec.fields, sec.fieldKeys)
		if err != nil {
			return nil, err
		}
		m.fields = own
	}
	rows, err := db.QueryContext(ctx, `SELECT kind, id, sealed, is_primary, old_until FROM managed_keys ORDER BY made, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k managedKey
		var oldUntil int64
		if err := rows.Scan(&k.Kind, &k.ID, &k.Sealed, &k.Primary, &oldUntil); err != nil {
			return nil, err
		}
		k.OldUntil = time.Unix(oldUntil, 0)
		if k.Kind == "field" && m.fields == nil {
			// Values may be under it, and it opens with the file's key only.
			return nil, fmt.Errorf("%w: the database has field keys that this server made; run it with the key file beside the database, not with ECOLAURA_FERNET_KEYS", errSettings)
		}
		// A key that was never primary has encrypted nothing: one too many of
		// them keeps nobody from starting.
		if err := m.take(k); err != nil && k.Primary {
			return nil, fmt.Errorf("%w: a key in the database does not open with that in its file; put the old file back: %w", errSettings, err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	sh.feed.Subscribe(managedTopic, m.apply)
	return m, nil
}

func (m *managed) apply(data []byte, _ time.Time) {
	var k managedKey
	err := json.Unmarshal(data, &k)
	if err == nil {
		err = m.take(k)
	}
	if err != nil {
		m.log.LogAttrs(context.Background(), slog.LevelError, "a key from another instance cannot be used: restart this one", slog.String("error", err.Error()))
	}
}

// take makes a key one of this instance's. It may come twice.
func (m *managed) take(k managedKey) error {
	switch {
	case k.Kind == "signing" && m.signing != nil:
		return m.signing.take(k)
	case k.Kind == "field" && m.fields != nil:
		return m.fields.take(k)
	}
	return nil // this instance has its keys from elsewhere
}

// publish makes a key known, to this instance first of all, and keeps it. In
// this order: a key that is known but not kept reaches those that start later
// through the feed; one that is kept but not known would split the instances.
func (m *managed) publish(ctx context.Context, k managedKey) error {
	data, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := m.shared.feed.Publish(ctx, managedTopic, data, maxAhead); err != nil {
		return err
	}
	_, err = m.db.ExecContext(ctx, m.db.q(`INSERT INTO managed_keys (kind, id, sealed, is_primary, old_until, made) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET is_primary = excluded.is_primary, made = excluded.made`), k.Kind, k.ID, k.Sealed, k.Primary, k.OldUntil.Unix(), time.Now().UnixMicro())
	return err
}

// rotateSigning makes a new signing key; what earlier ones signed verifies until
// then.
func (m *managed) rotateSigning(ctx context.Context, oldUntil time.Time) (id string, err error) {
	if m.signing == nil {
		return "", errManagedElsewhere
	}
	k := managedKey{Kind: "signing", ID: "s-" + strings.ToLower(rand.Text()[:12]), OldUntil: oldUntil}
	k.Sealed = m.signing.seal.EncryptString(rand.Text() + rand.Text())
	if time.Until(oldUntil) > everywhere { // else the old one has leaked: out with it
		if err := m.publish(ctx, k); err != nil {
			return "", err
		}
		if err := spread(ctx); err != nil {
			return "", err // known, never used
		}
	}
	k.Primary = true
	return k.ID, m.publish(ctx, k)
}

// everywhere is how long a change takes at most to reach every instance.
const everywhere = time.Second

// spread waits until a change has reached every instance.
func spread(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(everywhere):
		return nil
	}
}

// rotateField makes a new field key. Every instance can read what it encrypts
// before the first one encrypts with it.
func (m *managed) rotateField(ctx context.Context) (id string, err error) {
	if m.fields == nil {
		return "", errManagedElsewhere
	}
	m.rotating.Lock() // one at a time here; another instance finds the pending one
	defer m.rotating.Unlock()
	k, err := m.pendingField(ctx)
	if err != nil {
		return "", err
	}
	if err := m.publish(ctx, k); err != nil {
		return "", err
	}
	if !m.fields.holds(k.ID) {
		return "", errTooManyKeys
	}
	if err := spread(ctx); err != nil {
		return "", err // known, not used: the next call goes on with it
	}
	k.Primary = true
	return k.ID, m.publish(ctx, k)
}

// pendingField returns the key that an earlier call has left, or a new one.
func (m *managed) pendingField(ctx context.Context) (managedKey, error) {
	k := managedKey{Kind: "field"}
	err := m.db.QueryRowContext(ctx, m.db.q(`SELECT id, sealed FROM managed_keys WHERE kind = ? AND is_primary = ? ORDER BY made LIMIT 1`), k.Kind, false).Scan(&k.ID, &k.Sealed)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return k, err
	}
	if m.fields.full() {
		return k, errTooManyKeys
	}
	key := fernet.GenerateKey()
	k.ID, k.Sealed = key.ID(), m.fields.seal.EncryptString(key.Reveal())
	return k, nil
}
