package incident_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart/incident"
)

// keyring is what a service keeps of its keys, and takes.
type keyring struct {
	mu    sync.Mutex
	rows  []incident.SealedKey
	taken []string
	made  int
	fails error // of the store
	bad   error // of Take
}

func (k *keyring) Keys(_ context.Context, kind string) (list []incident.SealedKey, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, row := range k.rows {
		if row.Kind == kind {
			list = append(list, row)
		}
	}
	return list, k.fails
}

func (k *keyring) PutKey(_ context.Context, key incident.SealedKey) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fails == nil {
		k.rows = append(slices.DeleteFunc(k.rows, func(o incident.SealedKey) bool { return o.ID == key.ID }), key)
	}
	return k.fails
}

func (k *keyring) rotation(t *testing.T, f *fleet) *incident.Rotation {
	t.Helper()
	r, err := incident.NewRotation(t.Context(), k.config(f))
	require.NoError(t, err)
	return r
}

func (k *keyring) config(f *fleet) incident.RotationConfig {
	return incident.RotationConfig{
		Kind: "signing", Store: k, Feed: f, Instances: f.instances,
		Make: func() (string, string, error) { k.made++; return fmt.Sprint("k", k.made), "sealed", nil },
		Take: func(key incident.SealedKey) error {
			k.taken = append(k.taken, fmt.Sprint(key.ID, " ", key.Primary))
			return k.bad
		},
	}
}

func TestAKeyIsKnownEverywhereBeforeItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, k := &fleet{seq: [3]int64{5, 5, 5}, lag: 350 * time.Millisecond}, &keyring{}
		r := k.rotation(t, f)
		began := time.Now()
		id, err := r.Rotate(t.Context(), time.Hour)
		require.NoError(t, err)
		assert.Equal(t, "k1", id)
		assert.Equal(t, []string{"k1 false", "k1 true"}, k.taken)
		assert.Equal(t, 400*time.Millisecond, time.Since(began), "as soon as all know it")
		require.Len(t, k.rows, 1)
		assert.True(t, k.rows[0].Primary)
		assert.WithinDuration(t, began.Add(time.Hour), k.rows[0].OldUntil, time.Second)
		for _, sent := range f.sent {
			assert.True(t, strings.HasPrefix(sent, "incident.keys.signing "))
		}
		synctest.Wait()
		time.Sleep(time.Second)
	})
}

func TestAKeyThatHasLeakedIsReplacedAtOnce(t *testing.T) {
	f, k := &fleet{}, &keyring{rows: []incident.SealedKey{{Kind: "signing", ID: "pending"}}}
	r := k.rotation(t, f)
	k.taken = nil
	id, err := r.Rotate(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, "k1", id, "not one that was known before")
	assert.Equal(t, []string{"k1 true"}, k.taken)
}

func TestWhileAnInstanceDoesNotHearOfAKeyItIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, k := &fleet{}, &keyring{}
		r := k.rotation(t, f)
		for range 3 {
			_, err := r.Rotate(t.Context(), time.Hour)
			p := problem(t, err, 409, "instances_behind")
			assert.Len(t, p.Extensions["in_force"].(*incident.Reach).Behind, 2)
		}
		require.Len(t, k.rows, 1, "the next one goes on with it")
		assert.False(t, k.rows[0].Primary)
		f.lag = time.Millisecond
		id, err := r.Rotate(t.Context(), time.Hour)
		require.NoError(t, err)
		assert.Equal(t, "k1", id)
		time.Sleep(time.Second)
	})
}

func TestAKeyThatCannotBeTakenOrKeptIsNotUsed(t *testing.T) {
	for _, tt := range []struct {
		desc   string
		breaks func(*fleet, *keyring)
	}{
		{"the store is down", func(_ *fleet, k *keyring) { k.fails = errors.New("down") }},
		{"the feed is down", func(f *fleet, _ *keyring) { f.fails = errors.New("down") }},
		{"it does not open here", func(_ *fleet, k *keyring) { k.bad = errors.New("sealed by another") }},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			f, k := &fleet{}, &keyring{}
			r := k.rotation(t, f)
			tt.breaks(f, k)
			for _, overlap := range []time.Duration{0, time.Hour} {
				_, err := r.Rotate(t.Context(), overlap)
				require.Error(t, err)
			}
			for _, row := range k.rows {
				assert.False(t, row.Primary)
			}
		})
	}
}

func TestAKeyIsTakenOnceAndNotBackFromUse(t *testing.T) {
	f, k := &fleet{}, &keyring{rows: []incident.SealedKey{{Kind: "signing", ID: "old", Primary: true}, {Kind: "signing", ID: "next"}}}
	for _, key := range []string{`"id":"old"`, `"id":"old","primary":true`, `"id":"next"`, `"id":"next","primary":true`, `"id":"next"`} {
		f.replay = append(f.replay, []byte(`{"kind":"signing",`+key+`}`))
	}
	k.rotation(t, f)
	assert.Equal(t, []string{"old true", "next false", "next true"}, k.taken)
}

// The process that made a key died before it was kept; the feed has it for a month.
func TestAKeyThatOnlyTheFeedHasIsKept(t *testing.T) {
	f, k := &fleet{}, &keyring{rows: []incident.SealedKey{{Kind: "signing", ID: "old", Primary: true}}}
	replay := func(keys ...string) {
		f.replay = nil
		for _, id := range keys {
			f.replay = append(f.replay, []byte(`{"kind":"signing","id":"`+id+`","sealed":"s","primary":true}`))
		}
	}
	replay("old", "new")
	k.rotation(t, f)
	require.Len(t, k.rows, 2)
	assert.Equal(t, "new", k.rows[1].ID)
	k.rows = append(k.rows, incident.SealedKey{Kind: "signing", ID: "newer", Primary: true})
	replay("lost", "newer")
	k.rotation(t, f)
	assert.Len(t, k.rows, 3, "one that was replaced since must not come last")
}

func TestAnInstanceThatStartsTakesTheKeysOver(t *testing.T) {
	rows := []incident.SealedKey{{Kind: "signing", ID: "old", Primary: true}, {Kind: "field", ID: "other"}, {Kind: "signing", ID: "new"}}
	k := &keyring{rows: rows}
	k.rotation(t, &fleet{})
	assert.Equal(t, []string{"old true", "new false"}, k.taken)

	k = &keyring{rows: rows[1:], bad: errors.New("sealed by another")}
	_, err := incident.NewRotation(t.Context(), k.config(&fleet{}))
	require.NoError(t, err, "it was never used")
	k = &keyring{rows: rows, bad: errors.New("sealed by another")}
	_, err = incident.NewRotation(t.Context(), k.config(&fleet{}))
	require.ErrorIs(t, err, k.bad)
	k = &keyring{fails: errors.New("down")}
	_, err = incident.NewRotation(t.Context(), k.config(&fleet{}))
	require.ErrorIs(t, err, k.fails)
	_, err = incident.NewRotation(t.Context(), incident.RotationConfig{})
	assert.EqualError(t, err, `incident.RotationConfig.Kind: missing: name what the keys are for, such as "signing"
incident.RotationConfig.Store: missing: give a store, such as that of incidentsql
incident.RotationConfig.Feed: missing: give a feed.Feed, and its method Instances
incident.RotationConfig.Make: missing: give Make and Take`)
}
