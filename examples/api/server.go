package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/crypto/column"
	"github.com/ecolaura/rampart/headers"
	"github.com/ecolaura/rampart/incident"
	"github.com/ecolaura/rampart/incident/console"
	"github.com/ecolaura/rampart/incident/incidentsql"
	"github.com/ecolaura/rampart/monitor"
	"github.com/ecolaura/rampart/server"
)

// errSettings marks what the operator has to change.
var errSettings = errors.New("settings")

// server is the whole service: its handler and what must be closed after it.
type instance struct {
	handler  http.Handler
	app      *app
	layers   *layers
	shared   *shared
	managed  *managed
	operator *incident.Operator
	monitor  *monitor.Monitor
	metrics  *metrics
	recorder *console.Recorder
	browser  *browser
	console  *console.Console
	health   *server.Health
	dropped  func() uint64 // records of the log; nil: not known
	log      *slog.Logger  // through the monitor
	db       *database
	notes    []string
	demo     bool
}

// open makes the service that s asks for. dropped, if not nil, counts what the log has
// lost.
func open(ctx context.Context, s *settings, log *slog.Logger, dropped func() uint64) (*instance, error) {
	sec, err := loadSecrets(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSettings, err)
	}
	db, err := openDatabase(ctx, s)
	if err != nil {
		return nil, err
	}
	srv := &instance{db: db, notes: sec.notes, dropped: dropped}
	srv.recorder = console.NewRecorder(log.Handler())            // behind the monitor, so that it sees the alerts
	if srv.monitor, err = newMonitor(srv.recorder); err != nil { //nolint:contextcheck // it alerts until Close
		return nil, errors.Join(err, db.Close())
	}
	srv.log = slog.New(srv.monitor)
	if err := srv.build(ctx, s, sec, srv.log); err != nil {
		srv.close() //nolint:contextcheck // ctx may be why
		return nil, err
	}
	return srv, nil
}

func (srv *instance) build(ctx context.Context, s *settings, sec *secrets, log *slog.Logger) error {
	hash, err := newHasher(sec.device)
	if err != nil {
		return err
	}
	u := &users{db: srv.db, hash: hash, log: log}
	if err := srv.prepare(ctx, s, u); err != nil {
		return err
	}
	if err := u.count(ctx); err != nil {
		return redacted(err, s.db)
	}
	if srv.shared, err = openShared(ctx, s, srv.db, log); err != nil {
		return redacted(err, s.db)
	}
	orders, err := incidentsql.New(srv.db.DB, srv.db.dialect, incidentsql.Config{Timeout: srv.db.timeout})
	if err != nil {
		return err
	}
	m, err := openManaged(ctx, sec, orders, srv.shared, log)
	if err != nil {
		return redacted(err, s.db)
	}
	standing, err := auth.NewStanding(auth.StandingConfig{Active: u.Active, Fresh: 2 * time.Second, Timeout: srv.db.timeout / 3, Logger: log})
	if err != nil {
		return err
	}
	if srv.layers, err = newLayers(s, sec, srv.db, standing, u, srv.shared, m, log); err != nil {
		return err
	}
	if srv.health, err = newHealth(srv, srv.dropped, log); err != nil {
		return err
	}
	srv.app = &app{db: srv.db, users: u, standing: standing, columns: newColumns(sec.fields), ready: srv.health.Ready(), log: log, events: rampart.NewReporter(log, "examples/api")}
	if m.reencryption, err = column.NewBackground(column.BackgroundConfig{Jobs: srv.app.columns.jobs(srv.db), Logger: log}); err != nil {
		return err
	}
	srv.managed = m
	unindexed, err := srv.db.unindexed(ctx)
	if err != nil {
		return redacted(err, s.db)
	}
	if sec.oldFields || m.rotated || unindexed { // what a kill has cut off goes on
		m.reencryption.Start() //nolint:contextcheck // it lives until close
	}
	if srv.metrics, err = newMetrics(srv); err != nil {
		return err
	}
	if srv.operator, err = newOperator(srv, orders, log); err != nil {
		return err
	}
	st := srv.layers.stack(srv.app)
	if srv.browser, err = newBrowser(srv.app, srv.layers, st, log); err != nil {
		return err
	}
	srv.browser.demo = srv.demo
	if srv.console, err = newConsole(srv); err != nil {
		return err
	}
	served, err := routes(srv, st, log) //nolint:contextcheck // its rules have the requests' contexts
	if err != nil {
		return err
	}
	srv.handler = srv.metrics.requests(served)
	return nil
}

// prepare makes the tables, and the demo accounts where nobody else can use
// them; it refuses to serve those to the world.
func (srv *instance) prepare(ctx context.Context, s *settings, u *users) error {
	err := srv.db.migrate(ctx, func(tx *sql.Tx, fresh bool) error {
		if !s.demo && (!fresh || !s.loopback || s.postgres() || len(s.command) > 0) {
			return nil
		}
		err := u.seed(ctx, tx)
		if err == nil && fresh {
			err = srv.db.seedProducts(ctx, tx)
		}
		return err
	})
	if err != nil {
		return redacted(err, s.db)
	}
	found, err := u.demos(ctx)
	if err != nil {
		return redacted(err, s.db)
	}
	if srv.demo = found; found && !s.loopback && !s.demo {
		return fmt.Errorf("%w: the database has accounts with the published demo password, and %s is not a loopback address: change the passwords, or say -demo", errSettings, s.addr)
	}
	return nil
}

// close writes what is pending, the uses of API keys and, last, the events that
// the layers hold back for their second, and closes the database. A database that
// hangs is not waited for.
func (srv *instance) close() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if srv.managed != nil {
			_ = srv.managed.reencryption.Close()
		}
		if srv.layers != nil {
			_ = srv.layers.keys.Close()
		}
		if srv.shared != nil {
			srv.shared.close()
		}
		_ = srv.db.Close()
	}()
	select {
	case <-done:
	case <-time.After(closeTime):
		srv.log.LogAttrs(context.Background(), slog.LevelError, "the database does not answer: the last uses of API keys are not written")
	}
	_ = srv.monitor.Close()
}

const closeTime = 2 * time.Second

// greet says where the server listens and what to try.
func (srv *instance) greet(w io.Writer, s *settings, addr, admin string) {
	for _, note := range srv.notes {
		fmt.Fprintln(w, note)
	}
	if admin != "" {
		fmt.Fprintf(w, "For operators: http://%[1]s/health and http://%[1]s/metrics.\n", admin)
	}
	scheme := "http"
	if s.tlsCert != "" {
		scheme = "https"
	}
	base := scheme + "://" + addr
	if !s.loopback {
		// What a deployment check would say of the headers.
		for _, f := range srv.layers.headers.Audit(http.NotFoundHandler()) {
			if f.Severity != headers.SeverityInfo {
				fmt.Fprintln(w, f)
			}
		}
	}
	fmt.Fprintf(w, "Listening on %s (stop with Ctrl-C).\n", base)
	if !srv.demo {
		return
	}
	fmt.Fprintf(w, `
In a browser: %[2]s/ is the shop, %[2]s/try has attacks to try, and %[2]s/console/ shows
them to oscar.

Demo users, password %[1]q:
  alice  products:write customers:read keys:manage
  bob    no scope
  oscar  ops

Try:
  curl %[2]s/api/public/
  curl %[2]s/api/secure/
  TOKEN=$(curl -s %[2]s/api/token/ -d username=alice --data-urlencode "password=%[3]s" | sed 's/.*"access":"\([^"]*\)".*/\1/')
  curl -H "Authorization: Bearer $TOKEN" %[2]s/api/secure/
  curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"name":"crm","scopes":["customers:read"]}' %[2]s/api/keys/
  for i in $(seq 101); do curl -s -o /dev/null -w '%%{http_code}\n' %[2]s/api/public/; done | sort | uniq -c
`, demoPassword, base, demoPassword)
}
