package authdjango_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/authdjango"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/auth/session"
)

// A service beside a Django that uses the same database and secret.
func Example() {
	begin := func(ctx context.Context, db *sql.DB, secret, nameKey []byte) (*session.Service, *auth.Verifier, error) {
		if err := authdjango.Migrate(ctx, db, rampart.PostgreSQL); err != nil {
			return nil, nil, err
		}
		store, err := authdjango.New(db, rampart.PostgreSQL, authdjango.Config{})
		if err != nil {
			return nil, nil, err
		}
		census, err := store.Census(ctx)
		if err != nil {
			return nil, nil, err
		}
		hasher, err := password.New(password.Config{
			Format: password.FormatDjangoArgon2, Memory: 102400, Time: 2, Threads: 8, // as Django writes them
			Census: census, NameKey: nameKey,
			Queue: 256, Wait: 30e9, // for the first log-ins after the cut-over
		})
		if err != nil {
			return nil, nil, err
		}
		cfg := session.Simplejwt(secret)
		cfg.NoRotation = false
		cfg.Tokens.Revoked = store.Revoked
		cfg.Sessions, cfg.Users = store, store.Users(hasher, nil)
		verifier, err := auth.NewVerifier(cfg.Tokens)
		if err != nil {
			return nil, nil, err
		}
		service, err := session.New(cfg)
		return service, verifier, err
	}
	_, _, err := begin(context.Background(), nil, []byte("the SECRET_KEY of Django, of 32 bytes or more"), nil)
	fmt.Println(err != nil) // without a database
	// Output: true
}

// After the cut-over: Django is gone, and its tables are to go.
func ExampleImport() {
	move := func(ctx context.Context, db *sql.DB, own session.Store) (int, error) {
		return authdjango.Import(ctx, db, rampart.PostgreSQL, authdjango.ImportConfig{}, own)
	}
	_, err := move(context.Background(), nil, session.NewMemoryStore(0))
	fmt.Println(err)
	// Output: authdjango.Import.db: missing: open a *sql.DB and give it
}
