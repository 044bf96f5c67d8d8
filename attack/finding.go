package attack

import "fmt"

// A Severity says how bad a weakness is.
type Severity uint8

// Severities.
const (
	Low Severity = iota + 1
	Medium
	High
	Critical
)

// String implements [fmt.Stringer].
func (s Severity) String() string {
	switch s {
	case Low:
		return "low"
	case Medium:
		return "medium"
	case High:
		return "high"
	case Critical:
		return "critical"
	default:
		return "unknown"
	}
}

// A Finding is one weakness, with the first request that showed it.
type Finding struct {
	Title    string // one of [Weaknesses]
	Severity Severity
	CWE      string // such as "CWE-347"; "" where none fits
	Top10    string // row of the OWASP API Security Top 10 of 2023, such as "API2:2023 Broken Authentication"
	Layer    string // of rampart, that stops it: "auth", "throttle", …; "application" where none can
	Detail   string // what was seen
	Request  string // to reproduce it, as it goes over the wire. Tokens and keys that were given or issued are replaced by their names
}

// String is the finding on a few lines.
func (f Finding) String() string {
	return fmt.Sprintf("%s (%s, %s, %s; layer: %s): %s\n%s", f.Title, f.Severity, f.CWE, f.Top10, f.Layer, f.Detail, f.Request)
}

// Rows of the OWASP API Security Top 10 of 2023.
const (
	api1 = "API1:2023 Broken Object Level Authorization"
	api2 = "API2:2023 Broken Authentication"
	api3 = "API3:2023 Broken Object Property Level Authorization"
	api4 = "API4:2023 Unrestricted Resource Consumption"
	api5 = "API5:2023 Broken Function Level Authorization"
	api8 = "API8:2023 Security Misconfiguration"
)

// weakness is a kind of finding: its title.
type weakness string

const (
	noToken        weakness = "A private path answers without a token"
	forgedToken    weakness = "A forged token is accepted"
	expiredToken   weakness = "An expired token is accepted"
	tokenKind      weakness = "A token of another kind is accepted"
	refreshReuse   weakness = "A used refresh token is accepted again"
	afterLogout    weakness = "A refresh token is accepted after log-out"
	userOracle     weakness = "Answers tell which accounts exist"
	guessing       weakness = "Passwords can be guessed without limit"
	guessingByMany weakness = "The password of one account can be guessed from many addresses"
	lockedOut      weakness = "Strangers who guess lock an account's owner out"
	tokenInQuery   weakness = "A token in the query is accepted"
	scopeMissing   weakness = "A caller without the scope is served"
	othersObject   weakness = "A caller gets what is another's"
	massAssignment weakness = "A member that no client may set is taken"
	pathConfusion  weakness = "Another spelling of a path is served without a token"
	methodOverride weakness = "A header or parameter overrides the method"
	traceEcho      weakness = "TRACE is answered with the request"
	limitMissing   weakness = "A limit does not hold"
	limitEarly     weakness = "A limit refuses too early"
	limitEvaded    weakness = "A header evades a limit"
	clientsAsOne   weakness = "Different clients are taken for one"
	noRetryAfter   weakness = "A refusal by a limit does not say when to come back"
	blockedServed  weakness = "A blocked address is served"
	corsReflected  weakness = "A foreign origin may read answers"
	corsRefused    weakness = "A listed origin may not read answers"
	headerMissing  weakness = "An answer lacks security headers"
	cookieFlags    weakness = "A cookie lacks Secure, HttpOnly or SameSite"
	plainHTTP      weakness = "Credentials are served over plain http"
	foreignHost    weakness = "A foreign Host is served"
	hostReflected  weakness = "A forwarded host is believed"
	privateCached  weakness = "A private answer may be cached"
	deepJSON       weakness = "A hostile JSON body is taken"
	largeBody      weakness = "A body without bounds is read"
	twiceJSON      weakness = "A JSON body that can be read in two ways is taken"
	otherType      weakness = "A body of another content type is taken"
	multipartBomb  weakness = "A hostile multipart body is taken"
	malformedQuery weakness = "A query that can be read in two ways is served"
	invalidInput   weakness = "Invalid input is taken"
	htmlStored     weakness = "Hostile HTML is stored and shown"
	htmlReflected  weakness = "Hostile HTML is reflected"
	logForged      weakness = "A request forges a line of the log"
	clientUnknown  weakness = "The log does not tell clients apart"
	secretLogged   weakness = "A secret is in the log"
	errorLeak      weakness = "An answer tells the inside of the service"
	softwareNamed  weakness = "Answers name the software and its version"
	crash          weakness = "A request makes the service fail"
	smuggling      weakness = "A request that can be read in two ways is served"
	slowHeader     weakness = "A slow header holds a connection"
	slowBody       weakness = "A slow body holds a connection"
	keyMissing     weakness = "A path for API keys answers without one"
	keyLoose       weakness = "A wrong API key is accepted"
	keyEnded       weakness = "An API key that has ended is accepted"
	keyOracle      weakness = "Answers tell which API keys exist"
	requestIDGone  weakness = "An answer has no request id"
	requestIDTaken weakness = "A client chooses the request id"
	misdescribed   weakness = "The service does not answer as the target says"
)

// about returns what is known of a weakness.
func (w weakness) about() (s Severity, cwe, top10, layer string) {
	switch w {
	case noToken:
		return Critical, "CWE-306", api2, "auth"
	case forgedToken:
		return Critical, "CWE-347", api2, "auth"
	case expiredToken:
		return High, "CWE-613", api2, "auth"
	case tokenKind:
		return High, "CWE-287", api2, "auth"
	case refreshReuse:
		return High, "CWE-294", api2, "auth"
	case afterLogout:
		return High, "CWE-613", api2, "auth"
	case userOracle:
		return Medium, "CWE-204", api2, "auth"
	case guessing:
		return High, "CWE-307", api2, "throttle"
	case guessingByMany:
		return High, "CWE-307", api2, "auth"
	case lockedOut:
		return Medium, "CWE-645", api2, "auth"
	case tokenInQuery:
		return Medium, "CWE-598", api2, "auth"
	case scopeMissing:
		return Critical, "CWE-862", api5, "auth"
	case othersObject:
		return Critical, "CWE-639", api1, "application"
	case massAssignment:
		return High, "CWE-915", api3, "sanitize"
	case pathConfusion:
		return Critical, "CWE-289", api5, "auth"
	case methodOverride:
		return High, "CWE-650", api5, "application"
	case traceEcho:
		return Low, "CWE-749", api8, "application"
	case limitMissing, limitEarly:
		return Medium, "CWE-770", api4, "throttle"
	case limitEvaded:
		return High, "CWE-348", api4, "clientip"
	case noRetryAfter:
		return Low, "", api4, "throttle"
	case clientsAsOne:
		return Medium, "CWE-348", api4, "clientip"
	case blockedServed:
		return Medium, "CWE-284", api8, "ipfilter"
	case corsReflected:
		return High, "CWE-942", api8, "cors"
	case corsRefused:
		return Low, "", api8, "cors"
	case headerMissing:
		return Medium, "CWE-693", api8, "headers"
	case cookieFlags:
		return Medium, "CWE-614", api8, "headers"
	case plainHTTP:
		return High, "CWE-319", api8, "headers"
	case foreignHost, hostReflected:
		return Medium, "CWE-346", api8, "headers"
	case privateCached:
		return Medium, "CWE-525", api8, "headers"
	case deepJSON, largeBody, multipartBomb:
		return High, "CWE-400", api4, "sanitize"
	case twiceJSON, otherType, malformedQuery:
		return Medium, "CWE-436", api8, "sanitize"
	case invalidInput:
		return Medium, "CWE-20", api3, "sanitize"
	case htmlStored:
		return High, "CWE-79", api8, "sanitize"
	case htmlReflected:
		return High, "CWE-79", api8, "application"
	case logForged:
		return Medium, "CWE-117", api8, "events"
	case clientUnknown:
		return Low, "CWE-778", api8, "clientip"
	case secretLogged:
		return High, "CWE-532", api8, "events"
	case errorLeak:
		return Medium, "CWE-209", api8, "application"
	case softwareNamed:
		return Low, "CWE-200", api8, "application"
	case crash:
		return High, "CWE-248", api8, "application"
	case smuggling:
		return High, "CWE-444", api8, "server"
	case slowHeader, slowBody:
		return High, "CWE-400", api4, "server"
	case keyMissing:
		return Critical, "CWE-306", api2, "apikey"
	case keyLoose:
		return Critical, "CWE-287", api2, "apikey"
	case keyEnded:
		return High, "CWE-613", api2, "apikey"
	case keyOracle:
		return Medium, "CWE-204", api2, "apikey"
	case requestIDGone:
		return Low, "CWE-778", api8, "requestid"
	case requestIDTaken:
		return Low, "CWE-348", api8, "requestid"
	default: // misdescribed
		return Low, "", api8, "application"
	}
}

// Weaknesses returns the titles of all that the suite can find.
func Weaknesses() []string {
	return []string{
		string(noToken), string(forgedToken), string(expiredToken), string(tokenKind), string(refreshReuse), string(afterLogout),
		string(userOracle), string(guessing), string(guessingByMany), string(lockedOut), string(tokenInQuery), string(scopeMissing), string(othersObject), string(massAssignment),
		string(pathConfusion), string(methodOverride), string(traceEcho), string(limitMissing), string(limitEarly), string(limitEvaded),
		string(noRetryAfter), string(clientsAsOne), string(blockedServed), string(corsReflected), string(corsRefused), string(headerMissing), string(cookieFlags),
		string(plainHTTP), string(foreignHost), string(hostReflected), string(privateCached), string(deepJSON), string(largeBody),
		string(twiceJSON), string(otherType), string(multipartBomb), string(malformedQuery), string(invalidInput), string(htmlStored), string(htmlReflected),
		string(logForged), string(clientUnknown), string(secretLogged), string(errorLeak), string(softwareNamed), string(crash), string(smuggling), string(slowHeader), string(slowBody),
		string(keyMissing), string(keyLoose), string(keyEnded), string(keyOracle), string(requestIDGone), string(requestIDTaken), string(misdescribed),
	}
}
