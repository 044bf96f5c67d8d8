package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/strictjson"
)

const (
	defaultLeeway    = time.Minute
	metadataTimeout  = 10 * time.Second
	maxMetadataBytes = 256 << 10
)

// OpenIDConfig says whose tokens [OpenID] takes.
type OpenIDConfig struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Issuer is the iss of the tokens, and the address below which the issuer's
	// metadata is, exactly as the issuer itself writes it: with or without a slash at
	// the end. It must be https; http is for a loopback host, in tests. One with
	// "{tenantid}" in it needs Tenants. Required.
	Issuer string

	// Audience is who this server is to the issuer: the aud of tokens for it. It
	// is added to Profile.Audiences, one of which is required.
	Audience string

	// Tenants is [VerifierConfig].Tenants, where Profile leaves them out.
	Tenants []string

	// Profile says what an access token of the issuer is, such as [Keycloak] with
	// parentheses, and has every other setting of the [Verifier]. Its Keys, Issuer
	// and Leeway stay empty. The zero value is that of [NewVerifier]: access
	// tokens have the claim token_type, which few issuers write.
	Profile VerifierConfig

	// Leeway is how far the issuer's clock may be off, 5 minutes at most. 0: 1
	// minute. Negative: not at all.
	Leeway time.Duration

	// Algorithms lists what tokens may be signed with, best first, as
	// [RemoteKeysConfig] has it. nil: RS256, then ES256, EdDSA and every other
	// one with public keys.
	Algorithms []Algorithm

	// MetadataURL is where the metadata is, if not at a well-known place below
	// Issuer, as that of Microsoft's older endpoint. Its issuer must still be
	// Issuer. "": at .well-known/openid-configuration below Issuer, or else at
	// .well-known/oauth-authorization-server between its host and path.
	MetadataURL string

	// KeysURL is where the JWK set is, if that is known: then there is no metadata to
	// fetch, and an issuer that is down does not keep a server from starting. "":
	// the jwks_uri of the metadata.
	KeysURL string

	// Client fetches the metadata and the keys: one with the certificate of a
	// cluster's authority, for example. It is copied; the metadata may not redirect
	// at all, whatever its CheckRedirect says. nil: a client of its own on
	// [http.DefaultTransport].
	Client *http.Client

	// Logger receives the events of the keys and, where Profile has no Logger,
	// those of refused requests. nil: slog.Default().
	Logger *slog.Logger
}

// OpenID returns a Verifier for the tokens of an issuer that publishes metadata
// (OpenID Connect Discovery 1.0 section 4, RFC 8414) with its JWK set's address:
//
//	verifier, err := auth.OpenID(ctx, auth.OpenIDConfig{
//		Issuer:   "https://id.example.com/realms/shop",
//		Audience: "shop-api",
//		Profile:  auth.Keycloak(),
//	})
//
// It fetches the metadata once, for 10 seconds at most, and has the keys from
// then on as [RemoteKeys] has them. Give it the context of the server: when that
// ends, the keys are closed. A context with a deadline is refused as a mistake,
// since the keys would quietly grow old after it. The metadata must
// name exactly the configured issuer (RFC 8414 section 3.3). The keys may be on another
// host, which the issuer names and https proves, but not behind http.
//
// Every mistake in cfg is a [rampart.ConfigError], joined, and so is metadata of
// another issuer. Any other error is of the network or of the metadata; trying
// again later may help.
func OpenID(ctx context.Context, cfg OpenIDConfig) (*Verifier, error) {
	tokens := cfg.tokens()
	if err := cfg.validate(ctx, tokens); err != nil {
		return nil, err
	}
	keysURL := cfg.KeysURL
	if keysURL == "" {
		var err error
		if keysURL, err = cfg.discover(ctx); err != nil {
			return nil, err
		}
	}
	keys, err := NewRemoteKeys(RemoteKeysConfig{URL: keysURL, Client: cfg.Client, Algorithms: cfg.algorithms(), Logger: cfg.Logger})
	if err != nil {
		return nil, fmt.Errorf("auth: the jwks_uri of %q: %w", cfg.Issuer, err)
	}
	tokens.Keys = keys
	context.AfterFunc(ctx, func() { _ = keys.Close() }) // it returns nil
	return NewVerifier(tokens)
}

// tokens returns the configuration of the verifier, but for its keys.
func (c OpenIDConfig) tokens() VerifierConfig {
	tokens := c.Profile
	tokens.Issuer = c.Issuer
	tokens.Audiences = slices.Clone(tokens.Audiences)
	if c.Audience != "" {
		tokens.Audiences = append(tokens.Audiences, c.Audience)
	}
	if c.Tenants != nil {
		tokens.Tenants = c.Tenants
	}
	tokens.Leeway = max(0, cmp.Or(c.Leeway, defaultLeeway))
	tokens.Logger = cmp.Or(tokens.Logger, c.Logger)
	return tokens
}

func (c OpenIDConfig) algorithms() []Algorithm {
	if c.Algorithms != nil {
		return c.Algorithms
	}
	return []Algorithm{RS256, ES256, EdDSA, PS256, RS384, PS384, ES384, RS512, PS512, ES512}
}

// validate returns every mistake in c, without asking anybody.
func (c OpenIDConfig) validate(ctx context.Context, tokens VerifierConfig) error {
	bad := conferr.For("auth.OpenIDConfig")
	if _, ok := ctx.Deadline(); ok {
		bad.Join(conferr.New("auth.OpenID", "ctx", rampart.ReasonConflict, nil, "give the context of the server, without a deadline: at its end the keys are no longer refreshed"))
	}
	const wantURL = `use an https URL without userinfo, query and fragment, as the issuer writes it; http is for a loopback address only`
	bad.If(c.Issuer == "", "Issuer", rampart.ReasonMissing, nil, `name the iss that tokens have, such as "https://id.example.com/realms/shop"`)
	bad.If(c.Issuer != "" && (!isIssuerURL(c.Issuer) || strings.ContainsAny(c.Issuer, "?#")), "Issuer", rampart.ReasonInvalid, nil, wantURL)
	bad.If(c.MetadataURL != "" && !isIssuerURL(c.MetadataURL), "MetadataURL", rampart.ReasonInvalid, nil, "use an https URL without userinfo and fragment; http is for a loopback address only")
	bad.If(c.MetadataURL != "" && c.KeysURL != "", "MetadataURL", rampart.ReasonPointless, nil, "KeysURL makes the metadata unnecessary; leave one of them empty")
	const wantUnset = "OpenID finds it; leave it empty in Profile"
	bad.If(c.Profile.Keys != nil, "Profile.Keys", rampart.ReasonConflict, nil, wantUnset)
	bad.If(c.Profile.Issuer != "", "Profile.Issuer", rampart.ReasonConflict, nil, "set Issuer; leave it empty in Profile")
	bad.If(c.Profile.Leeway != 0, "Profile.Leeway", rampart.ReasonConflict, nil, "set Leeway; leave it zero in Profile")
	bad.If(c.Profile.Tenants != nil && c.Tenants != nil, "Tenants", rampart.ReasonConflict, nil, "Profile has Tenants; leave one of them empty")
	bad.If(len(tokens.Audiences) == 0, "Audience", rampart.ReasonMissing, nil, `name the aud that tokens for this server have, such as "shop-api"`)

	// The rest is what NewVerifier and NewRemoteKeys say.
	if tokens.Issuer == "" {
		tokens.Issuer = "x" // it is reported above
	}
	if len(tokens.Audiences) == 0 {
		tokens.Audiences = []string{"x"}
	}
	tokens.Keys = laterKeys{}
	bad.Join(tokens.withDefaults().validate())
	bad.Join(RemoteKeysConfig{URL: cmp.Or(c.KeysURL, "https://jwks.invalid"), Algorithms: c.algorithms()}.validate())
	return bad.Err()
}

// laterKeys stands for keys that are still to be found.
type laterKeys struct{}

func (laterKeys) Key(context.Context, string, Algorithm) (*Key, error) { return nil, ErrUnknownKey }

// isIssuerURL reports whether s can be asked for metadata: over https, or on this
// very host. It may have "{tenantid}" in its path.
func isIssuerURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.User == nil && u.Fragment == "" && u.Opaque == "" && u.Hostname() != "" &&
		(u.Scheme == "https" || isLocalHTTP(u))
}

func isLocalHTTP(u *url.URL) bool { return u.Scheme == "http" && isLoopback(u.Hostname()) }

// metadataURLs returns where the metadata may be, best first.
func (c OpenIDConfig) metadataURLs() []string {
	if c.MetadataURL != "" {
		return []string{c.MetadataURL}
	}
	// Microsoft's metadata of all tenants is that of the tenant "common".
	base := strings.TrimSuffix(strings.Replace(c.Issuer, tenantID, "common", 1), "/")
	urls := []string{base + "/.well-known/openid-configuration"}
	if u, err := url.Parse(base); err == nil { // it has been parsed before
		urls = append(urls, u.Scheme+"://"+u.Host+"/.well-known/oauth-authorization-server"+u.EscapedPath())
	}
	return urls
}

var (
	errMetadataRedirect = errors.New("auth: the metadata redirects")
	errMetadataTooLarge = errors.New("auth: the metadata is too large")
	errMetadata         = errors.New("auth: the metadata is no strict JSON object with the strings issuer and jwks_uri")
	errKeysInClear      = errors.New("auth: the jwks_uri of metadata that came over https is not https")
)

// discover returns the address of the issuer's JWK set.
func (c OpenIDConfig) discover(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	client := http.Client{}
	if c.Client != nil {
		client = *c.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return errMetadataRedirect }
	var failures []error
	for _, address := range c.metadataURLs() {
		text, err := fetchMetadata(ctx, &client, address)
		if err == nil {
			var keys string
			if keys, err = c.keysOf(text, address); !errors.Is(err, errMetadata) {
				return keys, err
			}
		}
		// It may be at the other place: some servers answer 200 for any path.
		failures = append(failures, fmt.Errorf("auth: the metadata of %q: %w", c.Issuer, err))
	}
	return "", errors.Join(failures...)
}

// keysOf returns the jwks_uri of metadata, if that is of the configured issuer.
func (c OpenIDConfig) keysOf(text, address string) (string, error) {
	var issuer, keys string
	err := strictjson.NewReader().Object(text, func(name, value string) error {
		switch name {
		case "issuer":
			issuer, _ = strictjson.StringOf(value)
		case "jwks_uri":
			keys, _ = strictjson.StringOf(value)
		}
		return nil
	})
	switch {
	case err != nil || issuer == "" || keys == "":
		return "", errMetadata
	case issuer != c.Issuer: // byte by byte: RFC 8414 section 3.3
		return "", conferr.New("auth.OpenIDConfig", "Issuer", ReasonMismatch, c.Issuer,
			fmt.Sprintf("the metadata at %.256q is that of the issuer %.256q; write the one that is meant, exactly", shown(address), issuer))
	case strings.HasPrefix(address, "https:") && !strings.HasPrefix(keys, "https:"):
		return "", errKeysInClear
	}
	return keys, nil
}

// shown returns an address without its query, which may hold a secret.
func shown(address string) string {
	before, _, _ := strings.Cut(address, "?")
	return before
}

// fetchMetadata returns the text of the metadata at an address.
func fetchMetadata(ctx context.Context, client *http.Client, address string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Accept", "application/json")
	resp, err := client.Do(r)
	if err != nil {
		return "", withoutQuery(err, r.URL.RawQuery)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("auth: %q answers %d", shown(address), resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadataBytes+1))
	if err == nil && len(text) > maxMetadataBytes {
		err = errMetadataTooLarge
	}
	return string(text), err
}
