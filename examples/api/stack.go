package main

import (
	"net/http"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/throttle"
)

type layer = func(http.Handler) http.Handler

// stack is the layers as the routes wrap themselves in them, by name. Each is
// independent of the others: a test takes one out and sees what then gets in.
type stack struct {
	requestID, clientIP, headers, cors layer // around everything, in this order
	blocks, lockdown, edge             layer
	optional, required, apiKey, owner  layer // who is calling
	scope                              func(string) layer
	public, login, register, password  layer // how often
	keyGuesses, partner                layer
	account                            *throttle.Limiter // how often a password is guessed; asked within the log-in
	guard, forms                       layer             // with what body
}

func (l *layers) stack(a *app) *stack {
	return &stack{
		requestID:  l.requestID.Handler,
		clientIP:   l.clientIP.Handler,
		headers:    l.headers.Handler,
		cors:       l.cors.Handler,
		blocks:     l.blocks.Handler,
		lockdown:   l.lockdown.Handler,
		edge:       l.edge.Handler,
		optional:   l.verifier.Optional,
		required:   l.verifier.Handler,
		apiKey:     l.keys.Handler,
		owner:      a.activeOwner,
		scope:      func(name string) layer { return rampart.RequireScope(name) },
		public:     l.public.Handler,
		login:      l.login.Handler,
		register:   l.register.Handler,
		password:   l.password.Handler,
		keyGuesses: l.keyGuesses.Handler,
		partner:    l.partner.Handler,
		account:    l.account,
		guard:      l.guard.Handler,
		forms:      l.forms.Handler,
	}
}
