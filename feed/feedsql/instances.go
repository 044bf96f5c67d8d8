package feedsql

import (
	"context"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/instance"
	"github.com/ecolaura/rampart/internal/sqlutil"
)

// instances are the statements about the table of the instances.
type instances struct{ note, remove, expire, list string }

// instancesOf returns them for an expression that is the database's time.
func instancesOf(d rampart.Dialect, now string) instances {
	return instances{
		note: sqlutil.Rebind(d, `INSERT INTO rampart_feed_instances (id, version, started_at, seq, seen_at, expires_at)
			VALUES (?, ?, ?, ?, `+now+`, `+now+` + ?)
			ON CONFLICT (id) DO UPDATE SET version = excluded.version, started_at = excluded.started_at,
				seq = excluded.seq, seen_at = excluded.seen_at, expires_at = excluded.expires_at`),
		remove: sqlutil.Rebind(d, `DELETE FROM rampart_feed_instances WHERE id = ?`),
		expire: `DELETE FROM rampart_feed_instances WHERE expires_at <= ` + now,
		list: sqlutil.Rebind(d, `SELECT id, version, started_at, seq, seen_at, EXISTS (SELECT 1 FROM rampart_feed_instances WHERE expires_at <= `+now+`)
			FROM rampart_feed_instances WHERE expires_at > `+now+` ORDER BY seen_at DESC LIMIT ?`),
	}
}

// Report implements [feed.Source]. It is one short write and one read, so that
// nobody waits for it; rows are deleted only when some have expired.
func (s *source) Report(ctx context.Context, in rampart.Instance, keep time.Duration) ([]rampart.Instance, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var err error
	if keep > 0 {
		_, err = s.db.ExecContext(ctx, s.instances.note, in.ID, in.Version, in.Started.UnixMicro(), in.Seq, keep.Microseconds())
	} else {
		_, err = s.db.ExecContext(ctx, s.instances.remove, in.ID)
	}
	if err != nil {
		return nil, err
	}
	all, expired, err := s.listInstances(ctx)
	if err == nil && expired {
		_, err = s.db.ExecContext(ctx, s.instances.expire)
	}
	if err != nil {
		return nil, err
	}
	return instance.Newest(all), nil
}

// listInstances returns those that live, and whether there are others.
func (s *source) listInstances(ctx context.Context) (all []rampart.Instance, expired bool, err error) {
	rows, err := s.db.QueryContext(ctx, s.instances.list, instance.Max)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var in rampart.Instance
		var started, seen int64
		if err := rows.Scan(&in.ID, &in.Version, &started, &in.Seq, &seen, &expired); err != nil {
			return nil, false, err
		}
		in.Started, in.Seen = time.UnixMicro(started).UTC(), time.UnixMicro(seen).UTC()
		all = append(all, in)
	}
	return all, expired, rows.Err()
}
