package rampart

// A Sample is one number that a layer tells of itself, for a metrics system. Types
// that have some yield them from a method Samples, which may be ranged over at any
// time and by several goroutines, and is read by the modules monitor/prom and
// monitor/otel. What clients send adds no samples without bound.
type Sample struct {
	// Name is in the form of Prometheus, such as "rampart_feed_age_seconds". A name
	// that ends in "_total" is that of a counter, which only grows until the process
	// ends; any other is that of a gauge.
	Name string

	// Help is a sentence that says what the number is.
	Help string

	// Labels tell the samples of one name apart; nil: there is only one.
	Labels map[string]string

	// Value is the number, in seconds, bytes or units as Name tells.
	Value float64
}
