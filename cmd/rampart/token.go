package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/ecolaura/rampart/auth"
	"github.com/ecolaura/rampart/internal/jose"
)

func tokenCommand(t terminal) *cli.Command {
	return &cli.Command{
		Name:  "token",
		Usage: "read a JSON Web Token, and say whether it is good",
		Description: `The token is read from the standard input, never from an argument: other users of the
machine can read those, and the shell keeps them.

   rampart token decode < token
   rampart token verify -issuer https://id.example.com -audience shop -profile keycloak < token
   rampart token verify -keys jwks.json -issuer shop -audience shop < token`,
		Commands: []*cli.Command{
			{
				Name: "decode", Usage: "print header and claims; nothing is verified",
				Action: func(_ context.Context, cmd *cli.Command) error { return t.decodeToken(cmd) },
			},
			{
				Name: "verify", Usage: "verify a token; it exits with 1 and the reason if it is refused",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "issuer", Usage: "`ISSUER` that the token must have; * takes any"},
					&cli.StringFlag{Name: "audience", Usage: "`AUDIENCE` that the token must be for; * takes any"},
					&cli.StringFlag{Name: "profile", Usage: "`KIND` of issuer: rfc9068, keycloak, auth0, entra, okta, cognito, kubernetes"},
					&cli.StringFlag{Name: "keys", Usage: "`FILE` or https URL of a JWK set, or a file with one key; \"\": the issuer is asked"},
					&cli.StringFlag{Name: "alg", Usage: "`ALGORITHM` of a key in a file that does not say it"},
					&cli.StringFlag{Name: "kind", Value: string(auth.Access), Usage: "`KIND` of token: access, refresh or sliding"},
					&cli.StringFlag{Name: "subject-claim", Usage: "`CLAIM` that holds the subject; \"\": sub"},
					&cli.DurationFlag{Name: "leeway", Value: time.Minute, Usage: "`TIME` that the issuer's clock may be off"},
					&cli.BoolFlag{Name: "untyped", Usage: "take a token that does not say what kind it is"},
				},
				Action: func(ctx context.Context, cmd *cli.Command) error { return t.verifyToken(ctx, cmd) },
			},
		},
	}
}

// readToken forgives what stands around a token that was copied.
func (t terminal) readToken(cmd *cli.Command) (string, error) {
	if cmd.Args().Present() {
		return "", usage(cmd, "the token is read from the standard input")
	}
	text, err := io.ReadAll(io.LimitReader(t.in, jose.MaxToken+1000))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	token = strings.TrimPrefix(strings.TrimPrefix(token, "Authorization: "), "Bearer ")
	return token, nil
}

func (t terminal) decodeToken(cmd *cli.Command) error {
	token, err := t.readToken(cmd)
	if err != nil {
		return err
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("that is no token in compact form: three parts with dots between them")
	}
	for i, name := range []string{"header", "claims"} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return fmt.Errorf("the %s is not base64url", name)
		}
		var pretty bytes.Buffer
		if json.Indent(&pretty, raw, "", "  ") != nil {
			return fmt.Errorf("the %s is not JSON", name)
		}
		fmt.Fprintf(t.out, "%s\n", clean(pretty.String()))
	}
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1]) // it was read above
	var claims map[string]any
	if json.Unmarshal(raw, &claims) == nil {
		for _, name := range []string{"iat", "nbf", "exp"} {
			if seconds, ok := claims[name].(float64); ok {
				at := time.Unix(int64(seconds), 0).UTC()
				fmt.Fprintf(t.err, "%s: %s (%s)\n", name, at.Format(time.RFC3339), distance(time.Until(at)))
			}
		}
	}
	fmt.Fprintln(t.err, "Nothing was verified.")
	return nil
}

func distance(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Second).String() + " ago"
	}
	return "in " + d.Round(time.Second).String()
}

// profiles are the issuers that -profile names.
func profile(name string) (auth.VerifierConfig, error) {
	switch name {
	case "":
		return auth.VerifierConfig{}, nil
	case "rfc9068":
		return auth.RFC9068(), nil
	case "keycloak":
		return auth.Keycloak(), nil
	case "auth0":
		return auth.Auth0(), nil
	case "entra":
		return auth.Entra(), nil
	case "okta":
		return auth.Okta(), nil
	case "cognito":
		return auth.Cognito(), nil
	case "kubernetes":
		return auth.Kubernetes(), nil
	default:
		return auth.VerifierConfig{}, errors.New("-profile is rfc9068, keycloak, auth0, entra, okta, cognito or kubernetes")
	}
}

func (t terminal) verifyToken(ctx context.Context, cmd *cli.Command) error {
	token, err := t.readToken(cmd)
	if err != nil {
		return err
	}
	cfg, err := profile(cmd.String("profile"))
	if err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	cfg.Logger = quiet
	cfg.DangerouslyUntyped = cfg.DangerouslyUntyped || cmd.Bool("untyped")
	if claim := cmd.String("subject-claim"); claim != "" {
		cfg.SubjectClaim = claim
	}
	keys, issuer, audience := cmd.String("keys"), cmd.String("issuer"), cmd.String("audience")
	if issuer == "" || audience == "" && len(cfg.Audiences) == 0 {
		return usage(cmd, "-issuer and -audience are required")
	}
	var v *auth.Verifier
	if keys == "" {
		v, err = auth.OpenID(ctx, auth.OpenIDConfig{Issuer: issuer, Audience: audience, Profile: cfg, Leeway: cmd.Duration("leeway"), Logger: quiet})
	} else {
		cfg.Issuer, cfg.Leeway = issuer, cmd.Duration("leeway")
		if audience != "" {
			cfg.Audiences = append(cfg.Audiences, audience)
		}
		var done func()
		if cfg.Keys, done, err = t.keySource(keys, auth.Algorithm(cmd.String("alg")), quiet); err != nil {
			return err
		}
		defer done()
		v, err = auth.NewVerifier(cfg)
	}
	if err != nil {
		return err
	}
	good, err := v.Verify(ctx, token, auth.Kind(cmd.String("kind")))
	var refused *auth.TokenError
	switch {
	case errors.As(err, &refused) && refused.Reason != auth.TokenUnverified:
		fmt.Fprintln(t.out, "refused:", clean(strings.TrimPrefix(refused.Error(), "auth: token refused: ")))
		return errFound
	case err != nil:
		return err
	}
	fmt.Fprintf(t.out, "good: subject %s, expires %s\n", clean(good.Subject()), good.Expires().UTC().Format(time.RFC3339))
	return nil
}

// keySource is where the keys of -keys are.
func (t terminal) keySource(from string, alg auth.Algorithm, log *slog.Logger) (auth.KeySource, func(), error) {
	if u, err := url.Parse(from); err == nil && u.Host != "" {
		algs := publicAlgorithms()
		if alg != "" {
			algs = []auth.Algorithm{alg}
		}
		remote, err := auth.NewRemoteKeys(auth.RemoteKeysConfig{URL: from, Algorithms: algs, Logger: log})
		if err != nil {
			return nil, nil, err
		}
		return remote, func() { _ = remote.Close() }, nil // nothing is left to do
	}
	text, err := t.readFile(from)
	if err != nil {
		return nil, nil, err
	}
	if found, _, err := jose.ParseSet(publicAlgorithms(), string(text)); err == nil {
		return keySet(found), func() {}, nil
	}
	key, err := parseKey(text, alg)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", from, err)
	}
	return keySet{key}, func() {}, nil
}

// publicAlgorithms are those with public keys, in the order in which auth.OpenID has them.
func publicAlgorithms() []auth.Algorithm {
	return []auth.Algorithm{auth.RS256, auth.ES256, auth.EdDSA, auth.RS384, auth.RS512, auth.PS256, auth.PS384, auth.PS512, auth.ES384, auth.ES512}
}

// A keySet is an auth.KeySource of keys in memory.
type keySet []*auth.Key

// Key implements [auth.KeySource]. A token without a key id is for the only key.
func (s keySet) Key(_ context.Context, kid string, alg auth.Algorithm) (*auth.Key, error) {
	for _, k := range s {
		if k.Algorithm() == alg && (k.ID() == kid || kid == "" && len(s) == 1) {
			return k, nil
		}
	}
	if len(s) == 1 && s[0].Algorithm() == alg { // a file with one key need not know what its issuer calls it
		return s[0], nil
	}
	return nil, auth.ErrUnknownKey
}
