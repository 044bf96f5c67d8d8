package proxy

import (
	"context"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// Pick is pick for one request, whose end done tells.
func (p *Pool) Pick() (addr string, end func(ok bool), err error) {
	addr, end, _, err = p.PickFor()
	return addr, end, err
}

// PickFor is Pick for a request whose client may give it up.
func (p *Pool) PickFor() (addr string, end func(ok bool), giveUp func(), err error) {
	t, err := p.pick(nil)
	if err != nil {
		return "", nil, nil, err
	}
	return t.addr, func(ok bool) {
		if ok {
			p.report(t, answered, 200)
		} else {
			p.report(t, unreachable, 0)
		}
		p.done(t)
	}, func() { p.release(t); p.done(t) }, nil
}

// NewAsking returns a Pool whose active checks call ask.
func NewAsking(u *conf.Upstream, targets []*conf.Target, ask func(ctx context.Context, addr string) (int, error)) *Pool {
	p := newPool(u, targets)
	p.start(func(ctx context.Context, t *target) (int, error) { return ask(ctx, t.addr) })
	return p
}
