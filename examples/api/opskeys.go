package main

import (
	"errors"
	"maps"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
)

type rotateSigningKey struct {
	Overlap string `json:"overlap" validate:"required,max=32"`
	noted
}

// rotateSigningKey makes a new signing key. "0s" ends every token of the old
// ones at once: for a key that has leaked.
func (o *ops) rotateSigningKey(w http.ResponseWriter, r *http.Request, in rotateSigningKey) {
	overlap, err := time.ParseDuration(in.Overlap)
	if err != nil || overlap < 0 || overlap > maxAhead {
		o.failed(w, r, fieldProblem("#/overlap", "invalid", `Not a duration such as "1h", of 30 days at most.`))
		return
	}
	until := time.Now().UTC().Add(overlap).Truncate(time.Second)
	id, err := o.managed.rotateSigning(r.Context(), until)
	o.done(w, r, elsewhere(err), in.Note, "rotate_signing_key", "", "kid", id, "old_until", until)
}

// rotateFieldKey makes a new key for encrypted columns, and starts to bring the
// values under it.
func (o *ops) rotateFieldKey(w http.ResponseWriter, r *http.Request, in noted) {
	id, err := o.managed.rotateField(r.Context())
	if err == nil {
		o.reencryption.start() //nolint:contextcheck // it outlives the call
	}
	o.done(w, r, elsewhere(err), in.Note, "rotate_field_key", "", "key", id, "reencrypting", true)
}

// elsewhere turns what an operator has to do by hand into an answer that says so.
func elsewhere(err error) error {
	switch {
	case errors.Is(err, errManagedElsewhere):
		return &rampart.Problem{
			Status: http.StatusConflict, Code: "managed_elsewhere",
			Detail: "The key is set from outside this server: roll it there, on every instance, by the steps in docs/incident-response.md.",
		}
	case errors.Is(err, errTooManyKeys):
		return &rampart.Problem{Status: http.StatusConflict, Code: "too_many_keys", Detail: "The ring is full: old keys must be dropped first."}
	}
	return err
}

// state is what this instance knows.
func (o *ops) state(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"feed_age": o.shared.feed.Age().String(),
		"blocks":   len(maps.Collect(o.layers.blocks.Blocks())),
		"lockdown": o.layers.lockdown.state().Mode,

		"reencryption": o.reencryption.state(),
	})
}
