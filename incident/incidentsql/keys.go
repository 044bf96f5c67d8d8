package incidentsql

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ecolaura/rampart/incident"
)

// Keys implements [incident.KeyStore].
func (s *Store) Keys(ctx context.Context, kind string) ([]incident.SealedKey, error) {
	if s.db == nil {
		return nil, failed("keys", errZero)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.db.QueryContext(ctx, s.q.keys, kind)
	if err != nil {
		return nil, failed("keys", err)
	}
	defer rows.Close()
	var keys []incident.SealedKey
	for rows.Next() {
		var body []byte
		var k incident.SealedKey
		err := rows.Scan(&body)
		if err == nil {
			err = json.Unmarshal(body, &k)
		}
		if err != nil {
			return nil, failed("keys", err)
		}
		keys = append(keys, k)
	}
	return keys, failed("keys", rows.Err())
}

// PutKey implements [incident.KeyStore].
func (s *Store) PutKey(ctx context.Context, k incident.SealedKey) error {
	if s.db == nil {
		return failed("put key", errZero)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	body, err := json.Marshal(k)
	if err == nil {
		_, err = s.db.ExecContext(ctx, s.q.putKey, k.Kind, k.ID, string(body), time.Now().UnixMicro(), k.Kind)
	}
	return failed("put key", err)
}
