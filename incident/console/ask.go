package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// answer is what the operators' calls respond with.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = cmp.Or(a.status, status) }

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// A problem is a problem+json as the pages show it.
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Title  string `json:"title"`
	Errors []struct {
		Pointer, Parameter, Detail string
	} `json:"errors"`
}

func (p *problem) Error() string {
	texts := []string{cmp.Or(p.Detail, p.Title, p.Code)}
	for _, e := range p.Errors {
		texts = append(texts, e.Detail)
	}
	return strings.Join(texts, " ")
}

// ask makes an operators' call as the caller of r, and reads the response into that. Its
// error is a *problem if the call was refused.
func (c *Console) ask(r *http.Request, method, path string, body any, once string, into any) error {
	text := []byte(nil)
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	inner, err := http.NewRequestWithContext(r.Context(), method, path, bytes.NewReader(text)) //nolint:gosec // it never leaves the process
	if err != nil {
		return err
	}
	inner.RemoteAddr, inner.Host = r.RemoteAddr, r.Host
	inner.Header.Set("Content-Type", "application/json")
	if once != "" {
		inner.Header.Set("Idempotency-Key", once)
	}
	a := &answer{header: http.Header{}}
	c.cfg.API.ServeHTTP(a, inner)
	if a.status >= http.StatusBadRequest {
		p := &problem{Status: a.status}
		if json.Unmarshal(a.body.Bytes(), p) != nil {
			p.Detail = http.StatusText(a.status)
		}
		return p
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(a.body.Bytes(), into); err != nil {
		return fmt.Errorf("console: %s: %w", path, err)
	}
	return nil
}

// get is ask for reading.
func (c *Console) get(r *http.Request, path string, into any) error {
	return c.ask(r, http.MethodGet, path, nil, "", into)
}
