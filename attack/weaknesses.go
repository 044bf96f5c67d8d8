package attack

import "slices"

// A Weakness is a kind of finding.
type Weakness struct {
	ID       string   // stable, such as "forged-token"
	Title    string   // a sentence
	Severity Severity // how bad it is as a rule
	CWE      string   // such as "CWE-347"; "" where none fits
	Top10    string   // row of the OWASP API Security Top 10 of 2023, such as "API2:2023 Broken Authentication"
	Layer    string   // of rampart, that stops it: "auth", "throttle", …; "application" where none can
	Fix      string   // what to do about it
}

// Weaknesses returns all that the suite can find.
func Weaknesses() []Weakness { return slices.Clone(weaknesses[:]) }

// Rows of the OWASP API Security Top 10 of 2023.
const (
	api1 = "API1:2023 Broken Object Level Authorization"
	api2 = "API2:2023 Broken Authentication"
	api3 = "API3:2023 Broken Object Property Level Authorization"
	api4 = "API4:2023 Unrestricted Resource Consumption"
	api5 = "API5:2023 Broken Function Level Authorization"
	api7 = "API7:2023 Server Side Request Forgery"
	api8 = "API8:2023 Security Misconfiguration"
)

// weakness is an index of the table.
type weakness int

const (
	noToken weakness = iota
	forgedToken
	expiredToken
	tokenKind
	refreshReuse
	afterLogout
	userOracle
	guessing
	guessingByMany
	lockedOut
	tokenInQuery
	scopeMissing
	othersObject
	massAssignment
	pathConfusion
	methodOverride
	traceEcho
	limitMissing
	limitEarly
	limitEvaded
	clientsAsOne
	noRetryAfter
	blockedServed
	corsReflected
	corsRefused
	headerMissing
	cookieFlags
	plainHTTP
	foreignHost
	hostReflected
	privateCached
	deepJSON
	largeBody
	twiceJSON
	otherType
	multipartBomb
	malformedQuery
	invalidInput
	htmlStored
	htmlReflected
	logForged
	clientUnknown
	secretLogged
	errorLeak
	softwareNamed
	crash
	smuggling
	slowHeader
	slowBody
	keyMissing
	keyLoose
	keyEnded
	keyOracle
	requestIDGone
	requestIDTaken
	openRedirect
	traversal
	envExposed
	repoExposed
	profilerExposed
	metricsExposed
	backupExposed
	listing
	consoleExposed
	csrf
	sessionFixed
	sessionEnded
	ssrf
	headerInjection
	verbTampering
	socketOrigin
	privateJWKS
	passwordInQuery
	loginBypass
	compressed
	tokenSecrets
	jsonp
	ranges
	corsVary
	misdescribed
)

// weaknesses is the table; read-only.
var weaknesses = [...]Weakness{ //nolint:gochecknoglobals // read-only
	noToken:         {"no-token", "A private path is served without a token", Critical, "CWE-306", api2, "auth", "Put auth.Verifier.Handler around the route."},
	forgedToken:     {"forged-token", "A forged token is accepted", Critical, "CWE-347", api2, "auth", "Verify the signature with the algorithm of the key: auth.NewVerifier."},
	expiredToken:    {"expired-token", "An expired token is accepted", High, "CWE-613", api2, "auth", "Check exp on every request: auth.NewVerifier does."},
	tokenKind:       {"token-kind", "A token of another kind is accepted", High, "CWE-287", api2, "auth", "Check what kind of token it is: auth.VerifierConfig.Kinds, or a profile."},
	refreshReuse:    {"refresh-reuse", "A used refresh token is accepted again", High, "CWE-294", api2, "auth", "Rotate refresh tokens and end the session at a reuse: auth/session."},
	afterLogout:     {"refresh-after-logout", "A refresh token is accepted after log-out", High, "CWE-613", api2, "auth", "End the session at log-out: session.Service.EndSessionHandler."},
	userOracle:      {"account-oracle", "Responses tell which accounts exist", Medium, "CWE-204", api2, "auth", "Respond alike, and as fast, for unknown accounts: session.Service.IssueHandler."},
	guessing:        {"password-guessing", "Passwords can be guessed without limit", High, "CWE-307", api2, "throttle", "Limit log-ins by address: throttle.PerIP."},
	guessingByMany:  {"password-guessing-by-many", "The password of one account can be guessed from many addresses", High, "CWE-307", api2, "auth", "Limit wrong passwords by account: session.Config.Guard."},
	lockedOut:       {"owner-locked-out", "Strangers who guess lock an account's owner out", Medium, "CWE-645", api2, "auth", "Count strangers apart from addresses that have logged in: session.Config.Guard."},
	tokenInQuery:    {"token-in-query", "A token in the query is accepted", Medium, "CWE-598", api2, "auth", "Take tokens from the Authorization header alone: auth.FromHeader."},
	scopeMissing:    {"scope-missing", "A caller without the scope is served", Critical, "CWE-862", api5, "auth", "Put rampart.RequireScope around the route."},
	othersObject:    {"others-object", "A caller gets what is another's", Critical, "CWE-639", api1, "application", "Look the object up by its owner and its id, and answer 404."},
	massAssignment:  {"mass-assignment", "A member that no client may set is taken", High, "CWE-915", api3, "sanitize", "Decode into a type that has only what clients may set: sanitize.NewBinder."},
	pathConfusion:   {"path-confusion", "Another spelling of a path is served without a token", Critical, "CWE-289", api5, "auth", "Route on the path as it came, and check tokens inside the router: server.NewMux."},
	methodOverride:  {"method-override", "A header or parameter overrides the method", High, "CWE-650", api5, "application", "Remove the method-override middleware."},
	traceEcho:       {"trace", "TRACE echoes the request", Low, "CWE-749", api8, "application", "Refuse TRACE: server.NewMux."},
	limitMissing:    {"limit-missing", "A limit does not hold", Medium, "CWE-770", api4, "throttle", "Put a throttle.Limiter around the route."},
	limitEarly:      {"limit-early", "A limit refuses too early", Medium, "CWE-770", api4, "throttle", "Set the rate that you promise: throttle.Policy.Rate."},
	limitEvaded:     {"limit-evaded", "A header evades a limit", High, "CWE-348", api4, "clientip", "Believe forwarded addresses of your own proxies only: server.NewClientIP."},
	clientsAsOne:    {"clients-as-one", "Different clients are taken for one", Medium, "CWE-348", api4, "clientip", "Limit by the address of the client, not of the proxy: server.NewClientIP."},
	noRetryAfter:    {"retry-after", "A refusal by a limit does not say when to come back", Low, "", api4, "throttle", "Send Retry-After with 429: throttle does."},
	blockedServed:   {"blocked-served", "A blocked address is served", Medium, "CWE-284", api8, "ipfilter", "Put an ipfilter.Filter around the service."},
	corsReflected:   {"cors-foreign", "A foreign origin may read responses", High, "CWE-942", api8, "cors", "List the origins that may read responses: cors.New."},
	corsRefused:     {"cors-refused", "A listed origin may not read responses", Low, "", api8, "cors", "Add the origin to cors.Config.Origins, and put cors outside what refuses."},
	headerMissing:   {"headers-missing", "A response lacks security headers", Medium, "CWE-693", api8, "headers", "Put headers.New around the whole service."},
	cookieFlags:     {"cookie-flags", "A cookie lacks Secure, HttpOnly or SameSite", Medium, "CWE-614", api8, "headers", "Set Secure, HttpOnly and SameSite: headers.Config.Cookies does for every cookie."},
	plainHTTP:       {"plain-http", "Credentials are served over plain http", High, "CWE-319", api8, "headers", "Redirect or refuse plain http: headers.New."},
	foreignHost:     {"foreign-host", "A foreign Host is served", Medium, "CWE-346", api8, "headers", "List the hosts that you serve: headers.Config.AllowedHosts."},
	hostReflected:   {"forwarded-host", "A forwarded host is believed", Medium, "CWE-346", api8, "headers", "Build URLs from configured hosts: headers.Config.AllowedHosts."},
	privateCached:   {"private-cached", "A private response may be cached", Medium, "CWE-525", api8, "headers", "Send Cache-Control: no-store: headers.API does."},
	deepJSON:        {"hostile-json", "A hostile JSON body is taken", High, "CWE-400", api4, "sanitize", "Bound depth and size of what is decoded: sanitize.NewBinder."},
	largeBody:       {"large-body", "A body without bounds is read", High, "CWE-400", api4, "sanitize", "Bound the body: sanitize.NewGuard."},
	twiceJSON:       {"ambiguous-json", "A JSON body that can be read in two ways is taken", Medium, "CWE-436", api8, "sanitize", "Refuse duplicate names and invalid UTF-8: sanitize.NewBinder."},
	otherType:       {"content-type", "A body of another content type is taken", Medium, "CWE-436", api8, "sanitize", "Take application/json alone: sanitize.NewBinder."},
	multipartBomb:   {"hostile-multipart", "A hostile multipart body is taken", High, "CWE-400", api4, "sanitize", "Bound the parts, their headers and their size: sanitize.NewGuard."},
	malformedQuery:  {"malformed-query", "A query that can be read in two ways is served", Medium, "CWE-436", api8, "sanitize", "Refuse malformed queries: sanitize.NewGuard."},
	invalidInput:    {"invalid-input", "Invalid input is taken", Medium, "CWE-20", api3, "sanitize", "Validate before you use: sanitize.NewBinder."},
	htmlStored:      {"html-stored", "Hostile HTML is stored and shown", High, "CWE-79", api8, "sanitize", "Clean HTML before you store it: sanitize/markup."},
	htmlReflected:   {"html-reflected", "Hostile HTML is reflected", High, "CWE-79", api8, "application", "Escape what you show (html/template), and send nosniff: headers.New."},
	logForged:       {"log-forged", "A request forges a line of the log", Medium, "CWE-117", api8, "events", "Log through log/slog, and escape what clients send."},
	clientUnknown:   {"log-clients", "The log does not tell clients apart", Low, "CWE-778", api8, "clientip", "Log the address of the client: server.NewClientIP."},
	secretLogged:    {"log-secret", "A secret is in the log", High, "CWE-532", api8, "events", "Keep credentials out of the log; types of rampart print REDACTED."},
	errorLeak:       {"error-leak", "A response tells the inside of the service", Medium, "CWE-209", api8, "application", "Answer with rampart.Problem and keep the cause in the log."},
	softwareNamed:   {"software-named", "Responses name the software and its version", Low, "CWE-200", api8, "application", "Remove Server and X-Powered-By."},
	crash:           {"crash", "A request makes the service fail", High, "CWE-248", api8, "application", "Handle the case; server.Recover handles what is left."},
	smuggling:       {"smuggling", "A request that can be read in two ways is served", High, "CWE-444", api8, "server", "Use a server that refuses it, such as net/http behind server.New."},
	slowHeader:      {"slow-header", "A slow header holds a connection", High, "CWE-400", api4, "server", "Set ReadHeaderTimeout: server.New does."},
	slowBody:        {"slow-body", "A slow body holds a connection", High, "CWE-400", api4, "server", "Set ReadTimeout: server.New does."},
	keyMissing:      {"key-missing", "A path for API keys is served without one", Critical, "CWE-306", api2, "apikey", "Put apikey.Keys.Handler around the route."},
	keyLoose:        {"key-loose", "A wrong API key is accepted", Critical, "CWE-287", api2, "apikey", "Compare the hash of the whole key: apikey.Keys."},
	keyEnded:        {"key-ended", "An API key that has ended is accepted", High, "CWE-613", api2, "apikey", "Check revocation, expiry and owner on every request: apikey.Keys."},
	keyOracle:       {"key-oracle", "Responses tell which API keys exist", Medium, "CWE-204", api2, "apikey", "Respond alike for unknown and wrong keys: apikey.Keys."},
	requestIDGone:   {"request-id-missing", "A response has no request id", Low, "CWE-778", api8, "requestid", "Put server.NewRequestID outermost."},
	requestIDTaken:  {"request-id-chosen", "A client chooses the request id", Low, "CWE-348", api8, "requestid", "Believe ids of your own proxies only: server.NewRequestID."},
	openRedirect:    {"open-redirect", "A redirect leads wherever a request says", Medium, "CWE-601", api8, "application", "Redirect to paths of a list, never to a URL of the request."},
	traversal:       {"path-traversal", "A path leads out of its folder", Critical, "CWE-22", api8, "application", "Open files through os.Root or http.FileServerFS."},
	envExposed:      {"env-exposed", "A file of settings can be fetched", Critical, "CWE-538", api8, "application", "Serve a folder that holds public files only."},
	repoExposed:     {"repository-exposed", "A repository can be fetched", High, "CWE-527", api8, "application", "Serve a folder that holds public files only."},
	profilerExposed: {"profiler-exposed", "A profiler or debugger is open to anybody", High, "CWE-489", api8, "application", "Serve net/http/pprof on a listener of its own, on loopback."},
	metricsExposed:  {"metrics-exposed", "Metrics are open to anybody", Low, "CWE-497", api8, "application", "Serve metrics on a listener of its own, or demand a token."},
	backupExposed:   {"backup-exposed", "A backup can be fetched", Critical, "CWE-530", api8, "application", "Serve a folder that holds public files only."},
	listing:         {"directory-listing", "A folder lists its files", Low, "CWE-548", api8, "application", "Serve an index, or refuse paths that end with a slash."},
	consoleExposed:  {"console-exposed", "A management page is open to anybody", High, "CWE-419", api8, "application", "Serve it on a listener of its own, or demand a token."},
	csrf:            {"csrf", "A page of another site can act for a user", High, "CWE-352", api8, "headers", "Put headers.CSRF around what changes something."},
	sessionFixed:    {"session-fixed", "A session keeps its id at log-in", High, "CWE-384", api2, "auth", "Make a new id at each log-in: auth/session."},
	sessionEnded:    {"session-after-logout", "A session is served after log-out", High, "CWE-613", api2, "auth", "End the session on the server, not in the browser alone: auth/session."},
	ssrf:            {"ssrf", "The service fetches what a request names", High, "CWE-918", api7, "application", "Fetch hosts of a list only, and refuse private addresses when you dial."},
	headerInjection: {"header-injection", "A request writes a header of the response", High, "CWE-113", api8, "application", "Refuse line breaks in header values; net/http does."},
	verbTampering:   {"verb-tampering", "Another method is served without a token", Critical, "CWE-650", api5, "auth", "Check the token for every method: auth.Verifier.Handler."},
	socketOrigin:    {"websocket-origin", "Pages of other sites may open a web socket", High, "CWE-1385", api8, "cors", "Compare Origin with your own before you upgrade."},
	privateJWKS:     {"jwks-private", "A key set shows private keys", Critical, "CWE-321", api2, "auth", "Publish auth.Keys, which writes public keys only."},
	passwordInQuery: {"password-in-query", "A password in the query is taken", Medium, "CWE-598", api2, "auth", "Take log-ins as POST with a body: session.Service.IssueHandler."},
	loginBypass:     {"login-bypass", "A log-in is got past without the password", Critical, "CWE-943", api2, "auth", "Take the password as text and use parameters in queries: session.Service.IssueHandler."},
	compressed:      {"compressed-body", "A compressed body grows without bounds", High, "CWE-409", api4, "sanitize", "Refuse Content-Encoding, or bound what comes out: sanitize.NewGuard."},
	tokenSecrets:    {"token-secrets", "A token shows secrets", High, "CWE-522", api2, "auth", "Put nothing into claims that its holder must not read."},
	jsonp:           {"jsonp", "A private response can be read as a script", High, "CWE-829", api8, "cors", "Remove JSONP and share responses by cors.New."},
	ranges:          {"ranges", "Overlapping ranges multiply a response", Medium, "CWE-400", api4, "server", "Respond to overlapping ranges with the whole: http.ServeContent."},
	corsVary:        {"cors-vary", "A response for one origin may be cached for another", Low, "CWE-524", api8, "cors", "Send Vary: Origin: cors.New does."},
	misdescribed:    {"misdescribed", "The service does not respond as the target says", Low, "", api8, "application", "Correct the target, or the service."},
}
