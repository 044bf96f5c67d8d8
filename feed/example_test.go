package feed_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ecolaura/rampart/feed"
)

// Two instances of a service share a source; here both are in one process.
func Example() {
	ctx := context.Background()
	source := feed.Memory() // several processes: feedsql.New or feedredis.New
	first, err := feed.New(ctx, feed.Config{Source: source})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer first.Close()
	if err := first.Publish(ctx, "blocked", []byte("192.0.2.7"), time.Hour); err != nil {
		fmt.Println(err)
		return
	}

	second, err := feed.New(ctx, feed.Config{Source: source}) // has read all when it returns
	if err != nil {
		fmt.Println(err)
		return
	}
	defer second.Close()
	second.Subscribe("blocked", func(data []byte, _ time.Time) { fmt.Printf("%s is blocked\n", data) })
	// Output: 192.0.2.7 is blocked
}
