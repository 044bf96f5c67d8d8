package authsql_test

import (
	"context"
	"database/sql"

	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/auth/session"
)

// A password change and the end of the user's sessions in one transaction.
func ExampleStore_In() {
	changePassword := func(ctx context.Context, db *sql.DB, store *authsql.Store, service *session.Service, subject, hash string) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // does nothing after Commit
		if _, err := tx.ExecContext(ctx, `UPDATE users SET password = ? WHERE id = ?`, hash, subject); err != nil {
			return err
		}
		sessions := store.In(tx)
		now, err := sessions.Now(ctx) // after the update
		if err != nil {
			return err
		}
		if _, err := sessions.RevokeSubject(ctx, subject, now); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		_, err = service.EndSubject(ctx, subject) // tells the other instances
		return err
	}
	_ = changePassword
	// Output:
}
