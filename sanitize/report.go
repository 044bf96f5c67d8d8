package sanitize

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/ecolaura/rampart"
)

// maxReported bounds the field errors in one log record.
const maxReported = 8

// report logs that r was refused with p: codes and places, never values. The
// events of one client are folded.
func report(rep *rampart.Reporter, r *http.Request, p *rampart.Problem) {
	addr, ok := rampart.ClientAddrFrom(r.Context())
	if !ok {
		addr = rampart.PeerAddr(r)
	}
	attrs := []slog.Attr{slog.String("code", p.Code), slog.Int("status", p.Status)}
	if len(p.Errors) > 0 {
		var b strings.Builder
		for i, e := range p.Errors {
			if i == maxReported {
				b.WriteString(" …")
				break
			}
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(e.Pointer + e.Parameter + ":" + e.Code)
		}
		attrs = append(attrs, rampart.Text("fields", b.String())) // names may be the client's own
	}
	rep.Refused(r, rampart.InputValidationFail, addr.String(), attrs...)
}
