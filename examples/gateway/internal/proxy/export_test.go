package proxy

// Pick is pick for one request, whose end done tells.
func (p *Pool) Pick() (addr string, end func(ok bool), err error) {
	t, err := p.pick(nil)
	if err != nil {
		return "", nil, err
	}
	return t.addr, func(ok bool) {
		if ok {
			p.report(t, answered, 200)
		} else {
			p.report(t, unreachable, 0)
		}
		p.done(t)
	}, nil
}
