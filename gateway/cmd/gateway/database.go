package main

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver

	"github.com/ecolaura/rampart"
)

// openDatabase returns the database of Config.DB; nil without a name.
func openDatabase(name string) (*sql.DB, rampart.Dialect, error) {
	switch {
	case name == "":
		return nil, 0, nil
	case strings.HasPrefix(name, "postgres://"), strings.HasPrefix(name, "postgresql://"):
		cfg, err := pgx.ParseConfig(name)
		if err != nil {
			return nil, 0, errors.New("-db: not a URL such as postgres://user@host/name") // the error may hold the password
		}
		db := stdlib.OpenDB(*cfg)
		db.SetMaxOpenConns(8)
		db.SetMaxIdleConns(8)
		return db, rampart.PostgreSQL, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) // here, so that its mode does not depend on the umask
	if err != nil {
		return nil, 0, err
	}
	if err := f.Close(); err != nil {
		return nil, 0, err
	}
	// NORMAL: a crash of the gateway forgets nothing, that of the machine some charges.
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: name}).EscapedPath()+"?"+url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)"}, "_txlock": {"immediate"},
	}.Encode())
	if err != nil {
		return nil, 0, err
	}
	db.SetMaxOpenConns(1) // its writers would wait for each other, and in no order
	return db, rampart.SQLite, nil
}
