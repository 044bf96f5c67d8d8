package gateway

import (
	"context"
	"log/slog"

	"github.com/ecolaura/rampart/gateway/internal/conf"
)

// Current returns the configuration in use.
func (g *Gateway) Current() *conf.File { return g.engine.File() }

// Look looks once at the file, as Serve does twice a second.
func (g *Gateway) Look(ctx context.Context) { g.reloads.look(ctx) }

// Follow is what Serve does with the file.
func (g *Gateway) Follow(ctx context.Context) { g.reloads.follow(ctx) }

// NewCertificates makes the certificates of a Gateway.
func NewCertificates(log *slog.Logger) (*certificates, error) { return newCertificates(log) }

// Dir is where the files are.
func (c *certificates) Dir() string { return c.dir }

// Close is what Gateway.Close does with them.
func (c *certificates) Close() error { return c.close() }
