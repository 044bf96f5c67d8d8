package sanitize

import (
	"fmt"
	"math"
	"mime"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
	"github.com/ecolaura/rampart/internal/strictjson"
)

// Limits bounds a request. A zero field takes its default.
type Limits struct {
	_ [0]func() // no comparison, no unkeyed literals

	MaxBody      int64 // bytes of a body, after decompression; 1 MiB
	MaxDepth     int   // nested JSON objects and arrays; 32, at most 1000
	MaxTokens    int   // JSON names, values and closing brackets; 10 000
	MaxNumberLen int   // bytes of a JSON number; 100
	MaxString    int   // bytes of one string as sent; 256 KiB
	MaxParams    int   // parameters of a form or query, parts of a multipart body; 256
	MaxFiles     int   // files of a multipart body; 10
	MaxQueryLen  int   // bytes of a query; 8 KiB
	MaxPathLen   int   // bytes of a path as sent; 4 KiB
	MaxErrors    int   // errors that one response lists; 64

	// ContentTypes lists the media types of a body; any other is 415. Nil means
	// application/json, which also admits application/…+json. A page on another
	// site can send a form without asking (no CORS preflight), so admit
	// application/x-www-form-urlencoded and multipart/form-data only where no
	// cookie authenticates, or behind a protection against forged requests.
	ContentTypes []string

	// AllowEncoded admits bodies with Content-Encoding: gzip. Their inflated
	// size counts against MaxBody. Otherwise any encoding is 415.
	AllowEncoded bool
}

// maxBody bounds MaxBody: a body is read into memory.
const maxBody = math.MaxInt32

// maxDepth bounds the recursion that follows the nesting of a body.
const maxDepth = 1000

const typeMultipart = "multipart/form-data"

// body returns the limits on a body; l has been compiled.
func (l *Limits) body() *strictjson.Limits {
	return &strictjson.Limits{
		MaxBody: l.MaxBody, MaxDepth: l.MaxDepth, MaxTokens: l.MaxTokens, MaxNumberLen: l.MaxNumberLen, MaxString: l.MaxString,
		ContentTypes: l.ContentTypes, AllowEncoded: l.AllowEncoded,
	}
}

// compile returns a deep copy of l with its defaults filled in.
func (l *Limits) compile(bad *conferr.Mistakes) Limits {
	fill := func(field string, p *int, byDefault, most int) {
		switch {
		case *p < 0 || most > 0 && *p > most:
			bad.Add("Limits."+field, rampart.ReasonInvalid, *p, wantLimit(byDefault, most))
		case *p == 0:
			*p = byDefault
		}
	}
	out := *l
	switch {
	case out.MaxBody < 0 || out.MaxBody > maxBody:
		bad.Add("Limits.MaxBody", rampart.ReasonInvalid, out.MaxBody, wantLimit(1<<20, maxBody))
	case out.MaxBody == 0:
		out.MaxBody = 1 << 20
	}
	fill("MaxDepth", &out.MaxDepth, 32, maxDepth)
	fill("MaxTokens", &out.MaxTokens, 10_000, 0)
	fill("MaxNumberLen", &out.MaxNumberLen, 100, 0)
	fill("MaxString", &out.MaxString, 256<<10, 0)
	fill("MaxParams", &out.MaxParams, 256, 0)
	fill("MaxFiles", &out.MaxFiles, 10, 0)
	fill("MaxQueryLen", &out.MaxQueryLen, 8<<10, 0)
	fill("MaxPathLen", &out.MaxPathLen, 4<<10, 0)
	fill("MaxErrors", &out.MaxErrors, 64, 0)
	out.ContentTypes = nil
	for _, t := range l.ContentTypes {
		media, params, err := mime.ParseMediaType(t)
		if err != nil || len(params) > 0 || !strings.Contains(media, "/") {
			bad.Add("Limits.ContentTypes", rampart.ReasonInvalid, t, `a media type has no parameters, such as "application/json"`)
			continue
		}
		out.ContentTypes = append(out.ContentTypes, media)
	}
	if l.ContentTypes == nil {
		out.ContentTypes = []string{strictjson.JSON}
	}
	return out
}

func wantLimit(byDefault, most int) string {
	if most > 0 {
		return fmt.Sprintf("use 1 to %d; 0 means %d", most, byDefault)
	}
	return fmt.Sprintf("use 1 or more; 0 means %d", byDefault)
}
