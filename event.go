package rampart

import "log/slog"

// An Event is the name of a security event. The names are those of the OWASP
// Logging Vocabulary; the ones marked as extensions are ours.
type Event string

// Security events. Ids never become part of a name: they are attributes.
const (
	AuthnLoginSuccess      Event = "authn_login_success"
	AuthnLoginFail         Event = "authn_login_fail"
	AuthnPasswordChange    Event = "authn_password_change"
	AuthnTokenCreated      Event = "authn_token_created"
	AuthnTokenRevoked      Event = "authn_token_revoked"
	AuthnTokenReuse        Event = "authn_token_reuse"
	AuthzAdmin             Event = "authz_admin" // what an operator did
	AuthzFail              Event = "authz_fail"
	CryptDecryptFail       Event = "crypt_decrypt_fail"
	CryptEncryptFail       Event = "crypt_encrypt_fail"
	ExcessRateLimit        Event = "excess_rate_limit_exceeded"
	InputValidationFail    Event = "input_validation_fail"
	MaliciousCORS          Event = "malicious_cors"
	CORSPreflightRefused   Event = "cors_preflight_refused"   // extension: a listed origin's page asks for more than it is granted
	MaliciousCSRF          Event = "malicious_csrf"           // extension
	MaliciousHost          Event = "malicious_host"           // extension: a Host that is not ours
	InsecureTransport      Event = "insecure_transport"       // extension: credentials or writes over plain http
	UntrustedProxy         Event = "untrusted_proxy"          // extension: a header that is not believed names another client address
	AuthnTokenRotated      Event = "authn_token_rotated"      // extension
	SysBackendUnavailable  Event = "sys_backend_unavailable"  // extension: a store that a layer depends on is down
	SysBackendRecovered    Event = "sys_backend_recovered"    // extension
	SysOverloaded          Event = "sys_overloaded"           // extension: more is asked of us than we can do; nothing is down
	SysStateLost           Event = "sys_state_lost"           // extension: shared state went back, or cannot be read; what is remembered is kept
	SysCookieDropped       Event = "sys_cookie_dropped"       // extension: a cookie of ours that browsers will not store
	SysCertificateExpiring Event = "sys_certificate_expiring" // extension
	SysCertificateRefused  Event = "sys_certificate_refused"  // extension: new files cannot be used; the old certificate is served on
	SysKeySkipped          Event = "sys_key_skipped"          // extension: an issuer publishes a key that cannot be used; its other keys are
	SysKeyExposed          Event = "sys_key_exposed"          // extension: an issuer publishes a private key or a secret
	SysAlert               Event = "sys_alert"                // extension: a rule of package monitor has fired
	SysCrash               Event = "sys_crash"
	BrowserCSPViolation    Event = "browser_csp_violation"    // extension: a browser reports what a Content-Security-Policy blocks, or would
	BrowserPolicyViolation Event = "browser_policy_violation" // extension: a browser reports a breach of another policy of ours
	BrowserFault           Event = "browser_fault"            // extension: a browser reports a page that crashed, or a request that failed
	BrowserNotice          Event = "browser_notice"           // extension: any other report of a browser, such as a deprecation
)

// Level is the level at which e is logged: what went as planned is INFO, a
// refusal is WARN (a flood of refusals must page nobody), and a fault of our
// own is ERROR. A name that is not of this package is WARN.
func (e Event) Level() slog.Level {
	switch e {
	case AuthnLoginSuccess, AuthnPasswordChange, AuthnTokenCreated, AuthnTokenRevoked, AuthnTokenRotated, SysBackendRecovered, SysKeySkipped, CORSPreflightRefused, BrowserNotice:
		return slog.LevelInfo
	case CryptEncryptFail, SysBackendUnavailable, SysCrash, SysKeyExposed, SysStateLost:
		return slog.LevelError
	default:
		return slog.LevelWarn
	}
}
