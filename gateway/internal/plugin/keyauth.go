package plugin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ecolaura/rampart/apikey"
	"github.com/ecolaura/rampart/gateway/internal/call"
	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// KeyAuth asks for an API key.
type KeyAuth struct {
	KeyNames        []string `k:"key_names"`
	KeyInHeader     bool     `k:"key_in_header"`
	KeyInQuery      bool     `k:"key_in_query"`
	HideCredentials bool     `k:"hide_credentials"`
	Anonymous       string   `k:"anonymous"`
	RunOnPreflight  bool     `k:"run_on_preflight"`
}

func newKeyAuth() any {
	return config(&KeyAuth{KeyNames: []string{"apikey"}, KeyInHeader: true, KeyInQuery: true, RunOnPreflight: true})
}

// Inert names what Kong has and this gateway has not.
func (*KeyAuth) Inert() map[string]string {
	return map[string]string{"key_in_body": "false", "realm": ""}
}

// Noted says what becomes of fields that have no effect.
func (*KeyAuth) Noted() map[string]string {
	return map[string]string{"identity_realms": "realms are Konnect's: the keys are those of this configuration"}
}

// Check looks for mistakes.
func (k *KeyAuth) Check(c *conf.Checks, f *conf.File) {
	c.Want(len(k.KeyNames) > 0, "config.key_names", "missing")
	c.Each("config.key_names", k.KeyNames, conf.Token, "a header's name")
	c.Want(k.KeyInHeader || k.KeyInQuery, "config.key_in_header", "the key has to be somewhere")
	c.Anonymous(k.Anonymous, f)
}

// keyStore is the table of API keys: their hashes, in memory.
type keyStore struct {
	*apikey.MemoryStore
	rows   map[*conf.KeyAuth]hashed
	owner  map[string]*conf.KeyAuth // by the id that apikey gave
	opened map[string]*apikey.Keys  // by the headers' names

	hash []byte // of the key that was inserted last
}

// hashed is what apikey has made of a key.
type hashed struct {
	key  apikey.Key
	hash []byte
}

// Insert implements apikey.Store.
func (ks *keyStore) Insert(ctx context.Context, k apikey.Key, hash []byte) error {
	ks.hash = hash
	return ks.MemoryStore.Insert(ctx, k, hash)
}

// newKeyStore reads keys. Those that old has too are not hashed again.
func newKeyStore(keys []*conf.KeyAuth, old *keyStore) (*keyStore, conf.Mistakes) {
	ks := &keyStore{
		MemoryStore: apikey.NewMemoryStore(), rows: make(map[*conf.KeyAuth]hashed, len(keys)),
		owner: make(map[string]*conf.KeyAuth, len(keys)), opened: map[string]*apikey.Keys{},
	}
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
		if err := ks.read(in, k, old); err != nil {
			mistakes = append(mistakes, k.Mistake("key", err.Error()))
		}
	}
	return ks, mistakes
}

func (ks *keyStore) read(in *apikey.Keys, k *conf.KeyAuth, old *keyStore) (err error) {
	var r hashed
	known := false
	if old != nil {
		r, known = old.rows[k]
	}
	if known {
		err = ks.MemoryStore.Insert(context.Background(), r.key, r.hash)
	} else {
		key := apikey.Key{Name: k.ID, Owner: string(k.Consumer), Expires: k.Expires()}
		if k.Enabled != nil {
			key.Revoked = time.Unix(max(k.UpdatedAt, 1), 0) // once it is enabled, it is read again
		}
		r.key, err = in.Import(context.Background(), key, apikey.PlainText(), k.Key)
		r.hash = ks.hash
	}
	if err == nil {
		ks.rows[k], ks.owner[r.key.ID] = r, k
	}
	return err
}

// shared returns what all layers with the same names use.
func (ks *keyStore) shared(names []string, e *Env) (*apikey.Keys, error) {
	at := strings.Join(names, " ")
	if k := ks.opened[at]; k != nil {
		return k, nil
	}
	k, err := ks.open(names, e)
	if err == nil {
		ks.opened[at] = k
	}
	return k, err
}

func (ks *keyStore) close() {
	for _, k := range ks.opened {
		_ = k.Close()
	}
}

func (ks *keyStore) open(names []string, e *Env) (*apikey.Keys, error) {
	cfg := apikey.Config{
		Store: ks, Prefix: "gateway", Legacy: []apikey.Legacy{apikey.PlainText()},
		TouchEvery: -1, Header: names, ClientIP: clientAddr,
	}
	if e != nil {
		cfg.Logger = e.Log
	} else { // what a reload reads again is no event
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return apikey.New(cfg)
}

// layer is package apikey with the keys that Kong's credentials are.
func (k *KeyAuth) layer(_ *conf.Plugin, e *Env) (*Layer, error) {
	keys, err := e.keys.shared(k.KeyNames, e)
	if err != nil {
		return nil, err
	}
	anonymous := e.anonymous(k.Anonymous)
	layer := func(next http.Handler) http.Handler {
		inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := call.From(r.Context())
			if who, ok := apikey.FromContext(r.Context()); ok {
				own := e.keys.owner[who.ID()]
				e.known(c, own.Consumer, own.ID)
			}
			if k.HideCredentials {
				c.HideHeaders = append(c.HideHeaders, k.KeyNames...)
				c.HideQuery = append(c.HideQuery, k.KeyNames...)
			}
			next.ServeHTTP(w, r)
		})
		strict := keys.Handler(inner)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := call.From(r.Context())
			if !k.RunOnPreflight && r.Method == http.MethodOptions || anonymous != nil && c.Credential != "" {
				next.ServeHTTP(w, r)
				return
			}
			c.Secrets = append(c.Secrets, k.KeyNames...)
			asked := k.withKey(r)
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
	return &Layer{Handler: layer}, nil
}

// withKey returns r with the key where package apikey looks for it, and nowhere
// else: Kong's may also be in the query.
func (k *KeyAuth) withKey(r *http.Request) *http.Request {
	var texts []string
	if k.KeyInQuery && r.URL.RawQuery != "" {
		for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
			name, value, _ := strings.Cut(part, "=")
			for _, want := range k.KeyNames {
				if n, err := url.QueryUnescape(name); err == nil && n == want {
					if v, err := url.QueryUnescape(value); err == nil {
						texts = append(texts, v)
					}
				}
			}
		}
	}
	if len(texts) == 0 && k.KeyInHeader {
		return r
	}
	asked := new(http.Request)
	*asked = *r
	asked.Header = r.Header.Clone()
	for _, n := range k.KeyNames {
		if !k.KeyInHeader {
			asked.Header.Del(n)
		}
	}
	for _, t := range texts { // two keys are for apikey to refuse
		asked.Header.Add(k.KeyNames[0], t)
	}
	return asked
}
