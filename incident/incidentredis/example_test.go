package incidentredis_test

import (
	"context"
	"fmt"

	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/incidentredis"
)

func Example() {
	// With go-redis: func(ctx context.Context, args ...any) (any, error) {
	//	return client.Do(ctx, args...).Result()
	// }
	do := func(context.Context, ...any) (any, error) { return []any{"added"}, nil }

	store, err := incidentredis.New(do, incidentredis.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, added, err := store.Begin(context.Background(), incident.Order{ID: "01", Actor: "alice", Action: "block"})
	fmt.Println(added, err)
	// Output: true <nil>
}
