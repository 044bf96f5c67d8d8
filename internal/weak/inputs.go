package weak

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/sanitize"
)

// oracle tells which accounts exist, if it is to.
func (s *Server) oracle(next http.Handler) http.Handler {
	return s.switched("account-oracle", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !bytes.Contains(body, []byte("alice")) && !bytes.Contains(body, []byte("bob")) && !bytes.Contains(body, []byte("carol")) {
			(&rampart.Problem{Status: 404, Code: "no_such_account"}).Write(w)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	}), next)
}

// postProducts stores a product, by the binder or past it.
func (s *Server) postProducts(log *slog.Logger) http.Handler {
	binder, err := sanitize.NewBinder[product](sanitize.Config{Logger: log})
	s.keep(err)
	strong := binder.Handler(func(w http.ResponseWriter, _ *http.Request, p product) { s.store(w, p) })
	past := func(takes func(body []byte) bool) http.Handler { // what is taken without the binder
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil && takes(body) {
				answer(201, "{}")(w, r)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			strong.ServeHTTP(w, r)
		})
	}
	switch {
	case s.on("hostile-json"):
		return past(func(b []byte) bool { return bytes.Count(b, []byte("[")) > 1000 })
	case s.on("large-body"):
		return past(func(b []byte) bool { return len(b) > 8<<20 })
	case s.on("compressed-body"):
		return past(func(b []byte) bool { return bytes.HasPrefix(b, []byte{0x1f, 0x8b}) })
	case s.on("ambiguous-json"):
		return past(func(b []byte) bool { return bytes.Count(b, []byte(`"price"`)) == 2 })
	case s.on("invalid-input"):
		return past(func(b []byte) bool { return bytes.Contains(b, []byte(`"-1"`)) })
	case s.on("content-type"):
		return changed(func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })(strong)
	case s.on("mass-assignment"):
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
			if err == nil && bytes.Contains(body, []byte("is_admin")) {
				answer(201, string(body))(w, r)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			strong.ServeHTTP(w, r)
		})
	case s.on("html-stored"):
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
			var p product
			if err == nil && bytes.Contains(body, []byte("onerror")) && json.Unmarshal(body, &p) == nil {
				s.store(w, p)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			strong.ServeHTTP(w, r)
		})
	default:
		return strong
	}
}

func (s *Server) store(w http.ResponseWriter, p product) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.products = append(s.products, p)
	body, _ := json.Marshal(p)
	answer(201, string(body))(w, nil)
}

func (s *Server) getProducts(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := json.Marshal(s.products)
	answer(200, string(body))(w, nil)
}

// note is something that its maker owns.
func (s *Server) note(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _ := auth.FromContext(r.Context())
	id := strings.TrimPrefix(r.URL.Path, "/api/notes/")
	owner, known := s.notes[id]
	switch {
	case id == "" && r.Method == http.MethodPost:
		id = fmt.Sprint(len(s.notes) + 1)
		s.notes[id] = t.Subject()
		answer(201, `{"path":"/api/notes/`+id+`"}`)(w, r)
	case !known || owner != t.Subject() && !s.on("others-object"):
		(&rampart.Problem{Status: 404, Code: "not_found"}).Write(w)
	default:
		answer(200, `{"note":"x"}`)(w, r)
	}
}

// upload reads a form of files.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	most := maxParts
	if s.on("hostile-multipart") {
		most = 1 << 30
	}
	r.Body = http.MaxBytesReader(w, r.Body, 4<<20)
	parts, err := r.MultipartReader()
	for n := 0; err == nil; n++ {
		var part *multipart.Part
		if part, err = parts.NextPart(); err != nil {
			break
		}
		if n > most || len(part.FormName()) > 100 {
			err = errors.New("too much")
			break
		}
		_, err = io.Copy(io.Discard, part)
	}
	if !errors.Is(err, io.EOF) || strings.Contains(err.Error(), "unexpected") {
		(&rampart.Problem{Status: 400, Code: "bad_form"}).Write(w)
		return
	}
	answer(201, "{}")(w, r)
}

// partner is the path for API keys.
func (s *Server) partner(keys *apikey.Keys, next http.Handler) http.Handler {
	strong := keys.Handler(next)
	switch {
	case s.on("key-missing"):
		return next
	case s.on("key-loose"):
		return changed(func(r *http.Request) {
			if r.Header.Get("X-Api-Key") == s.key+"A" { // a key may end with A itself
				r.Header.Set("X-Api-Key", s.key)
			}
		})(strong)
	case s.on("key-ended"):
		return changed(func(r *http.Request) {
			if r.Header.Get("X-Api-Key") == s.ended {
				r.Header.Set("X-Api-Key", s.key)
			}
		})(strong)
	case s.on("key-oracle"):
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if key := r.Header.Get("X-Api-Key"); key != "" && !strings.HasPrefix(key, s.key[:20]) {
				(&rampart.Problem{Status: 404, Code: "no_such_key"}).Write(w)
				return
			}
			strong.ServeHTTP(w, r)
		})
	case s.on("misdescribed"):
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { (&rampart.Problem{Status: 401}).Write(w) })
	default:
		return strong
	}
}
