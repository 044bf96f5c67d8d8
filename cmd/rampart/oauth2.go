package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ecolaura/rampart/attack"
)

// clientCredentials is the grant of RFC 6749 section 4.4. The token endpoint may be
// another host than the target, so it is asked by a client of its own.
func (l login) clientCredentials() (attack.Login, error) {
	u, err := url.Parse(l.TokenURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && !isLoopback(u.Hostname()) {
		return nil, errors.New("login.token-url: give the https URL of the token endpoint")
	}
	client := &http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the secret goes nowhere else
	}
	return func(ctx context.Context, _ *attack.Client, a attack.Account) (attack.Session, error) {
		form := url.Values{"grant_type": {"client_credentials"}}
		for name, value := range map[string]string{"scope": l.Scope, "audience": l.Audience} {
			if value != "" {
				form.Set(name, value)
			}
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
		if err != nil {
			return attack.Session{}, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(url.QueryEscape(a.Name), url.QueryEscape(a.Password)) // RFC 6749 section 2.3.1
		resp, err := client.Do(req)
		if err != nil {
			return attack.Session{}, errors.New("the token endpoint does not answer")
		}
		defer func() { _ = resp.Body.Close() }() // it was read only
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return attack.Session{}, errors.New("the token endpoint does not answer to the end")
		}
		var got struct {
			AccessToken string `json:"access_token"`
		}
		if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &got) != nil || got.AccessToken == "" {
			return attack.Session{}, &attack.StatusError{Status: resp.StatusCode}
		}
		return attack.Session{Access: got.AccessToken}, nil
	}, nil
}
