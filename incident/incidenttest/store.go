package incidenttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ecolaura/rampart/incident"
)

// TestStore holds a store against the contract of [incident.Store]. open is called
// once for each part of the contract; it returns a function that connects to one
// empty store, as each process of a service does. What it opens it closes with
// [testing.TB.Cleanup]. The store keeps at least 100 orders. Beyond what the
// interface says, an ID that is taken is an error of Begin, and an order that is not
// there is incident.ErrNoOrder for Finish.
func TestStore(t *testing.T, open func(testing.TB) (connect func() incident.Store)) {
	t.Helper()
	for _, part := range []struct {
		desc string
		run  func(t *testing.T, connect func() incident.Store)
	}{
		{"an empty store has nothing", testEmpty},
		{"an order comes back as it was given, on every connection", testRoundTrip},
		{"what is returned shares nothing with the store", testShared},
		{"the newest come first, page by page", testList},
		{"an ID is taken once", testID},
		{"an order without a Once keeps no other from being given", testNoOnce},
		{"a Once that is taken returns the order that has it", testTaken},
		{"a Once that has become free may be taken again", testFree},
		{"an order that was abandoned does not take its Once back", testAbandoned},
		{"of concurrent orders with one Once, on several connections, exactly one is added", testConcurrent},
		{"of concurrent orders that follow an abandoned one exactly one is added", testConcurrentAbandoned},
		{"Finish replaces an order, and adds none", testFinish},
		{"a cancelled context is an error", testCancelled},
	} {
		t.Run(part.desc, func(t *testing.T) { part.run(t, open(t)) })
	}
}

// noon is some time, exact to the microsecond.
func noon() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 123456000, time.UTC) }

// order returns a small order that is open.
func order(id, once string, at time.Time) incident.Order {
	return incident.Order{ID: id, At: at, Actor: "alice", Action: "block", State: incident.Open, Once: once}
}

// same reports whether a and b are the same order. Results are compared as JSON.
func same(t *testing.T, a, b incident.Order) bool {
	t.Helper()
	return a.ID == b.ID && a.At.Equal(b.At) && a.Actor == b.Actor && a.Action == b.Action && a.Target == b.Target && a.Note == b.Note &&
		a.State == b.State && a.Mark == b.Mark && a.Once == b.Once && bytes.Equal(canonical(t, a.Answer), canonical(t, b.Answer))
}

// canonical is the same for results that say the same.
func canonical(t *testing.T, answer json.RawMessage) []byte {
	t.Helper()
	if len(answer) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(answer, &v); err != nil {
		t.Fatalf("answer %q: %v", answer, err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// begun fails t unless o is added.
func begun(t *testing.T, s incident.Store, orders ...incident.Order) {
	t.Helper()
	for _, o := range orders {
		other, added, err := s.Begin(t.Context(), o)
		if err != nil || !added || other.ID != "" {
			t.Fatalf("Begin(%s): got %+v, %t, %v; want it added", o.ID, other, added, err)
		}
	}
}

// refused fails t unless want is returned in place of o, which is not added.
func refused(t *testing.T, s incident.Store, o, want incident.Order) {
	t.Helper()
	other, added, err := s.Begin(t.Context(), o)
	if err != nil || added || !same(t, other, want) {
		t.Fatalf("Begin(%s): got %+v, %t, %v; want %+v", o.ID, other, added, err, want)
	}
	if _, err := s.Get(t.Context(), o.ID); !errors.Is(err, incident.ErrNoOrder) {
		t.Fatalf("Get(%s): got %v; it was refused", o.ID, err)
	}
}

// finish finishes o and returns what it is then.
func finish(t *testing.T, s incident.Store, o incident.Order, state incident.State) incident.Order {
	t.Helper()
	o.State = state
	if err := s.Finish(t.Context(), o); err != nil {
		t.Fatalf("Finish(%s): %v", o.ID, err)
	}
	return o
}

// is fails t unless the store has o.
func is(t *testing.T, s incident.Store, o incident.Order) {
	t.Helper()
	got, err := s.Get(t.Context(), o.ID)
	if err != nil || !same(t, got, o) {
		t.Fatalf("Get(%s): got %+v, %v; want %+v", o.ID, got, err, o)
	}
}

// ids lists a page.
func ids(t *testing.T, s incident.Store, before string, limit int) string {
	t.Helper()
	page, err := s.List(t.Context(), before, limit)
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	names := make([]string, len(page))
	for i, o := range page {
		names[i] = o.ID
	}
	return strings.Join(names, " ")
}

func testEmpty(t *testing.T, connect func() incident.Store) {
	s := connect()
	if got := ids(t, s, "", 10); got != "" {
		t.Errorf("List: got %q", got)
	}
	if _, err := s.Get(t.Context(), "A"); !errors.Is(err, incident.ErrNoOrder) {
		t.Errorf("Get: got %v; want ErrNoOrder", err)
	}
}

func full() incident.Order {
	odd := "'; DROP TABLE x; -- ? $1 %s \\ \"é\" 鍵 \x00\r\n\t <&> \u2028" + strings.Repeat("x", 5000)
	return incident.Order{
		ID: "01Full-a", At: noon(), Actor: "actor " + odd, Action: "action " + odd, Target: "target " + odd, Note: "note " + odd,
		State: incident.Done, Answer: json.RawMessage(`{"a": [1, 2.50, "é\u0000\"<"], "b": null,  "c": {}}`), Mark: 1<<62 + 1, Once: "once " + odd,
	}
}

func testRoundTrip(t *testing.T, connect func() incident.Store) {
	a, b := connect(), connect()
	small := incident.Order{ID: "02Small", At: noon().Add(time.Microsecond), Actor: "bob", Action: "release", State: incident.Failed}
	begun(t, a, full(), small)
	for _, s := range []incident.Store{a, b} {
		is(t, s, full())
		is(t, s, small)
		page, err := s.List(t.Context(), "", 10)
		if err != nil || len(page) != 2 || !same(t, page[0], small) || !same(t, page[1], full()) {
			t.Errorf("List: got %+v, %v", page, err)
		}
		o := order("03", full().Once, noon())
		refused(t, s, o, full())
	}
	for _, id := range []string{"", "01full-a", "01Full", "01Full-ab"} {
		if _, err := b.Get(t.Context(), id); !errors.Is(err, incident.ErrNoOrder) {
			t.Errorf("Get(%q): got %v; want ErrNoOrder", id, err)
		}
	}
}

func testShared(t *testing.T, connect func() incident.Store) {
	s := connect()
	spoil := func(o incident.Order) { o.Answer[0] = '[' }
	in := full()
	begun(t, s, in)
	spoil(in)
	got, err := s.Get(t.Context(), in.ID)
	if err != nil || !same(t, got, full()) {
		t.Fatalf("a change of what was added shows: %v", err)
	}
	spoil(got)
	page, err := s.List(t.Context(), "", 1)
	if err != nil || len(page) != 1 || !same(t, page[0], full()) {
		t.Fatalf("a change of what Get returned shows: %v", err)
	}
	spoil(page[0])
	other, _, err := s.Begin(t.Context(), order("02", full().Once, noon()))
	if err != nil || !same(t, other, full()) {
		t.Fatalf("a change of what List returned shows: %v", err)
	}
	spoil(other)
	is(t, s, full())
	in = full()
	if err := s.Finish(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	spoil(in)
	is(t, s, full())
}

func testList(t *testing.T, connect func() incident.Store) {
	s := connect()
	for _, id := range []string{"b", "B", "-", "a", "1", "B-", "B1"} { // in no order
		begun(t, s, order(id, "", noon()))
	}
	for _, tt := range []struct {
		before string
		limit  int
		want   string
	}{
		{"", 100, "b a B1 B- B 1 -"},
		{"", 7, "b a B1 B- B 1 -"},
		{"", 2, "b a"},
		{"a", 2, "B1 B-"},
		{"B-", 2, "B 1"},
		{"1", 2, "-"},
		{"-", 2, ""},
		{"B0", 1, "B-"}, // is not there
		{"zz", 1, "b"},
		{"", 0, ""},
		{"", -1, ""},
		{"b", 0, ""},
	} {
		if got := ids(t, s, tt.before, tt.limit); got != tt.want {
			t.Errorf("List(%q, %d): got %q; want %q", tt.before, tt.limit, got, tt.want)
		}
	}
}

func testID(t *testing.T, connect func() incident.Store) {
	s := connect()
	first := order("01", "1", noon())
	begun(t, s, first)
	for _, once := range []string{"", "2"} {
		second := order("01", once, noon())
		second.Actor = "mallory"
		if _, added, err := s.Begin(t.Context(), second); err == nil || added {
			t.Errorf("Begin: got %t, %v; want an error", added, err)
		}
	}
	is(t, s, first)
	begun(t, s, order("02", "2", noon()))
}

func testNoOnce(t *testing.T, connect func() incident.Store) {
	s := connect()
	begun(t, s, order("01", "", noon()), order("02", "", noon()))
	finish(t, s, order("01", "", noon()), incident.Done)
	begun(t, s, order("03", "", noon()))
	finish(t, s, order("02", "", noon()), incident.Failed)
	begun(t, s, order("04", "", noon()))
}

func testTaken(t *testing.T, connect func() incident.Store) {
	a, b := connect(), connect()
	begun(t, a, order("01", "open", noon()), order("02", "done", noon()))
	finish(t, a, order("02", "done", noon()), incident.Done)
	for _, s := range []incident.Store{a, b} {
		refused(t, s, order("03", "open", noon()), order("01", "open", noon()))
		refused(t, s, order("03", "open", noon().Add(incident.Abandoned-time.Microsecond)), order("01", "open", noon()))
		refused(t, s, order("03", "open", noon().Add(-time.Hour)), order("01", "open", noon()))
		done := order("02", "done", noon())
		done.State = incident.Done
		refused(t, s, order("03", "done", noon()), done)
		refused(t, s, order("03", "done", noon().Add(time.Hour)), done)
	}
	begun(t, b, order("03", "Open", noon()))
}

func testFree(t *testing.T, connect func() incident.Store) {
	s := connect()
	begun(t, s, order("01", "failed", noon()))
	finish(t, s, order("01", "failed", noon()), incident.Failed)
	begun(t, s, order("02", "failed", noon()))
	refused(t, s, order("03", "failed", noon()), order("02", "failed", noon()))
	finish(t, s, order("01", "failed", noon()), incident.Failed) // once more: it has nothing to give up
	refused(t, s, order("03", "failed", noon()), order("02", "failed", noon()))

	failed := order("04", "at once", noon())
	failed.State = incident.Failed
	begun(t, s, failed, order("05", "at once", noon()))

	late := noon().Add(incident.Abandoned)
	begun(t, s, order("06", "abandoned", noon()), order("07", "abandoned", late))
	refused(t, s, order("08", "abandoned", late), order("07", "abandoned", late))
	is(t, s, order("06", "abandoned", noon()))
}

func testAbandoned(t *testing.T, connect func() incident.Store) {
	s := connect()
	late := noon().Add(time.Hour)
	for i, state := range []incident.State{incident.Done, incident.Failed, incident.Open} {
		once := string(state)
		first, second := order(fmt.Sprint("1", i), once, noon()), order(fmt.Sprint("2", i), once, late)
		begun(t, s, first, second)
		is(t, s, finish(t, s, first, state))
		refused(t, s, order("3", once, late), second)
		finish(t, s, second, incident.Failed)
		begun(t, s, order(fmt.Sprint("4", i), once, late))
	}
}

// contest begins n orders with one Once at once, and fails t unless exactly one is
// added and the others are given it.
func contest(t *testing.T, stores []incident.Store, n int, once string, at time.Time) {
	t.Helper()
	others := make([]incident.Order, n)
	won := make([]bool, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			var err error
			others[i], won[i], err = stores[i%len(stores)].Begin(t.Context(), order(fmt.Sprintf("%s-%02d", once, i), once, at))
			if err != nil {
				t.Errorf("Begin: %v", err)
			}
		})
	}
	close(start)
	wg.Wait()
	var winners []string
	for i := range n {
		if won[i] {
			winners = append(winners, fmt.Sprintf("%s-%02d", once, i))
		}
	}
	if len(winners) != 1 {
		t.Fatalf("added: %q; want one", winners)
	}
	for i := range n {
		if !won[i] && others[i].ID != winners[0] {
			t.Errorf("added: %q; order %d was given %q", winners, i, others[i].ID)
		}
	}
}

func testConcurrent(t *testing.T, connect func() incident.Store) {
	stores := []incident.Store{connect(), connect(), connect()}
	for round := range 5 {
		contest(t, stores, 9, fmt.Sprint("r", round), noon())
	}
	if page, err := stores[0].List(t.Context(), "", 100); err != nil || len(page) != 5 {
		t.Errorf("%d orders, %v; want 5", len(page), err)
	}
}

func testConcurrentAbandoned(t *testing.T, connect func() incident.Store) {
	stores := []incident.Store{connect(), connect(), connect()}
	for round := range 5 {
		once := fmt.Sprint("r", round)
		begun(t, stores[0], order("0-"+once, once, noon()))
		contest(t, stores, 9, once, noon().Add(time.Hour))
	}
	if page, err := stores[0].List(t.Context(), "", 100); err != nil || len(page) != 10 {
		t.Errorf("%d orders, %v; want 10", len(page), err)
	}
}

func testFinish(t *testing.T, connect func() incident.Store) {
	a, b := connect(), connect()
	before := order("01", "once", noon())
	begun(t, a, before, order("02", "", noon()))
	after := before
	after.State, after.Answer, after.Mark, after.Target, after.Note = incident.Done, json.RawMessage(`{"blocked": true}`), 7, "t", "n"
	if err := b.Finish(t.Context(), after); err != nil {
		t.Fatalf("Finish: %v", err)
	}
	for _, s := range []incident.Store{a, b} {
		is(t, s, after)
		is(t, s, order("02", "", noon()))
		if got := ids(t, s, "", 10); got != "02 01" {
			t.Errorf("got %q", got)
		}
	}
	if err := a.Finish(t.Context(), order("03", "new", noon())); !errors.Is(err, incident.ErrNoOrder) {
		t.Errorf("Finish of an order that is not there: got %v; want ErrNoOrder", err)
	}
	if got := ids(t, a, "", 10); got != "02 01" {
		t.Errorf("got %q", got)
	}
	begun(t, a, order("03", "new", noon()))
}

func testCancelled(t *testing.T, connect func() incident.Store) {
	s := connect()
	begun(t, s, order("01", "", noon()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, added, begin := s.Begin(ctx, order("02", "", noon()))
	_, get := s.Get(ctx, "01")
	_, list := s.List(ctx, "", 10)
	for call, err := range map[string]error{"Begin": begin, "Get": get, "List": list, "Finish": s.Finish(ctx, order("01", "", noon()))} {
		if err == nil || added || errors.Is(err, incident.ErrNoOrder) {
			t.Errorf("%s: got %t, %v", call, added, err)
		}
	}
	if got := ids(t, s, "", 10); got != "01" {
		t.Errorf("got %q", got)
	}
}
