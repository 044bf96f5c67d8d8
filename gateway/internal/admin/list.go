package admin

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// Sizes of a page, as in Kong.
const (
	pageSize    = 100
	maxPageSize = 1000
)

// An item is a row of a list. Lists are in the order of their keys, so that a page
// begins where the one before has ended, whatever has come and gone since.
type item struct {
	key  string
	show func() any
}

func (a *API) list(w http.ResponseWriter, r *http.Request, names []string, find finder) error {
	f := a.Engine.File()
	at, err := find(f, names)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	has, err := tagFilter(query)
	if err != nil {
		return err
	}
	if query.Has("custom_id") {
		return one(w, f, query.Get("custom_id"))
	}
	var items []item
	for e := range at.kind.All(f) {
		if (at.parent == "" || conf.Refers(e, at.field) == at.parent) && has(conf.Tags(e)) {
			items = append(items, item{conf.ID(e), func() any { return f.Show(e) }})
		}
	}
	return page(w, r, items)
}

// one lists the consumer with a custom_id.
func one(w http.ResponseWriter, f *conf.File, customID string) error {
	if customID == "" {
		return &refusal{http.StatusBadRequest, codeOptions, "custom_id", "a text that is not empty is wanted"}
	}
	data := []any{}
	if c := f.ConsumerByCustomID(customID); c != nil {
		data = append(data, f.Show(c))
	}
	answer(w, http.StatusOK, map[string]any{"data": data, "next": nil})
	return nil
}

// page responds with the page of items that the query asks for.
func page(w http.ResponseWriter, r *http.Request, items []item) error {
	query := r.URL.Query()
	size := pageSize
	if query.Has("size") {
		n, err := strconv.Atoi(query.Get("size"))
		if err != nil || n < 1 || n > maxPageSize {
			return &refusal{http.StatusBadRequest, codeSize, "size", fmt.Sprintf("a number from 1 to %d is wanted", maxPageSize)}
		}
		size = n
	}
	if query.Has("offset") {
		last, err := base64.RawURLEncoding.DecodeString(query.Get("offset"))
		if err != nil || len(last) == 0 {
			return &refusal{http.StatusBadRequest, codeOffset, "offset", "use the offset of the page before"}
		}
		items = slices.DeleteFunc(items, func(i item) bool { return i.key <= string(last) })
	}
	slices.SortFunc(items, func(a, b item) int { return strings.Compare(a.key, b.key) })
	out := map[string]any{"next": nil}
	if len(items) > size {
		items = items[:size]
		offset := base64.RawURLEncoding.EncodeToString([]byte(items[size-1].key))
		query.Set("offset", offset)
		out["offset"], out["next"] = offset, (&url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query.Encode()}).String()
	}
	data := make([]any, len(items))
	for i, it := range items {
		data[i] = it.show()
	}
	out["data"] = data
	answer(w, http.StatusOK, out)
	return nil
}

// tagFilter returns what the query's tags want: all of a,b or one of a/b.
func tagFilter(query url.Values) (func(tags []string) bool, error) {
	if !query.Has("tags") {
		return func([]string) bool { return true }, nil
	}
	text := query.Get("tags")
	sep := ","
	if strings.Contains(text, "/") {
		sep = "/"
	}
	wanted := strings.Split(text, sep)
	if slices.Contains(wanted, "") || sep == "/" && strings.Contains(text, ",") {
		return nil, &refusal{http.StatusBadRequest, codeOptions, "tags", "a,b (both) or a/b (one of them) is wanted"}
	}
	return func(tags []string) bool {
		has := func(t string) bool { return slices.Contains(tags, t) }
		if sep == "/" {
			return slices.ContainsFunc(wanted, has)
		}
		return !slices.ContainsFunc(wanted, func(t string) bool { return !has(t) })
	}, nil
}

// tags lists the tags of all entities, or those called name.
func (a *API) tags(w http.ResponseWriter, r *http.Request, names []string) error {
	f := a.Engine.File()
	var items []item
	for _, k := range conf.Kinds() {
		for e := range k.All(f) {
			for _, t := range conf.Tags(e) {
				if len(names) > 0 && t != names[0] {
					continue
				}
				row := map[string]any{"tag": t, "entity_name": k.Name, "entity_id": conf.ID(e)}
				items = append(items, item{k.Name + "/" + conf.ID(e) + "/" + t, func() any { return row }})
			}
		}
	}
	return page(w, r, items)
}
