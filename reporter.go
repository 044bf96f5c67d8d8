package rampart

import (
	"context"
	"hash/maphash"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecolaura/rampart/internal/forwarded"
	"github.com/ecolaura/rampart/internal/logline"
	"github.com/ecolaura/rampart/internal/request"
)

// foldWindow is how long repeats of an event under one key are folded.
const foldWindow = time.Second

// foldShards × foldShardKeys = 480 keys at most are folded one by one. A key
// writes at most two records in its first second (one at once, one for its
// repeats) and one a second after that, so a flood of distinct keys stays
// under 1000 lines a second; what finds no place is counted in one overflow
// record per event name.
const (
	foldShards    = 16
	foldShardKeys = 30
)

// A Reporter writes security events to a log, and folds repeats: the first
// event of a key is written at once; those that follow within a second are
// written together, as one record whose attribute "count" says how many they
// were. The counts of all records (1 where the attribute is missing) add up to
// the number of events, and memory is bounded whatever clients send.
//
// A Reporter is safe for concurrent use. It owns no goroutine: a pending
// record is held by a timer of at most one second, so a process that ends
// calls [Reporter.Flush] first (package monitor does it for the Reporters of all
// layers); else it loses the counts of its last second.
type Reporter struct {
	log    *slog.Logger
	layer  string
	seed   maphash.Seed
	shards [foldShards]foldShard
}

type foldShard struct {
	mu       sync.Mutex
	folds    map[foldKey]*fold
	overflow map[Event]*fold // bounded: event names are constants of the code
	swept    time.Time       // when expired keys were last dropped
}

type foldKey struct {
	event Event
	key   string
}

// fold is one open window.
type fold struct {
	event Event
	until time.Time
	count int         // events since the last record
	timer *time.Timer // armed while count > 0
	attrs []slog.Attr // of the first event that is counted
	addr  netip.Addr  // of the client that caused them all; zero if several did
}

// A holder is a handler that wants to know which Reporters have a record pending
// for it, so that it can flush them at the end; monitor.Monitor is one.
type holder interface{ Hold(rp *Reporter) }

// NewReporter returns a Reporter that writes to log; nil means [slog.Default],
// asked for at each record, so that a later SetDefault takes effect. Its records have
// the attribute "layer": the name of the package or part that reports, "" for none.
func NewReporter(log *slog.Logger, layer string) *Reporter {
	rp := &Reporter{log: log, layer: layer, seed: maphash.MakeSeed()}
	for i := range rp.shards {
		rp.shards[i].folds = make(map[foldKey]*fold)
		rp.shards[i].overflow = make(map[Event]*fold)
	}
	return rp
}

func (rp *Reporter) logger() *slog.Logger {
	if rp == nil || rp.log == nil {
		return slog.Default()
	}
	return rp.log
}

// Report reports that e happened. Events of one name and key are folded; the
// key says who or what caused it (an address, a subject, an origin) and is not
// written: what a reader needs belongs in attrs. Text that a client chose goes
// through [Text]. The request id, the trace id and the client address that ctx
// carries are added; a folded record has those of the first event that it
// counts, and an address only if all of them came from there.
func (rp *Reporter) Report(ctx context.Context, e Event, key string, attrs ...slog.Attr) {
	if !rp.logger().Enabled(ctx, e.Level()) {
		return
	}
	addr, _ := ClientAddrFrom(ctx)
	rp.report(ctx, e, key, addr, attrs)
}

// Record writes one event at once and folds nothing: for what is rare and must
// be seen one by one, such as an operator's orders. It adds what
// [Reporter.Report] adds.
func (rp *Reporter) Record(ctx context.Context, e Event, attrs ...slog.Attr) {
	addr, _ := ClientAddrFrom(ctx)
	rp.write(ctx, e, 0, addr, appendCorrelation(slices.Clip(attrs), ctx))
}

func (rp *Reporter) report(ctx context.Context, e Event, key string, addr netip.Addr, attrs []slog.Attr) {
	if rp == nil || rp.admit(ctx, e, key, addr, attrs) {
		rp.write(ctx, e, 0, addr, appendCorrelation(slices.Clip(attrs), ctx))
	}
}

// Refused is [Reporter.Report] for a request that a layer refuses: it adds the
// request's method and path, and "peer" if it came over a Unix socket from a client
// whose address is not known. Never the query, which may carry a secret. An empty
// key means the address of the client, as far as [ClientAddrFrom] or the TCP
// peer tells it, together with the attributes "reason" and "subject": what is
// folded must be alike, or one harmless refusal would hide a hundred others.
func (rp *Reporter) Refused(r *http.Request, e Event, key string, attrs ...slog.Attr) {
	ctx := r.Context()
	if !rp.logger().Enabled(ctx, e.Level()) {
		return
	}
	addr := caller(r)
	var buf [128]byte
	by := append(buf[:0], key...)
	if key == "" {
		by = addr.AppendTo(by)
		for _, a := range attrs {
			if a.Key == "reason" || a.Key == "subject" {
				by = append(append(by, ' '), a.Value.String()...)
			}
		}
	}
	if rp.counted(e, by, addr) { // before anything is made that only a record needs
		return
	}
	if !addr.IsValid() && forwarded.Unix(r) {
		attrs = append(attrs, slog.String("peer", "unix"))
	}
	rp.report(ctx, e, string(by), addr, append(attrs, Text("method", r.Method), Text("path", requestPath(r))))
}

// requestPath returns the path as the client asked for it: behind
// [http.StripPrefix] the URL's own is no longer that.
func requestPath(r *http.Request) string {
	if path, _, _ := strings.Cut(r.RequestURI, "?"); strings.HasPrefix(path, "/") {
		return path
	}
	return r.URL.EscapedPath()
}

func caller(r *http.Request) netip.Addr {
	if addr, ok := ClientAddrFrom(r.Context()); ok {
		return addr
	}
	return PeerAddr(r)
}

// Counted reports whether an event needs no record of its own: either a record is
// pending that it was now counted in, or nobody listens at its level. Layers
// that a flood makes refuse often ask this first, and make the attributes for
// [Reporter.Refused] or [Reporter.Report] only if it returns false.
func (rp *Reporter) Counted(ctx context.Context, e Event, key string) bool {
	if !rp.logger().Enabled(ctx, e.Level()) {
		return true
	}
	addr, _ := ClientAddrFrom(ctx)
	var buf [128]byte
	return rp.counted(e, append(buf[:0], key...), addr)
}

func (rp *Reporter) counted(e Event, key []byte, addr netip.Addr) bool {
	if rp == nil {
		return false
	}
	sh := &rp.shards[maphash.Bytes(rp.seed, key)%foldShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f := sh.folds[foldKey{e, string(key)}] // no copy: the compiler knows that a look-up keeps nothing
	if f == nil {
		f = sh.overflow[e]
		// In a flood the clock is a third of the work: only each 16th looks for room.
		if f == nil || len(sh.folds) < foldShardKeys || f.count%16 == 0 && sh.hasRoom(time.Now()) {
			return false
		}
	}
	if f.count == 0 {
		return false
	}
	f.add(addr)
	return true
}

func (rp *Reporter) shard(key string) *foldShard {
	return &rp.shards[maphash.String(rp.seed, key)%foldShards]
}

// add counts one event of a client at addr.
func (f *fold) add(addr netip.Addr) {
	f.count++
	if addr != f.addr {
		f.addr = netip.Addr{}
	}
}

// Text is a log attribute for text that a client chose: cut to 256 bytes, with
// control characters, line separators and direction marks escaped, so that it
// cannot forge or hide a log line in any handler.
func Text(name, s string) slog.Attr { return slog.String(name, logline.Escape(s, 256)) }

// admit reports whether the event is to be written now. If not, it is counted.
func (rp *Reporter) admit(ctx context.Context, e Event, key string, addr netip.Addr, attrs []slog.Attr) bool {
	now := time.Now()
	sh := rp.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	k := foldKey{e, key}
	f := sh.folds[k]
	switch {
	case f != nil && (f.count > 0 || now.Before(f.until)):
		if f.count == 0 {
			rp.open(sh, f, now, addr, appendCorrelation(slices.Clip(attrs), ctx)) //nolint:contextcheck // a folded record belongs to many requests, not to this one
		}
		f.add(addr)
		return false
	case f != nil:
		f.until = now.Add(foldWindow)
		return true
	case sh.hasRoom(now):
		sh.folds[k] = &fold{event: e, until: now.Add(foldWindow)}
		return true
	}
	if sh.overflow[e] == nil {
		sh.overflow[e] = &fold{event: e}
	}
	f = sh.overflow[e]
	if f.count == 0 {
		f.until = now.Add(foldWindow)
		rp.open(sh, f, now, netip.Addr{}, []slog.Attr{slog.Bool("overflow", true)}) //nolint:contextcheck // a folded record belongs to many requests, not to this one
	}
	f.add(netip.Addr{})
	return false
}

// hasRoom reports whether one more key fits, after dropping the expired ones. A
// full table is swept four times a second at most. The caller holds sh.mu.
func (sh *foldShard) hasRoom(now time.Time) bool {
	if len(sh.folds) >= foldShardKeys && now.Sub(sh.swept) >= foldWindow/4 {
		sh.swept = now
		maps.DeleteFunc(sh.folds, func(_ foldKey, f *fold) bool {
			return f.count == 0 && !now.Before(f.until)
		})
	}
	return len(sh.folds) < foldShardKeys
}

// open makes f ready to count, and sees to it that it gets written. The caller
// holds sh.mu.
func (rp *Reporter) open(sh *foldShard, f *fold, now time.Time, addr netip.Addr, attrs []slog.Attr) {
	if h, ok := rp.logger().Handler().(holder); ok {
		h.Hold(rp)
	}
	f.attrs, f.addr = attrs, addr
	f.timer = time.AfterFunc(f.until.Sub(now), func() { rp.emit(sh, f) })
}

// emit writes what f has counted and opens its next window.
func (rp *Reporter) emit(sh *foldShard, f *fold) {
	sh.mu.Lock()
	n, attrs, addr := f.count, f.attrs, f.addr
	f.count, f.attrs, f.timer = 0, nil, nil
	f.until = time.Now().Add(foldWindow)
	sh.mu.Unlock()
	if n > 0 { // else flushed meanwhile
		rp.write(context.Background(), f.event, n, addr, attrs)
	}
}

// Flush writes every pending record now. A nil Reporter has none.
func (rp *Reporter) Flush() {
	if rp == nil {
		return
	}
	for i := range rp.shards {
		sh := &rp.shards[i]
		var pending []*fold
		sh.mu.Lock()
		for _, folds := range []iter.Seq[*fold]{maps.Values(sh.folds), maps.Values(sh.overflow)} {
			for f := range folds {
				if f.count > 0 {
					f.timer.Stop()
					pending = append(pending, f)
				}
			}
		}
		sh.mu.Unlock()
		for _, f := range pending {
			rp.emit(sh, f)
		}
	}
}

// appendCorrelation adds what ties a record to others of the same request.
func appendCorrelation(attrs []slog.Attr, ctx context.Context) []slog.Attr { //nolint:revive // as in append, what is added comes last
	c := request.CorrelationFrom(ctx)
	if c == nil {
		return attrs
	}
	attrs = append(attrs, slog.String("request_id", c.ID))
	if c.Trace.TraceID != "" {
		attrs = append(attrs, slog.String("trace_id", c.Trace.TraceID), slog.String("parent_id", c.Trace.ParentID))
	}
	return attrs
}

// write writes one record. Its message is the event's name, so that one grep
// or one alert rule finds it in every handler's output.
func (rp *Reporter) write(ctx context.Context, e Event, count int, addr netip.Addr, attrs []slog.Attr) {
	all := make([]slog.Attr, 0, len(attrs)+4)
	all = append(all, slog.String("event", string(e)))
	if count > 0 {
		all = append(all, slog.Int("count", count))
	}
	all = append(all, attrs...)
	if rp != nil && rp.layer != "" {
		all = append(all, slog.String("layer", rp.layer))
	}
	if addr.IsValid() {
		all = append(all, slog.String("client_ip", addr.String()))
	}
	rp.logger().LogAttrs(ctx, e.Level(), string(e), all...)
}
