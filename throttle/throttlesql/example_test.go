package throttlesql_test

import (
	"context"
	"database/sql"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
	"github.com/ecolaura/rampart/throttle/throttlesql"
)

// A quota for each caller that a restart does not forget, behind a limit in memory that
// keeps floods from the database.
func Example() {
	_ = func(ctx context.Context, db *sql.DB) (flood, quota *throttle.Limiter, err error) {
		if err = throttlesql.Migrate(ctx, db, rampart.SQLite); err != nil {
			return nil, nil, err
		}
		store, err := throttlesql.New(db, rampart.SQLite, throttlesql.Config{})
		if err != nil {
			return nil, nil, err
		}
		quota, err = throttle.New(throttle.Config{
			Policies: []throttle.Policy{{Name: "month", Rate: throttle.Rate{Count: 10_000, Period: 30 * 24 * time.Hour}, Key: throttle.ByCaller()}},
			Store:    store,
			Outage:   rampart.FailClosed,
		})
		if err != nil {
			return nil, nil, err
		}
		flood, err = throttle.PerIP("100/minute")
		return flood, quota, err
	}
	// Output:
}
