package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth/authsql"
	"github.com/ecolaura/rampart/auth/password"
	"github.com/ecolaura/rampart/auth/session"
)

// command is what an operator's shell runs in place of the server. Who may read its
// database and secrets may do all of this anyway: it asks for no credential.
type command struct {
	s      *settings
	log    *slog.Logger
	in     io.Reader
	out    io.Writer
	prompt io.Writer
}

// run does what the words say. What is wrong with them is an errSettings.
func (c *command) run(ctx context.Context) error {
	for _, word := range c.s.command {
		if strings.HasPrefix(word, "-") { // as a scope, -db would be kept with its password, in another database
			return fmt.Errorf("%w: flags stand before the command", errSettings)
		}
	}
	verb, rest := strings.Join(c.s.command[:min(2, len(c.s.command))], " "), c.s.command[min(2, len(c.s.command)):]
	if c.s.command[0] == "token" && len(c.s.command) == 2 {
		return c.token(ctx, c.s.command[1])
	}
	if verb == "customer index" && len(rest) == 0 {
		return c.index(ctx)
	}
	switch {
	case verb == "user list" && len(rest) == 0:
	case (verb == "user add" || verb == "user scopes") && len(rest) > 0:
	case (verb == "user password" || verb == "user disable" || verb == "user enable" || verb == "key import") && len(rest) == 1:
	default:
		return fmt.Errorf("%w: not a command: %q; -h lists them", errSettings, strings.Join(c.s.command, " "))
	}
	for _, word := range rest {
		if !plainWord(word) {
			return fmt.Errorf("%w: %q: names and scopes are up to 150 printable characters without spaces", errSettings, word)
		}
	}
	db, err := openDatabase(ctx, c.s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := db.migrate(ctx, nil); err != nil {
		return redacted(err, c.s.db)
	}
	if verb == "key import" {
		return redacted(c.importKeys(ctx, db, rest[0]), c.s.db)
	}
	hash, err := password.New(password.Config{})
	if err != nil {
		return err
	}
	return redacted(c.user(ctx, db, &users{db: db, hash: hash, log: c.log}, verb, rest), c.s.db)
}

// user carries out one of the commands about accounts.
func (c *command) user(ctx context.Context, db *database, u *users, verb string, words []string) error {
	switch verb {
	case "user list":
		all, err := u.list(ctx)
		for _, a := range all {
			state := "active"
			if !a.active {
				state = "disabled"
			}
			fmt.Fprintf(c.out, "%s\t%s\t%s\n", a.name, state, a.scopes)
		}
		return err
	case "user add":
		pw, err := c.password(ctx)
		if err != nil {
			return err
		}
		if err := u.add(ctx, words[0], pw, words[1:]); err != nil {
			return err
		}
		return c.tell(ctx, verb, words)
	}
	sessions, err := authsql.New(db.DB, db.dialect, authsql.Config{Timeout: db.timeout})
	if err != nil {
		return err
	}
	var subject string
	var upTo time.Time
	switch verb {
	case "user password":
		pw, err := c.password(ctx)
		if err != nil {
			return err
		}
		if subject, upTo, err = u.setPassword(ctx, sessions, words[0], pw); err != nil {
			return err
		}
	case "user scopes":
		subject, upTo, err = u.setScopes(ctx, sessions, words[0], words[1:])
	default:
		subject, upTo, err = u.setActive(ctx, sessions, words[0], verb == "user enable")
	}
	if err != nil {
		return err
	}
	// No session can be renewed any more. This tells every instance to refuse what is left
	// of the access tokens, too.
	sh, err := openShared(ctx, &settings{}, db, c.log)
	if err != nil {
		return err
	}
	defer sh.close() //nolint:contextcheck // what is pending belongs to no request
	if err := sh.revocations.RevokeSubject(ctx, subject, upTo, upTo.Add(longestToken)); err != nil {
		return err
	}
	return c.tell(ctx, verb, words)
}

// longestToken is how long an access token is good, and the instances' clocks may differ.
const longestToken = 6 * time.Minute

// tell keeps in the log what was done, as it does with the orders of operators.
func (c *command) tell(ctx context.Context, verb string, words []string) error {
	rampart.NewReporter(c.log, "examples/api").Report(ctx, rampart.AuthzAdmin, verb, slog.String("actor", "shell"), slog.String("action", verb), rampart.Text("target", words[0]), rampart.Text("scopes", strings.Join(words[1:], " ")))
	fmt.Fprintf(c.out, "Done: %s %s.\n", verb, strings.Join(words, " "))
	return nil
}

// token prints an access token of an account: what a log-in gives, but kept nowhere, so
// that an operator gets in while no session can be written.
func (c *command) token(ctx context.Context, name string) error {
	c.s.redis = nil // it may be away, and has no say in this
	srv, err := open(ctx, c.s, c.log, nil)
	if err != nil {
		return err
	}
	defer srv.close() //nolint:contextcheck // ctx may be why
	asking, cancel := srv.db.within(ctx)
	defer cancel()
	var id int64
	var active bool
	err = srv.db.QueryRowContext(asking, srv.db.q(`SELECT id, active FROM users WHERE username = ?`), name).Scan(&id, &active)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return redacted(err, c.s.db)
	}
	if !active {
		return fmt.Errorf("%w, or it is disabled: %q", errNoAccount, name)
	}
	cfg := srv.layers.issuing
	cfg.Sessions = session.NewMemoryStore(1)
	service, err := session.New(cfg)
	if err != nil {
		return err
	}
	pair, err := service.Issue(ctx, strconv.FormatInt(id, 10), nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, pair.Access)
	return nil
}

// password asks for a password: twice at a terminal, which does not show it, else it is
// the first line. The rule is that of POST /api/password/.
func (c *command) password(ctx context.Context) (string, error) {
	line, terminal := c.line, false
	fd := -1 // asked for once, and not by a read that is given up and goes on
	if f, ok := c.in.(*os.File); ok {
		fd = int(f.Fd())
	}
	if fd >= 0 && term.IsTerminal(fd) {
		before, err := term.GetState(fd)
		if err != nil {
			return "", err
		}
		defer func() { _ = term.Restore(fd, before) }() // whatever ends this, it shows again what is typed
		terminal = true
		line = func() (string, error) {
			typed, err := term.ReadPassword(fd)
			fmt.Fprintln(c.prompt)
			return string(typed), err
		}
	}
	ask := func(prompt string) (string, error) {
		if terminal {
			fmt.Fprint(c.prompt, prompt)
		}
		return unless(ctx, line)
	}
	pw, err := ask("Password: ")
	if err != nil {
		return "", err
	}
	if n := utf8.RuneCountInString(pw); n < 12 || n > 1024 {
		return "", errors.New("a password has 12 to 1024 characters")
	}
	if terminal {
		again, err := ask("Once more: ")
		if err == nil && again != pw {
			err = errors.New("these were two passwords")
		}
		return pw, err
	}
	return pw, nil
}

// unless returns what line returns, unless ctx ends first.
func unless(ctx context.Context, line func() (string, error)) (string, error) {
	var text string
	var err error
	read := make(chan struct{})
	go func() {
		defer close(read)
		text, err = line()
	}()
	select {
	case <-read:
		return text, err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// line reads the first line.
func (c *command) line() (string, error) {
	line, err := bufio.NewReader(io.LimitReader(c.in, 8<<10)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

// plainWord reports whether a name or a scope can be kept: scopes are stored with spaces
// between them.
func plainWord(word string) bool {
	return word != "" && len(word) <= 150 && utf8.ValidString(word) && !strings.ContainsFunc(word, func(r rune) bool { return !strconv.IsPrint(r) || r == ' ' })
}
