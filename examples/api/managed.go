package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/crypto/fernet"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/incidentsql"
)

// managed rotates the keys that this server made itself. What its files hold seals
// every later key. Keys that come from the environment or from -signing-key are not its
// own: it never replaces those.
type managed struct {
	signing         *ownSigning        // nil: managed elsewhere
	fields          *ownFields         // nil: managed elsewhere
	signings, rings *incident.Rotation // of those
	reencryption    *column.Background
	rotated         bool // values may be under a field key that is not the file's
}

// openManaged takes over the keys that were made since, and follows the feed.
func openManaged(ctx context.Context, sec *secrets, store *incidentsql.Store, sh *shared, log *slog.Logger) (_ *managed, err error) {
	m := &managed{}
	cfg := incident.RotationConfig{Store: store, Feed: sh.feed, Instances: sh.feed.Instances, Logger: log}
	if sec.ownSigning {
		if m.signing, err = newOwnSigning(sec.signing); err != nil {
			return nil, fmt.Errorf("%w: ECOLAURA_SECRET_KEY: %w", errSettings, err)
		}
		cfg.Kind, cfg.Make, cfg.Take = "signing", m.signing.make, m.signing.take
		if m.signings, err = incident.NewRotation(ctx, cfg); err != nil {
			return nil, putBack(err)
		}
	}
	keys, err := store.Keys(ctx, "field")
	if err != nil {
		return nil, err
	}
	m.rotated = len(keys) > 0
	if sec.fieldKeys == nil {
		if m.rotated {
			// Values may be under them, and they open with the file's key only.
			return nil, fmt.Errorf("%w: the database has field keys that this server made; run it with the key file beside the database, not with ECOLAURA_FERNET_KEYS", errSettings)
		}
		return m, nil
	}
	if m.fields, err = newOwnFields(sec.fields, sec.fieldKeys); err != nil {
		return nil, err
	}
	cfg.Kind, cfg.Make, cfg.Take = "field", m.fields.make, m.fields.take
	m.rings, err = incident.NewRotation(ctx, cfg)
	return m, putBack(err)
}

// putBack says what to do about a key that does not open.
func putBack(err error) error {
	if errors.Is(err, fernet.ErrInvalid) {
		return fmt.Errorf("%w: a key in the database does not open with that in its file; put the old file back: %w", errSettings, err)
	}
	return err
}

// rotateSigning makes a new signing key; what earlier ones signed is good for overlap
// longer.
func (m *managed) rotateSigning(ctx context.Context, overlap time.Duration) (id string, err error) {
	if m.signings == nil {
		return "", errElsewhere()
	}
	return m.signings.Rotate(ctx, overlap)
}

// rotateField makes a new key for encrypted columns, and starts to bring the values
// under it. What earlier ones encrypted can be read for as long as they are kept.
func (m *managed) rotateField(ctx context.Context) (id string, err error) {
	if m.rings == nil {
		return "", errElsewhere()
	}
	if id, err = m.rings.Rotate(ctx, incident.MaxAhead); id != "" { // it is in use, even if it could not be kept
		m.reencryption.Start() //nolint:contextcheck // it outlives the call
	}
	return id, err
}

// errElsewhere is the response where a key is set from outside this server.
func errElsewhere() error {
	return &rampart.Problem{
		Status: http.StatusConflict, Code: "managed_elsewhere",
		Detail: "The key is set from outside this server: roll it there, on every instance, by the steps in docs/incident-response.md.",
	}
}
