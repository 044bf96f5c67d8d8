package plugin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/examples/gateway/internal/call"
	"github.com/ecolaura/rampart/examples/gateway/internal/conf"
)

// keyStore is the table of API keys: their hashes, in memory.
type keyStore struct {
	store *apikey.MemoryStore
	owner map[string]*conf.KeyAuth // by the id that apikey gave
}

func newKeyStore(keys []*conf.KeyAuth) (*keyStore, conf.Mistakes) {
	ks := &keyStore{store: apikey.NewMemoryStore(), owner: map[string]*conf.KeyAuth{}}
	if len(keys) == 0 {
		return ks, nil
	}
	in, err := ks.open(nil, nil)
	if err != nil {
		return ks, conf.Mistakes{keys[0].Mistake("", err.Error())}
	}
	defer func() { _ = in.Close() }()
	var mistakes conf.Mistakes
	for _, k := range keys {
		got, err := in.Import(context.Background(), apikey.Key{Name: k.ID, Owner: string(k.Consumer)}, apikey.PlainText(), k.Key)
		if err != nil {
			mistakes = append(mistakes, k.Mistake("key", err.Error()))
			continue
		}
		ks.owner[got.ID] = k
	}
	return ks, mistakes
}

func (ks *keyStore) open(names []string, e *Env) (*apikey.Keys, error) {
	cfg := apikey.Config{
		Store: ks.store, Prefix: "gateway", Legacy: []apikey.Legacy{apikey.PlainText()},
		TouchEvery: -1, Header: names, ClientIP: clientAddr,
	}
	if e != nil {
		cfg.Logger = e.Log
	} else { // what a reload reads again is no event
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return apikey.New(cfg)
}

// keyAuth is package apikey with the keys that Kong's credentials are.
func keyAuth(cfg *conf.KeyAuthConfig, e *Env) (func(http.Handler) http.Handler, func(), error) {
	keys, err := e.keys.open(cfg.KeyNames, e)
	if err != nil {
		return nil, nil, err
	}
	anonymous := e.anonymous(cfg.Anonymous)
	layer := func(next http.Handler) http.Handler {
		inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := call.From(r.Context())
			if who, ok := apikey.FromContext(r.Context()); ok {
				k := e.keys.owner[who.ID()]
				e.known(c, k.Consumer, k.ID)
			}
			if cfg.HideCredentials {
				c.HideHeaders = append(c.HideHeaders, cfg.KeyNames...)
				c.HideQuery = append(c.HideQuery, cfg.KeyNames...)
			}
			next.ServeHTTP(w, r)
		})
		strict := keys.Handler(inner)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := call.From(r.Context())
			if !cfg.RunOnPreflight && r.Method == http.MethodOptions || anonymous != nil && c.Credential != "" {
				next.ServeHTTP(w, r)
				return
			}
			asked := withKey(r, cfg)
			if anonymous != nil {
				if _, err := keys.Check(asked); err != nil {
					if ke, ok := errors.AsType[*apikey.Error](err); !ok || ke.Reason != apikey.KeyUnavailable {
						e.known(c, conf.Ref(anonymous.ID), "")
						next.ServeHTTP(w, r)
						return
					}
				}
			}
			strict.ServeHTTP(w, asked)
		})
	}
	return layer, func() { _ = keys.Close() }, nil
}

// withKey returns r with the key where package apikey looks for it, and nowhere
// else: Kong's may also be in the query.
func withKey(r *http.Request, cfg *conf.KeyAuthConfig) *http.Request {
	var texts []string
	if cfg.KeyInQuery && r.URL.RawQuery != "" {
		for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
			name, value, _ := strings.Cut(part, "=")
			for _, want := range cfg.KeyNames {
				if n, err := url.QueryUnescape(name); err == nil && n == want {
					if v, err := url.QueryUnescape(value); err == nil {
						texts = append(texts, v)
					}
				}
			}
		}
	}
	if len(texts) == 0 && cfg.KeyInHeader {
		return r
	}
	asked := new(http.Request)
	*asked = *r
	asked.Header = r.Header.Clone()
	for _, n := range cfg.KeyNames {
		if !cfg.KeyInHeader {
			asked.Header.Del(n)
		}
	}
	for _, t := range texts { // two keys are for apikey to refuse
		asked.Header.Add(cfg.KeyNames[0], t)
	}
	return asked
}
