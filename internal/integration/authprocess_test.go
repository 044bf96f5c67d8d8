package integration_test

import (
	"bufio"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redis/go-redis/v9"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/feed"
	"github.com/ecolaura/rampart/feed/feedredis"
)

// Tests over several processes run this test binary again: it then serves the
// commands that its parent writes to it, one JSON object in a line.

// backendAt says where a process finds the sessions and the feed.
type backendAt struct {
	Redis, Prefix string // address; of the keys
	SQLite        string // file
	Schema        string // of PostgreSQL
	Grace         time.Duration
	Feed          bool // revocations come by the feed, not from the store
	Outage        rampart.Outage
	MaxStale      time.Duration // of the feed
	Patient       bool          // a slow machine must not fail a race
}

// command is what the parent asks; answer is what comes back.
type command struct {
	Op      string // issue, renew, verify, end
	Token   string
	Session string
	Subject string
	Uses    int       // of one refresh token, at once
	At      time.Time // when to begin
}

type answer struct {
	Access, Refresh, Session string
	Got                      map[string]int // how often each refresh token was the answer
	Reason                   string         // why a token is not good
	Took                     time.Duration
	Err                      string
}

// open returns the stores at b. They are closed when the test, or process, ends.
func (b backendAt) open(t testing.TB) (session.Store, feed.Source) {
	t.Helper()
	switch {
	case b.Redis != "":
		client := redis.NewClient(&redis.Options{Addr: b.Redis})
		t.Cleanup(func() { _ = client.Close() })
		do := redisDo(client)
		if b.Patient {
			return redisStore(t, do, b.Prefix), feedredis.New(do, b.Prefix+":feed")
		}
		return impatientStore(t, do, b.Prefix), feedredis.New(do, b.Prefix+":feed")
	case b.SQLite != "":
		db := openSQLiteFile(t, b.SQLite)
		return authStore(t, db, rampart.SQLite), feedSource(t, db, rampart.SQLite)
	default:
		db := openSchema(t, b.Schema)
		return authStore(t, db, rampart.PostgreSQL), feedSource(t, db, rampart.PostgreSQL)
	}
}

// openSchema opens a schema that openPostgres made.
func openSchema(t testing.TB, schema string) *sql.DB {
	t.Helper()
	u, err := url.Parse(cmp.Or(os.Getenv("RAMPART_POSTGRES"), "postgres://rampart:rampart@127.0.0.1:5432/rampart_test?sslmode=disable"))
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	db, err := sql.Open("pgx", u.String())
	require.NoError(t, err)
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// service returns what a process at b serves with.
func (b backendAt) service(t testing.TB) (*session.Service, *auth.Verifier) {
	t.Helper()
	store, source := b.open(t)
	if b.Feed {
		return authInstance(t, store, source, b.Outage, b.MaxStale)
	}
	return authService(t, store, b.Grace)
}

// TestAuthProcess is a process of its own when the environment says so.
func TestAuthProcess(t *testing.T) {
	text := os.Getenv("RAMPART_AUTH_PROCESS")
	if text == "" {
		return // the others start it
	}
	var b backendAt
	require.NoError(t, json.Unmarshal([]byte(text), &b))
	service, verifier := b.service(t)
	out := json.NewEncoder(os.Stdout)
	require.NoError(t, out.Encode(answer{})) // ready
	for in := json.NewDecoder(os.Stdin); ; {
		var c command
		if err := in.Decode(&c); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		require.NoError(t, out.Encode(c.run(t.Context(), service, verifier)))
	}
}

func (c command) run(ctx context.Context, s *session.Service, v *auth.Verifier) (a answer) {
	var err error
	for time.Until(c.At) > 0 { // to the microsecond, with the others
	}
	began := time.Now()
	switch c.Op {
	case "issue":
		var pair *session.Pair
		if pair, err = s.Issue(ctx, c.Subject, nil); err == nil {
			a.Access, a.Refresh, a.Session = pair.Access, pair.Refresh, pair.Session
		}
	case "renew":
		a.Got, a.Reason, err = renewAtOnce(ctx, s, c.Token, c.Uses)
	case "verify":
		_, verifyErr := v.Verify(ctx, c.Token, auth.Access)
		if te, ok := errors.AsType[*auth.TokenError](verifyErr); ok {
			a.Reason = string(te.Reason)
		}
	case "end":
		switch {
		case c.Session != "":
			err = errOf(s.EndSession(ctx, c.Session))
		case c.Subject != "":
			err = errOf(s.EndSubject(ctx, c.Subject))
		default:
			err = s.EndAll(ctx, time.Time{})
		}
	}
	a.Took = time.Since(began)
	if err != nil {
		a.Err = err.Error()
	}
	return a
}

// renewAtOnce uses a refresh token n times at once. It returns how often each
// refresh token was the answer, one of the reasons for refusals, and a failure
// that was no refusal.
func renewAtOnce(ctx context.Context, s *session.Service, refresh string, n int) (got map[string]int, reason string, failed error) {
	got = map[string]int{}
	start := make(chan struct{})
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			<-start
			pair, err := s.Refresh(ctx, refresh)
			mu.Lock()
			defer mu.Unlock()
			te, refused := errors.AsType[*auth.TokenError](err)
			switch {
			case err == nil:
				got[pair.Refresh]++
			case refused && te.Reason != auth.TokenUnverified:
				reason = string(te.Reason)
			default:
				failed = err
			}
		})
	}
	close(start)
	wg.Wait()
	return got, reason, failed
}

// process is a process that serves commands.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

func startProcess(t testing.TB, b backendAt) *process {
	t.Helper()
	return startProcesses(t, b, 1)[0]
}

func launchProcess(t testing.TB, b backendAt) *process {
	t.Helper()
	text, err := json.Marshal(b)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Minute)
	p := &process{t: t, cmd: exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAuthProcess$")}
	p.cmd.Env = append(os.Environ(), "RAMPART_AUTH_PROCESS="+string(text))
	p.cmd.Stderr = os.Stderr
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.out = json.NewDecoder(bufio.NewReader(out))
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		_ = p.in.Close()
		_, _ = io.Copy(io.Discard, io.MultiReader(p.out.Buffered(), out))
		assert.NoError(t, p.cmd.Wait())
		cancel()
	})
	return p
}

func startProcesses(t testing.TB, b backendAt, n int) []*process {
	t.Helper()
	var all []*process
	for range n {
		all = append(all, launchProcess(t, b))
	}
	for _, p := range all {
		require.NoError(t, p.read().failure()) // ready
	}
	return all
}

func (p *process) write(c command) {
	p.t.Helper()
	require.NoError(p.t, json.NewEncoder(p.in).Encode(c))
}

func (p *process) read() (a answer) {
	p.t.Helper()
	require.NoError(p.t, p.out.Decode(&a), "the process has ended")
	return a
}

func (p *process) do(c command) answer {
	p.t.Helper()
	p.write(c)
	return p.read()
}

func (a answer) failure() error {
	if a.Err != "" {
		return fmt.Errorf("in the other process: %s", a.Err)
	}
	return nil
}
