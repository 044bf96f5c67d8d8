// Package throttle limits how often a caller may do something: "100/hour" for
// strangers, "1000/hour" for users.
//
// It stops floods, password guessing and scraping by callers that can be told
// apart: by address ([ByIP]), by subject or API key ([By]), or by several of
// these together ([Joint]). Counts are exact under concurrency. A
// [SlidingWindow], the default, never lets more than its count pass in any
// period, a [TokenBucket] allows bursts. The policies of one [Limiter] are
// charged together or not at all. A [Concurrent] bounds how many requests are in
// flight at once, of one caller and in all, and lets some wait for their turn.
//
// Where it stands: a wide limit by address goes outside authentication, before
// any cryptography is spent on a stranger; narrow ones by subject go inside.
// Behind a proxy, pass the Addr method of a server.ClientIP to ByIP: without
// it every client has the proxy's address.
//
// Counts live in a [Memory] of fixed size, which under a flood keeps those who
// have used the most, unless another [Store] shares them between processes; what
// happens when such a store is down must then be chosen ([rampart.Outage]).
//
// The RateLimit fields are written when the response goes out: a handler does not
// find them in the map that w.Header returns. Those of a limiter further in, or of a
// backend, stand behind them in the list; X-RateLimit fields, which are no lists, are
// those of the outermost limiter.
//
// What it does not do: it cannot tell apart callers that share an address, and a
// Limiter does not queue or delay requests.
package throttle
