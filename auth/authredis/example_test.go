package authredis_test

import (
	"context"
	"fmt"

	"github.com/ecolaura/rampart/auth/authredis"
)

func Example() {
	// With go-redis: func(ctx context.Context, args ...any) (any, error) {
	//	return client.Do(ctx, args...).Result()
	// }
	do := func(context.Context, ...any) (any, error) { return []any{"1700000000", "0"}, nil }

	store, err := authredis.New(do, authredis.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	now, err := store.Now(context.Background()) // for session.Config.Sessions
	fmt.Println(now.Year(), err)
	// Output: 2023 <nil>
}
