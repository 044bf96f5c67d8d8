package authtest

import (
	"maps"
	"strings"
	"time"
)

// A Vendor is an identity provider whose tokens an [Issuer] makes.
type Vendor string

// The vendors. Auth0 has two dialects; Simplejwt signs with [Secret] and
// publishes nothing.
const (
	RFC9068       Vendor = "RFC 9068"
	Keycloak      Vendor = "Keycloak"
	Auth0         Vendor = "Auth0"
	Auth0RFC9068  Vendor = "Auth0, RFC 9068"
	Entra         Vendor = "Entra v2"
	EntraV1       Vendor = "Entra v1"
	Okta          Vendor = "Okta"
	Cognito       Vendor = "Cognito"
	Google        Vendor = "Google"
	GitHubActions Vendor = "GitHub Actions"
	Kubernetes    Vendor = "Kubernetes"
	Simplejwt     Vendor = "simplejwt"
)

func vendors() []Vendor {
	return []Vendor{RFC9068, Keycloak, Auth0, Auth0RFC9068, Entra, EntraV1, Okta, Cognito, Google, GitHubActions, Kubernetes, Simplejwt}
}

// A Sort is what a token is, or what is wrong with it.
type Sort string

// The sorts. A server that takes any but Access as an access token has a hole.
// Where a vendor has no such token, or only an opaque one, [Issuer.Token] returns
// an opaque text.
const (
	Access           Sort = "access"            // good
	ID               Sort = "ID"                // with Audience as its aud; of Google and GitHub, who sign nothing else, one for another audience
	Refresh          Sort = "refresh"           // for the issuer alone
	Logout           Sort = "log-out"           // OpenID Connect Back-Channel Logout 1.0
	Expired          Sort = "expired"           // an hour ago
	OtherAudience    Sort = "other audience"    // for another API
	OtherIssuer      Sort = "other issuer"      // signed by this issuer's key, with the iss of another
	OtherTenant      Sort = "other tenant"      // of another realm, tenant, pool, domain or owner at the same vendor
	AlgNone          Sort = "none"              // not signed
	SwappedAlgorithm Sort = "swapped algorithm" // HS256 with the public key for a secret
)

// Sorts returns all sorts.
func Sorts() []Sort {
	return []Sort{Access, ID, Refresh, Logout, Expired, OtherAudience, OtherIssuer, OtherTenant, AlgNone, SwappedAlgorithm}
}

// What tokens say where a test says nothing else.
const (
	Audience = "shop-api"                             // who the API is to the issuer; of Cognito, the client
	Subject  = "alice"                                // who the token is about
	Scope    = "orders:read orders:write"             // what it is for; tokens of Google, GitHub and Kubernetes have no scopes
	Tenant   = "11111111-2222-3333-4444-555555555555" // at Entra
	Domain   = "example.com"                          // at Google
	Owner    = "octo-org"                             // at GitHub
	Secret   = "a secret of simplejwt, of 32 bytes or more"

	otherTenant = "99999999-8888-7777-6666-555555555555"
	client      = "shop-app"
)

// URL returns the issuer of a vendor's tokens, such as for [auth.OpenIDConfig]; ""
// for Simplejwt, whose tokens name none. Entra's is that of [Tenant]; with
// {tenantid} in its place there is metadata, too.
func (i *Issuer) URL(v Vendor) string { return i.url(v, false) }

// url returns the issuer, or that of another tenant of the vendor.
func (i *Issuer) url(v Vendor, other bool) string {
	pick := func(mine, others string) string {
		if other {
			return i.base + others
		}
		return i.base + mine
	}
	switch v {
	case RFC9068:
		return pick("/as/shop", "/as/other")
	case Keycloak:
		return pick("/realms/shop", "/realms/other")
	case Auth0, Auth0RFC9068:
		return pick("/auth0/", "/auth0-other/")
	case Entra:
		return pick("/"+Tenant+"/v2.0", "/"+otherTenant+"/v2.0")
	case EntraV1:
		return pick("/sts/"+Tenant+"/", "/sts/"+otherTenant+"/")
	case Okta:
		return pick("/oauth2/default", "/oauth2/other")
	case Cognito:
		return pick("/eu-west-1_shop", "/eu-west-1_other")
	case Google:
		return i.base + "/google"
	case GitHubActions:
		return i.base + "/github"
	case Kubernetes:
		return pick("/cluster", "/cluster-other")
	default:
		return ""
	}
}

// Token returns a token in the vendor's shape. The claims given, each set in turn,
// take the place of those that it would have; one that is nil is left out.
func (i *Issuer) Token(v Vendor, sort Sort, claims ...map[string]any) string {
	i.tb.Helper()
	header, body := i.shape(v, sort)
	if body == nil {
		return "opaque-" + strings.ReplaceAll(string(v), " ", "-")
	}
	for _, set := range claims {
		body = with(body, set)
	}
	if v == Simplejwt {
		return i.simplejwt(sort, header, body)
	}
	switch k := i.signing(); {
	case sort == AlgNone:
		return i.input(map[string]any{"alg": "none"}, header, body) + "."
	case sort == SwappedAlgorithm:
		return i.hmac("HS256", i.publicPEM(), with(header, map[string]any{"kid": k.id}), body)
	case sort == Refresh: // Keycloak's, with a secret of its own
		return i.hmac("HS512", []byte(Secret+Secret), header, body)
	case sort == OtherTenant && !sharesKeys(v): // with a key of its own, which may well have the same id
		return i.signWith(signingKey{k.id, i.foreign()}, header, body)
	default:
		return i.Sign(header, body)
	}
}

// sharesKeys reports whether all tenants of a vendor have the same keys.
func sharesKeys(v Vendor) bool {
	return v == Entra || v == EntraV1 || v == Google || v == GitHubActions
}

func (i *Issuer) simplejwt(sort Sort, header, body map[string]any) string {
	i.tb.Helper()
	switch sort {
	case AlgNone:
		return i.input(map[string]any{"alg": "none"}, header, body) + "."
	case SwappedAlgorithm:
		return i.hmac("HS512", []byte(Secret), header, body)
	case OtherAudience, OtherIssuer, OtherTenant: // there is nothing but the secret to tell them by
		return i.hmac("HS256", []byte("another "+Secret), header, body)
	default:
		return i.hmac("HS256", []byte(Secret), header, body)
	}
}

// shape returns header and claims of a token; nil claims if it is opaque.
func (i *Issuer) shape(v Vendor, sort Sort) (header, body map[string]any) {
	switch sort {
	case ID:
		header, body = i.idToken(v)
	case Refresh:
		header, body = i.refreshToken(v)
	case Logout:
		header, body = i.logoutToken(v)
	default:
		header, body = i.accessToken(v)
	}
	if body == nil {
		return nil, nil
	}
	now := time.Now().Unix()
	switch sort {
	case Expired:
		body = with(body, map[string]any{"exp": now - 3600, "iat": now - 7200, "nbf": nil})
	case OtherAudience:
		body = with(body, map[string]any{"aud": "other-api"})
		if v == Cognito {
			body = with(body, map[string]any{"aud": nil, "client_id": "other-app"})
		}
	case OtherIssuer:
		body = with(body, map[string]any{"iss": "https://issuer.example"})
	case OtherTenant:
		body = with(body, i.ofOtherTenant(v))
	default: // what is wrong with it is not in its claims
	}
	return header, body
}

func (i *Issuer) ofOtherTenant(v Vendor) map[string]any {
	switch v {
	case Entra, EntraV1:
		return map[string]any{"iss": i.url(v, true), "tid": otherTenant}
	case Google:
		return map[string]any{"hd": "other.example"}
	case GitHubActions:
		return map[string]any{"repository_owner": "other-org", "repository": "other-org/shop", "sub": "repo:other-org/shop:ref:refs/heads/main"}
	case Simplejwt:
		return nil
	default:
		return map[string]any{"iss": i.url(v, true)}
	}
}

// plain returns the claims that nearly all tokens have.
func (i *Issuer) plain(v Vendor) map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": i.URL(v), "aud": Audience, "sub": Subject, "iat": now, "exp": now + 300}
}

// accessToken returns what each vendor's documentation shows as an access token;
// package auth's profiles name it.
func (i *Issuer) accessToken(v Vendor) (header, body map[string]any) {
	plain, now := i.plain(v), time.Now().Unix()
	jwt, atJWT := map[string]any{"typ": "JWT"}, map[string]any{"typ": "at+jwt"}
	switch v {
	case RFC9068:
		return atJWT, with(plain, map[string]any{"jti": "j1", "client_id": client, "scope": Scope})
	case Keycloak:
		return jwt, with(plain, map[string]any{
			"jti": "onrtac:6b4d", "typ": "Bearer", "azp": client, "sid": "a7a51738", "acr": "1", "scope": Scope, "auth_time": now,
			"aud": []string{Audience, "account"}, "realm_access": map[string]any{"roles": []string{"offline_access"}},
			"preferred_username": Subject, "email_verified": true,
		})
	case Auth0:
		return jwt, with(plain, map[string]any{"azp": client, "scope": Scope, "aud": []string{Audience, i.base + "/userinfo"}, "permissions": []string{"admin"}})
	case Auth0RFC9068:
		return atJWT, with(plain, map[string]any{"jti": "73Wakrf", "client_id": client, "scope": Scope, "aud": []string{Audience, i.base + "/userinfo"}})
	case Entra:
		return jwt, with(plain, map[string]any{
			"ver": "2.0", "tid": Tenant, "azp": client, "azpacr": "1", "scp": Scope, "nbf": now, "oid": "0001", "uti": "x", "roles": []string{"Admin"},
		})
	case EntraV1:
		return jwt, with(plain, map[string]any{
			"ver": "1.0", "tid": Tenant, "appid": client, "appidacr": "1", "scp": Scope, "nbf": now, "oid": "0001", "uti": "x",
		})
	case Okta:
		return nil, with(plain, map[string]any{"ver": 1, "jti": "AT.0mP4", "cid": client, "uid": "00uj", "scp": strings.Fields(Scope), "auth_time": now})
	case Cognito:
		return nil, with(plain, map[string]any{
			"aud": nil, "client_id": Audience, "token_use": "access", "scope": Scope, "jti": "aaaa", "origin_jti": "bbbb", "event_id": "cccc",
			"version": 2, "username": Subject, "auth_time": now,
		})
	case Google:
		return jwt, with(plain, map[string]any{"azp": client, "email": "alice@example.com", "email_verified": true, "hd": Domain})
	case GitHubActions:
		return jwt, with(plain, map[string]any{
			"jti": "example-id", "sub": "repo:octo-org/shop:ref:refs/heads/main", "ref": "refs/heads/main", "sha": "example-sha",
			"repository": "octo-org/shop", "repository_owner": Owner, "repository_owner_id": "65", "run_id": "1", "workflow": "deploy",
			"job_workflow_ref": "octo-org/shop/.github/workflows/deploy.yml@refs/heads/main", "nbf": now, "event_name": "push",
		})
	case Kubernetes:
		return nil, with(plain, map[string]any{
			"aud": []string{Audience}, "jti": "ea28ed49", "nbf": now, "sub": "system:serviceaccount:shop:orders",
			"kubernetes.io": map[string]any{"namespace": "shop", "serviceaccount": map[string]any{"name": "orders", "uid": "14ee3fa4"}},
		})
	default:
		return jwt, map[string]any{"token_type": "access", "exp": now + 300, "iat": now, "jti": "0123456789abcdef", "user_id": 1, "scope": Scope}
	}
}

// idToken returns an ID token, with everything that it may have.
func (i *Issuer) idToken(v Vendor) (header, body map[string]any) {
	now := time.Now().Unix()
	id := with(i.plain(v), map[string]any{
		"nonce": "n-0S6_WzA2Mj", "at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng", "auth_time": now, "email": "alice@example.com", "name": "Alice",
	})
	jwt := map[string]any{"typ": "JWT"}
	switch v {
	case Keycloak:
		return jwt, with(id, map[string]any{"jti": "06b2", "typ": "ID", "azp": client, "sid": "a7a51738", "acr": "1", "preferred_username": Subject})
	case Entra, EntraV1:
		ver := map[Vendor]string{Entra: "2.0", EntraV1: "1.0"}[v]
		return jwt, with(id, map[string]any{"ver": ver, "tid": Tenant, "oid": "0001", "uti": "x", "nbf": now, "roles": []string{"Admin"}, "preferred_username": Subject})
	case Okta:
		return nil, with(id, map[string]any{"ver": 1, "jti": "ID.4jGv", "amr": []string{"pwd"}, "idp": "00ok"})
	case Cognito:
		return nil, with(id, map[string]any{"token_use": "id", "cognito:username": Subject, "jti": "aaaa", "origin_jti": "bbbb"})
	case Google, GitHubActions, Kubernetes:
		header, body = i.accessToken(v)
		return header, with(body, map[string]any{"aud": client})
	case Simplejwt: // which makes none
		return nil, nil
	default:
		return jwt, with(id, map[string]any{"sid": "a7a51738"})
	}
}

// refreshToken returns a refresh token; nil where they are opaque.
func (i *Issuer) refreshToken(v Vendor) (header, body map[string]any) {
	now, jwt := time.Now().Unix(), map[string]any{"typ": "JWT"}
	switch v {
	case Keycloak:
		return jwt, with(i.plain(v), map[string]any{"jti": "8d3b", "aud": i.URL(v), "typ": "Refresh", "azp": client, "sid": "a7a51738", "scope": Scope})
	case Simplejwt:
		return jwt, map[string]any{"token_type": "refresh", "exp": now + 86400, "iat": now, "jti": "fedcba9876543210", "user_id": 1}
	default:
		return nil, nil
	}
}

// logoutToken returns a log-out token (Back-Channel Logout section 2.4), with
// Audience as its aud.
func (i *Issuer) logoutToken(v Vendor) (header, body map[string]any) {
	body = with(i.plain(v), map[string]any{
		"jti": "bWJq", "sid": "a7a51738",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	})
	switch v {
	case Simplejwt, Kubernetes, GitHubActions: // which make none
		return nil, nil
	case Keycloak: // without a type of its own (section 2.4 only recommends it)
		return map[string]any{"typ": "JWT"}, with(body, map[string]any{"typ": "Logout"})
	default:
		return map[string]any{"typ": "logout+jwt"}, body
	}
}

// with returns a copy of a in which b's members take the place of a's; those that are
// nil are left out.
func with(a, b map[string]any) map[string]any {
	c := maps.Clone(a)
	if c == nil {
		c = map[string]any{}
	}
	maps.Copy(c, b)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}
