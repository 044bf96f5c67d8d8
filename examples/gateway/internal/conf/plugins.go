package conf

// The configurations of the plugins. Those that Kong has too have its field
// names and defaults; what is missing is not supported.

// RateLimiting limits requests per period.
type RateLimiting struct {
	Second            int    `k:"second"`
	Minute            int    `k:"minute"`
	Hour              int    `k:"hour"`
	Day               int    `k:"day"`
	Month             int    `k:"month"`
	Year              int    `k:"year"`
	LimitBy           string `k:"limit_by"`
	HeaderName        string `k:"header_name"`
	Path              string `k:"path"`
	Policy            string `k:"policy"`
	FaultTolerant     bool   `k:"fault_tolerant"`
	HideClientHeaders bool   `k:"hide_client_headers"`
	ErrorCode         int    `k:"error_code"`
	ErrorMessage      string `k:"error_message"`
}

// KeyAuthConfig asks for an API key.
type KeyAuthConfig struct {
	KeyNames        []string `k:"key_names"`
	KeyInHeader     bool     `k:"key_in_header"`
	KeyInQuery      bool     `k:"key_in_query"`
	HideCredentials bool     `k:"hide_credentials"`
	Anonymous       string   `k:"anonymous"`
	RunOnPreflight  bool     `k:"run_on_preflight"`
}

// JWT asks for a token.
type JWT struct {
	HeaderNames       []string `k:"header_names"`
	CookieNames       []string `k:"cookie_names"`
	URIParamNames     []string `k:"uri_param_names"`
	KeyClaimName      string   `k:"key_claim_name"`
	ClaimsToVerify    []string `k:"claims_to_verify"`
	MaximumExpiration int      `k:"maximum_expiration"`
	Anonymous         string   `k:"anonymous"`
	RunOnPreflight    bool     `k:"run_on_preflight"`
}

// ACLConfig admits or refuses consumers by group.
type ACLConfig struct {
	Allow            []string `k:"allow"`
	Deny             []string `k:"deny"`
	HideGroupsHeader bool     `k:"hide_groups_header"`
}

// IPRestriction admits or refuses clients by address.
type IPRestriction struct {
	Allow   []string `k:"allow"`
	Deny    []string `k:"deny"`
	Status  int      `k:"status"`
	Message string   `k:"message"`
}

// CORS lets pages of other origins read answers.
type CORS struct {
	Origins           []string `k:"origins"`
	Methods           []string `k:"methods"`
	Headers           []string `k:"headers"`
	ExposedHeaders    []string `k:"exposed_headers"`
	Credentials       bool     `k:"credentials"`
	MaxAge            int      `k:"max_age"` // seconds
	PreflightContinue bool     `k:"preflight_continue"`
	PrivateNetwork    bool     `k:"private_network"`
}

// RequestSizeLimiting bounds bodies.
type RequestSizeLimiting struct {
	AllowedPayloadSize   int    `k:"allowed_payload_size"`
	SizeUnit             string `k:"size_unit"`
	RequireContentLength bool   `k:"require_content_length"`
}

// ResponseTransformer edits the header of answers.
type ResponseTransformer struct {
	Remove  HeaderNames  `k:"remove"`
	Rename  HeaderValues `k:"rename"`
	Replace HeaderValues `k:"replace"`
	Add     HeaderValues `k:"add"`
	Append  HeaderValues `k:"append"`
}

// HeaderNames lists names.
type HeaderNames struct {
	Headers []string `k:"headers"`
}

// HeaderValues lists name:value.
type HeaderValues struct {
	Headers []string `k:"headers"`
}

// SecurityHeaders puts browser protections on answers. It is not Kong's.
type SecurityHeaders struct {
	Preset         string `k:"preset"`       // api or web
	HSTSMaxAge     int    `k:"hsts_max_age"` // seconds; 0: the preset's
	FrameOptions   string `k:"frame_options"`
	ReferrerPolicy string `k:"referrer_policy"`
	CacheControl   string `k:"cache_control"`
	HardenCookies  bool   `k:"harden_cookies"` // those of the upstream
}

// RequestTermination answers in place of the upstream.
type RequestTermination struct {
	StatusCode  int    `k:"status_code"`
	Message     string `k:"message"`
	Body        string `k:"body"`
	ContentType string `k:"content_type"`
	Trigger     string `k:"trigger"`
	Echo        bool   `k:"echo"`
}

// CorrelationID gives each request an id.
type CorrelationID struct {
	HeaderName     string `k:"header_name"`
	Generator      string `k:"generator"`
	EchoDownstream bool   `k:"echo_downstream"`
}

// Prometheus counts requests by service and route.
type Prometheus struct {
	PerConsumer       bool `k:"per_consumer"`
	StatusCodeMetrics bool `k:"status_code_metrics"`
	LatencyMetrics    bool `k:"latency_metrics"`
	BandwidthMetrics  bool `k:"bandwidth_metrics"`
	UpstreamHealth    bool `k:"upstream_health_metrics"`
}

// UsagePlan is what AWS and Tyk call so: a rate, a burst and quotas for each
// credential. It is not Kong's.
type UsagePlan struct {
	Rate          int    `k:"rate"`  // requests a second
	Burst         int    `k:"burst"` // how many at once; 0: rate
	QuotaDay      int    `k:"quota_day"`
	QuotaMonth    int    `k:"quota_month"`
	Policy        string `k:"policy"`
	FaultTolerant bool   `k:"fault_tolerant"`
}

// NewConfig returns the configuration of a plugin with its defaults; nil for a
// plugin that there is not.
func NewConfig(name string) any {
	switch name {
	case "rate-limiting":
		return &RateLimiting{LimitBy: "consumer", Policy: "local", FaultTolerant: true, ErrorCode: 429}
	case "key-auth":
		return &KeyAuthConfig{KeyNames: []string{"apikey"}, KeyInHeader: true, KeyInQuery: true, RunOnPreflight: true}
	case "jwt":
		return &JWT{HeaderNames: []string{"authorization"}, URIParamNames: []string{"jwt"}, KeyClaimName: "iss", RunOnPreflight: true}
	case "acl":
		return &ACLConfig{}
	case "ip-restriction":
		return &IPRestriction{}
	case "cors":
		return &CORS{Methods: []string{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"}}
	case "request-size-limiting":
		return &RequestSizeLimiting{AllowedPayloadSize: 128, SizeUnit: "megabytes"}
	case "response-transformer":
		return &ResponseTransformer{}
	case "security-headers":
		return &SecurityHeaders{Preset: "api"}
	case "request-termination":
		return &RequestTermination{StatusCode: 503}
	case "correlation-id":
		return &CorrelationID{HeaderName: "Kong-Request-ID", Generator: "uuid#counter"}
	case "prometheus":
		return &Prometheus{}
	case "usage-plan":
		return &UsagePlan{Policy: "local", FaultTolerant: true}
	}
	return nil
}

// PluginNames lists the plugins in the order in which they run: Kong's
// priorities, security-headers outside them all, usage-plan beside
// rate-limiting.
func PluginNames() []string {
	return []string{
		"correlation-id", "security-headers", "prometheus", "response-transformer", "cors",
		"jwt", "key-auth", "ip-restriction", "request-size-limiting", "acl",
		"usage-plan", "rate-limiting", "request-termination",
	}
}
