package conf

// A File is a whole configuration. It is not changed once it is in use, nor are
// its entities: an edit makes a new one, which shares what has not changed.
type File struct {
	Services       []*Service
	Routes         []*Route
	Plans          []*Plan
	Consumers      []*Consumer
	Plugins        []*Plugin
	Upstreams      []*Upstream
	Targets        []*Target
	Certificates   []*Certificate
	SNIs           []*SNI
	CACertificates []*CACertificate
	KeyAuths       []*KeyAuth
	JWTSecrets     []*JWTSecret
	ACLs           []*ACL
	BasicAuths     []*BasicAuth
	ConsumerGroups []*ConsumerGroup
	Memberships    []*Membership

	// Notes are what the author of the document may not expect; a Clone has none.
	Notes Mistakes

	known Plugins
	index map[string]index // by the kind's name
}

// A Ref is the id of another entity; while a document is read, its name does.
type Ref string

// base is what all entities have.
type base struct {
	meta      `k:"-"`
	ID        string   `k:"id,auto"`
	CreatedAt int64    `k:"created_at,auto"` // Unix time; 0: unknown
	UpdatedAt int64    `k:"updated_at,auto"`
	Tags      []string `k:"tags"`
}

func (b *base) id() string      { return b.ID }
func (b *base) setID(id string) { b.ID = id }
func (b *base) basis() *base    { return b }

// A Service is an upstream API. Times are in milliseconds.
type Service struct {
	base           `k:",inline"`
	Name           string `k:"name"`
	URL            string `k:"url,short"` // short for the next four; empty once read
	Protocol       string `k:"protocol"`
	Host           string `k:"host"` // a name, an address, or the name of an Upstream
	Port           int    `k:"port"`
	Path           string `k:"path"`
	Retries        int    `k:"retries"`
	ConnectTimeout int    `k:"connect_timeout"`
	WriteTimeout   int    `k:"write_timeout"`
	ReadTimeout    int    `k:"read_timeout"`
	TLSVerify      *bool  `k:"tls_verify"` // nil: true, unlike Kong
	CACertificates []Ref  `k:"ca_certificates"`
	Enabled        bool   `k:"enabled"`
}

// NewService returns a Service with Kong's defaults.
func NewService() *Service {
	return &Service{
		Protocol: "http", Port: 80, Retries: 5, Enabled: true,
		ConnectTimeout: 60000, WriteTimeout: 60000, ReadTimeout: 60000,
	}
}

// A Route says which requests go to a Service.
type Route struct {
	base           `k:",inline"`
	Name           string              `k:"name"`
	Service        Ref                 `k:"service"`
	Protocols      []string            `k:"protocols"`
	Methods        []string            `k:"methods"`
	Hosts          []string            `k:"hosts"`
	Paths          []string            `k:"paths"`
	Headers        map[string][]string `k:"headers"`
	SNIs           []string            `k:"snis"`
	RedirectStatus int                 `k:"https_redirect_status_code"`
	RegexPriority  int                 `k:"regex_priority"`
	StripPath      bool                `k:"strip_path"`
	PathHandling   string              `k:"path_handling"`
	PreserveHost   bool                `k:"preserve_host"`
	RequestBuffer  bool                `k:"request_buffering"` // bodies are streamed, whatever these two say
	ResponseBuffer bool                `k:"response_buffering"`
}

// NewRoute returns a Route with Kong's defaults.
func NewRoute() *Route {
	return &Route{
		Protocols: []string{"http", "https"}, RedirectStatus: 426,
		StripPath: true, PathHandling: "v0", RequestBuffer: true, ResponseBuffer: true,
	}
}

// A Consumer is who calls.
type Consumer struct {
	base     `k:",inline"`
	Username string `k:"username"`
	CustomID string `k:"custom_id"`
	Plan     Ref    `k:"plan,own"`
}

// A JWTSecret is a key with which a Consumer's tokens are signed.
type JWTSecret struct {
	base      `k:",inline"`
	Consumer  Ref    `k:"consumer"`
	Key       string `k:"key,auto"` // what the claim key_claim_name says
	Algorithm string `k:"algorithm"`
	Secret    string `k:"secret,auto"`
	PublicKey string `k:"rsa_public_key"`
}

// NewJWTSecret returns a JWTSecret with Kong's defaults.
func NewJWTSecret() *JWTSecret { return &JWTSecret{Algorithm: "HS256"} }

// An ACL puts a Consumer into a group.
type ACL struct {
	base     `k:",inline"`
	Consumer Ref    `k:"consumer"`
	Group    string `k:"group"`
}

// An Upstream is a name that stands for several Targets.
type Upstream struct {
	base         `k:",inline"`
	Name         string       `k:"name"`
	Algorithm    string       `k:"algorithm"`
	HostHeader   string       `k:"host_header"`
	Slots        int          `k:"slots"` // of Kong's ring of hashes; targets are chosen without one here
	Healthchecks Healthchecks `k:"healthchecks"`
}

// Healthchecks of an Upstream.
type Healthchecks struct {
	Active  Active  `k:"active"`
	Passive Passive `k:"passive"`
}

// Passive health checks judge a target by the responses to real requests.
type Passive struct {
	Type      string    `k:"type"`
	Healthy   Healthy   `k:"healthy"`
	Unhealthy Unhealthy `k:"unhealthy"`
}

// Healthy says when a target counts as well again; 0 switches it off.
type Healthy struct {
	Statuses  []int `k:"http_statuses"`
	Successes int   `k:"successes"`
}

// Unhealthy says when a target gets no more requests; 0 switches a count off.
type Unhealthy struct {
	Statuses     []int `k:"http_statuses"`
	HTTPFailures int   `k:"http_failures"`
	TCPFailures  int   `k:"tcp_failures"`
	Timeouts     int   `k:"timeouts"`
}

// NewUpstream returns an Upstream with Kong's defaults: passive checks are off.
func NewUpstream() *Upstream {
	return &Upstream{
		Algorithm: "round-robin", Slots: 10000,
		Healthchecks: Healthchecks{Active: newActive(), Passive: Passive{
			Type: "http",
			Healthy: Healthy{Statuses: []int{
				200, 201, 202, 203, 204, 205, 206, 207, 208, 226,
				300, 301, 302, 303, 304, 305, 306, 307, 308,
			}},
			Unhealthy: Unhealthy{Statuses: []int{429, 500, 503}},
		}},
	}
}

// A Target is one server of an Upstream.
type Target struct {
	base     `k:",inline"`
	Upstream Ref    `k:"upstream"`
	Target   string `k:"target"` // host:port
	Weight   int    `k:"weight"` // 0: no requests
}

// NewTarget returns a Target with Kong's defaults.
func NewTarget() *Target { return &Target{Weight: 100} }

// A Certificate is a chain and its key, in PEM.
type Certificate struct {
	base `k:",inline"`
	Cert string `k:"cert"`
	Key  string `k:"key"`
}

// An SNI is a name for which a Certificate is used.
type SNI struct {
	base        `k:",inline"`
	Name        string `k:"name"`
	Certificate Ref    `k:"certificate"`
}

// A CACertificate is what a Service's certificate may be checked against.
type CACertificate struct {
	base       `k:",inline"`
	Cert       string `k:"cert"`
	CertDigest string `k:"cert_digest,shown"` // SHA-256 of the certificate, in hex
}

// A Plugin is one use of a plugin: global, or for those requests that all the
// references fit. Config is what New of its PluginType returns.
type Plugin struct {
	base         `k:",inline"`
	Name         string   `k:"name"`
	InstanceName string   `k:"instance_name"`
	Service      Ref      `k:"service"`
	Route        Ref      `k:"route"`
	Consumer     Ref      `k:"consumer"`
	Group        Ref      `k:"consumer_group"`
	Enabled      bool     `k:"enabled"`
	Protocols    []string `k:"protocols"`
	Config       any      `k:"config"`
}

// NewPlugin returns a Plugin with Kong's defaults.
func NewPlugin() *Plugin {
	return &Plugin{Enabled: true, Protocols: []string{"grpc", "grpcs", "http", "https"}}
}
