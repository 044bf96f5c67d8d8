package sanitize

import (
	"maps"
	"net/http"
	"slices"

	"github.com/go-playground/validator/v10"
	"golang.org/x/text/language"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/conferr"
)

// A Catalogue returns the sentence for a field error in one language, or "" to keep the
// English one. The code and params of e say what is wrong. If the validator library has
// the broken rule, rule is its error, for the library's translations: return
// rule.Translate(german). Otherwise rule is nil. A Catalogue must be safe for concurrent
// use.
type Catalogue func(e rampart.FieldError, rule validator.FieldError) string

// catalogues chooses by a client's languages.
type catalogues struct {
	list    []Catalogue // the first is for English; nil keeps the built-in sentences
	names   []string
	matcher language.Matcher
}

// newCatalogues compiles the catalogues of a Config; nil if it has no catalogues.
func newCatalogues(byTag map[string]Catalogue, bad *conferr.Mistakes) *catalogues {
	if len(byTag) == 0 {
		return nil
	}
	c := &catalogues{list: []Catalogue{byTag["en"]}, names: []string{"en"}}
	tags := []language.Tag{language.English}
	for _, name := range slices.Sorted(maps.Keys(byTag)) {
		tag, err := language.Parse(name)
		switch {
		case err != nil:
			bad.Add("Catalogues", rampart.ReasonInvalid, name, `a language is a BCP 47 tag, such as "de" or "pt-BR"`)
		case byTag[name] == nil:
			bad.Add("Catalogues", rampart.ReasonMissing, name, "give the language a function")
		case name != "en":
			tags, c.list, c.names = append(tags, tag), append(c.list, byTag[name]), append(c.names, name)
		}
	}
	c.matcher = language.NewMatcher(tags)
	return c
}

// maxLanguages bounds the header that is matched, in bytes: browsers send fewer.
const maxLanguages = 512

// choose returns the catalogue for r and its language. A nil catalogue stands for the
// built-in English sentences.
func (c *catalogues) choose(r *http.Request) (say Catalogue, lang string) {
	if c == nil {
		return nil, ""
	}
	header := r.Header.Get("Accept-Language")
	if len(header) > maxLanguages {
		header = ""
	}
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(wanted) == 0 {
		return c.list[0], c.names[0]
	}
	_, i, _ := c.matcher.Match(wanted...)
	return c.list[i], c.names[i]
}
