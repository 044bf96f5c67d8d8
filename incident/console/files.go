package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"

	"github.com/ecolaura/rampart"
)

//go:embed static pages
var embedded embed.FS // read-only

// A file is a static file as it is served.
type file struct {
	body []byte
	kind string
}

// files are the static files, by their hashed names.
type files map[string]file

func loadFiles() (files, error) {
	all := files{}
	list, err := embedded.ReadDir("static")
	if err != nil {
		return nil, err
	}
	for _, entry := range list {
		body, err := embedded.ReadFile("static/" + entry.Name())
		if err != nil {
			return nil, err
		}
		kind := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(entry.Name())]
		all[hashed(entry.Name(), body)] = file{body, kind}
	}
	return all, nil
}

// hashed puts a hash of the body into a name, so that a new release has another one.
func hashed(name string, body []byte) string {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:6]) + ext
}

// name returns the hashed name of a static file; "" if there is no such file.
func (f files) name(plain string) string {
	body, err := embedded.ReadFile("static/" + plain)
	if err != nil {
		return ""
	}
	return hashed(plain, body)
}

// ServeHTTP serves the file of that name, which never changes.
func (f files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one, ok := f[r.PathValue("name")]
	if !ok { // a name of an older release
		(&rampart.Problem{Status: http.StatusNotFound, Code: "not_found"}).Write(w)
		return
	}
	w.Header().Set("Content-Type", one.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(one.body)
}
