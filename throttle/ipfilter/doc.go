// Package ipfilter admits or refuses requests by client address.
//
// Place it outside every layer that does work for a client (authentication,
// rate limiting), and inside whatever resolves the client's address when the
// server stands behind a proxy.
//
// A deny prefix beats an allow prefix. With no allow prefix, every address
// that is not denied is admitted; with at least one, every other address is
// refused. A request whose address cannot be told is refused. 0.0.0.0/0 stands
// for every IPv4 address and ::/0 for every IPv6 address; neither includes the
// other.
//
// [Filter.Block] adds a prefix until a time, on every instance of the service when
// the Config has a feed: what an incident asks for. It beats an allow prefix, too.
//
// It stops known sources. It does not stop who can change its address; that is
// for package throttle to bound.
package ipfilter
