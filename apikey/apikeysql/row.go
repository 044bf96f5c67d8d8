package apikeysql

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/ecolaura/rampart/apikey"
)

// columns are those of a key, in the order of [values] and [scan].
const columns = `id, name, owner, plan, scopes, allow, meta, successor, created, expires, revoked, last_used`

// values returns the columns of k.
func values(k apikey.Key) ([]any, error) {
	scopes, err1 := json.Marshal(k.Scopes)
	allow, err2 := json.Marshal(k.Allow)
	meta, err3 := json.Marshal(k.Meta)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return []any{
		k.ID, k.Name, k.Owner, k.Plan, string(scopes), string(allow), string(meta), k.Successor,
		micros(k.Created), micros(k.Expires), micros(k.Revoked), micros(k.LastUsed),
	}, nil
}

// scan reads the columns of a key, and more behind them.
func scan(row interface{ Scan(dest ...any) error }, more ...any) (apikey.Key, error) {
	var (
		k                                   apikey.Key
		scopes, allow, meta                 []byte
		created, expires, revoked, lastUsed int64
	)
	dest := append([]any{
		&k.ID, &k.Name, &k.Owner, &k.Plan, &scopes, &allow, &meta, &k.Successor, &created, &expires, &revoked, &lastUsed,
	}, more...)
	if err := row.Scan(dest...); err != nil {
		return apikey.Key{}, err
	}
	// A row that cannot be read must not pass for one without restrictions.
	if err := errors.Join(json.Unmarshal(scopes, &k.Scopes), json.Unmarshal(allow, &k.Allow), json.Unmarshal(meta, &k.Meta)); err != nil {
		return apikey.Key{}, err
	}
	k.Created, k.Expires, k.Revoked, k.LastUsed = instant(created), instant(expires), instant(revoked), instant(lastUsed)
	return k, nil
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
