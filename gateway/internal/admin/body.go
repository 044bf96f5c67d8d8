package admin

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/ecolaura/rampart/gateway/internal/conf"
	"go.yaml.in/yaml/v3"
)

// maxFields bounds the fields of a form, as Kong does.
const maxFields = 1000

var errFields = conf.Mistakes{{Reason: "a form may have 1000 fields; use JSON"}}

// readBody takes a body apart, form or JSON.
func readBody(r *http.Request) (*yaml.Node, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if len(r.Header.Values("Content-Type")) > 1 {
		return nil, errMedia
	}
	if err == nil && media == "multipart/form-data" {
		form, err := multipartForm(r.Body, params["boundary"])
		if err != nil {
			return nil, err
		}
		return conf.FormNode(form)
	}
	text, readErr := io.ReadAll(r.Body)
	switch {
	case readErr != nil:
		return nil, readErr
	case len(text) == 0:
		return conf.FormNode(nil)
	case err == nil && media == "application/json":
		return conf.JSONNode(text)
	case err == nil && media == "application/x-www-form-urlencoded":
		form, err := urlencodedForm(string(text))
		if err != nil {
			return nil, err
		}
		return conf.FormNode(form)
	}
	return nil, errMedia
}

func urlencodedForm(text string) (url.Values, error) {
	if strings.Count(text, "&") >= maxFields {
		return nil, errFields
	}
	form, err := url.ParseQuery(text)
	if err != nil {
		return nil, conf.Mistakes{{Reason: "not a form"}}
	}
	return form, nil
}

// multipartForm reads a form (RFC 7578) of which files are values like others. The
// body's size is bounded already.
func multipartForm(body io.Reader, boundary string) (url.Values, error) {
	form, parts := url.Values{}, multipart.NewReader(body, boundary)
	if boundary == "" {
		return nil, errMedia
	}
	for range maxFields {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) && len(form) > 0 {
			return form, nil
		}
		if err != nil {
			return nil, formError(err)
		}
		text, err := io.ReadAll(p)
		if err != nil {
			return nil, formError(err)
		}
		if p.FormName() == "" {
			return nil, conf.Mistakes{{Reason: "a part of the form has no name"}}
		}
		form.Add(p.FormName(), string(text))
	}
	return nil, errFields
}

// formError hides what is wrong with a form, but not with its way here.
func formError(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return conf.Mistakes{{Reason: "not a form"}}
}
