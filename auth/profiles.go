package auth

import "github.com/ecolaura/rampart/internal/jose"

// This file holds the profiles. A profile says, in the public fields of a
// [VerifierConfig], what an access token of an issuer is and how it differs from
// everything else that the issuer signs with the same keys. Each returns a value of
// its own, to be changed at will.

// idTokenClaims are what OpenID Connect writes into ID tokens (Core section 2
// and 3.3.2.11) and log-out tokens (Back-Channel Logout section 2.4) alone.
func idTokenClaims() []string { return []string{"nonce", "at_hash", "c_hash", "events"} }

// RFC9068 returns the profile of RFC 9068, the standard for access tokens: their
// header typ is at+jwt (section 2.1), and they name their client_id (section
// 2.2). Scopes are in scope. Connect2id, Duende IdentityServer, Ory Hydra,
// Authlete and others write them, some by option. ID and log-out tokens have
// another typ.
func RFC9068() VerifierConfig {
	return VerifierConfig{
		HeaderTypes: []string{"at+jwt"},
		Claims:      map[string][]string{"client_id": {"*"}},
		ScopeClaims: []string{"scope"},
	}
}

// Keycloak returns the profile of Keycloak, whose claim typ is Bearer in access
// tokens, ID in ID tokens, Refresh or Offline in refresh tokens and Logout in
// log-out tokens (org.keycloak.util.TokenUtil). The header typ is JWT, or at+jwt
// where the client has that option. Tokens of a client that has none of the API's
// roles lack its aud: add an audience mapper (Keycloak's Server Administration
// Guide, "Audience support"). Tokens bound to a key (typ DPoP) are no bearer
// tokens. Scopes are in scope; roles, in realm_access and resource_access, are
// read by [Token.Decode].
func Keycloak() VerifierConfig {
	return VerifierConfig{
		HeaderTypes: []string{"JWT", "at+jwt"},
		KindClaim:   "typ",
		Kinds:       map[string]Kind{"Bearer": Access},
		Claims:      map[string][]string{"azp": {"*"}},
		ScopeClaims: []string{"scope"},
	}
}

// Auth0 returns the profile of Auth0, both token dialects at once
// (auth0.com/docs/secure/tokens/access-tokens/access-token-profiles): those of
// RFC 9068, and Auth0's own with typ JWT, which name their application in azp and
// have no jti. ID tokens have neither azp nor the typ at+jwt; their aud is the
// application's. Issuer has a slash at its end. Scopes are in scope, and where a
// token has none, in permissions.
func Auth0() VerifierConfig {
	return VerifierConfig{
		HeaderTypes:   []string{"JWT", "at+jwt"},
		AccessClaims:  []string{"azp"},
		RefusedClaims: idTokenClaims(),
		ScopeClaims:   []string{"scope", "permissions"},
	}
}

// Entra returns the profile of Microsoft Entra's v2.0 access tokens
// (learn.microsoft.com/entra/identity-platform/access-token-claims-reference),
// those of an API whose manifest has requestedAccessTokenVersion 2. They have
// ver 2.0, azp, and at least one of scp and roles; without either, any
// application of the tenant could have asked for one. An ID token has no azp.
//
// Issuer is "https://login.microsoftonline.com/" with a tenant's GUID and
// "/v2.0"; Audience is the API's application ID, a GUID. With "{tenantid}" for
// the GUID, Tenants says whose tokens are taken. Scopes are what a user let the
// application do, in scp; only where an application acts for itself, without
// scp, they are its roles.
func Entra() VerifierConfig {
	return VerifierConfig{
		AccessClaims:  []string{"scp", "roles"},
		Claims:        map[string][]string{"ver": {"2.0"}, "azp": {"*"}, "tid": {"*"}},
		RefusedClaims: idTokenClaims(),
		ScopeClaims:   []string{"scp", "roles"},
	}
}

// EntraV1 is [Entra] for v1.0 access tokens, which an API gets whose manifest asks
// for no version: they have ver 1.0 and appid. Issuer is
// "https://sts.windows.net/", the tenant's GUID and "/"; MetadataURL is
// "https://login.microsoftonline.com/", the GUID, or "common" for {tenantid}, and
// "/.well-known/openid-configuration". Audience is often "api://" and the
// application ID.
func EntraV1() VerifierConfig {
	c := Entra()
	c.Claims = map[string][]string{"ver": {"1.0"}, "appid": {"*"}, "tid": {"*"}}
	return c
}

// Okta returns the profile of Okta's custom authorization servers
// (developer.okta.com/docs/api/openapi/okta-oauth/guides/overview, "Access token
// payload"): access tokens name their client in cid, which ID tokens do not have.
// Tokens of the org authorization server, without /oauth2/ in their issuer, are
// for Okta alone. Scopes are in scp, a list.
func Okta() VerifierConfig {
	return VerifierConfig{
		HeaderTypes:   []string{"JWT", "at+jwt"},
		AccessClaims:  []string{"cid"},
		RefusedClaims: idTokenClaims(),
		ScopeClaims:   []string{"scp"},
	}
}

// Cognito returns the profile of Amazon Cognito's user pools
// (docs.aws.amazon.com/cognito/latest/developerguide, "Understanding the access
// token"): token_use is access, not id, and client_id stands in place of aud:
// Audience is the ID of an app client. Where an application asks for a resource,
// tokens have its aud as well; add that to Profile.Audiences. Refresh tokens are
// encrypted. Scopes are in scope.
func Cognito() VerifierConfig {
	return VerifierConfig{
		KindClaim:     "token_use",
		Kinds:         map[string]Kind{"access": Access},
		AudienceClaim: "client_id",
		ScopeClaims:   []string{"scope"},
	}
}

// Google returns the profile of Google's ID tokens
// (developers.google.com/identity/openid-connect/reference), which is all that
// Google signs: its access tokens are opaque. They prove who calls, and have no
// scopes. Refused are those for another audience or of another domain, and security
// events (claim events).
//
// Anybody has a Google account, and any service account gets a token for any
// audience. So domains of Google Workspace (the claim hd) must be named; "*"
// lets every account in. Service accounts have no hd: for them use "*" and
// Claims with their email or sub. Issuer is "https://accounts.google.com".
func Google(domain string, more ...string) VerifierConfig {
	c := VerifierConfig{
		AccessClaims:  []string{"azp"},
		RefusedClaims: []string{"events"},
		ScopeClaims:   []string{"scope"},
	}
	if domain != jose.Any || len(more) > 0 {
		c.Claims = map[string][]string{"hd": append([]string{domain}, more...)}
	}
	return c
}

// GitHubActions returns the profile of the tokens of GitHub's workflows
// (docs.github.com/actions/reference/security/oidc), which are ID tokens: they
// prove which workflow calls, and have no scopes. There is no other kind.
// Every repository in the world gets one for any audience, so the owners (the claim
// repository_owner) must be named; "*" alone takes those of all. A name can change hands: Claims with
// repository_owner_id holds on to the owner, and with repository, ref or
// job_workflow_ref it says which workflows are meant. Issuer is
// "https://token.actions.githubusercontent.com".
func GitHubActions(owner string, more ...string) VerifierConfig {
	return VerifierConfig{
		AccessClaims:  []string{"job_workflow_ref"},
		Claims:        map[string][]string{"repository_owner": append([]string{owner}, more...), "repository": {"*"}},
		RefusedClaims: []string{"events"},
		ScopeClaims:   []string{"scope"},
	}
}

// Kubernetes returns the profile of a cluster's projected service account tokens
// (kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin): they
// have the claim kubernetes.io, prove which account calls, and have no scopes. Older
// tokens out of secrets, without exp and aud, are refused. Every account of the
// cluster gets one for any audience: Claims with sub says which are meant
// ("system:serviceaccount:shop:orders"). The API server shows its metadata to
// clients that Client must make of the cluster's authority and a token of the
// pod's own.
func Kubernetes() VerifierConfig {
	return VerifierConfig{
		AccessClaims:  []string{"kubernetes.io"},
		RefusedClaims: idTokenClaims(),
		ScopeClaims:   []string{"scope"},
	}
}
