package conf

import (
	"slices"
	"strings"
)

// A PluginType is a plugin that a document may use.
type PluginType struct {
	Name string

	// New returns a configuration with the plugin's defaults: a pointer to a
	// struct whose fields have the tag k. If it has a method Check(*Checks,
	// *File), that looks for mistakes.
	New func() any

	// PerConsumer: it may be for one consumer, since it runs once one is known.
	PerConsumer bool

	// Counts: its layer holds counts, or what waits to be sent, so it outlives a
	// reload that does not change it.
	Counts bool

	// Alone: its layer is made of its configuration alone, so that it outlives a
	// change of consumers and credentials, as one that counts does in any case.
	Alone bool
}

// Plugins are the plugins that documents may use, in the order in which they run.
type Plugins []PluginType

// Empty returns a File in which nothing is written yet.
func (ps Plugins) Empty() *File { return &File{known: ps} }

// Names lists the plugins' names.
func (ps Plugins) Names() []string {
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = p.Name
	}
	return names
}

// Named returns the plugin of that name; the zero PluginType if there is none.
func (ps Plugins) Named(name string) PluginType {
	if i := slices.IndexFunc(ps, func(p PluginType) bool { return p.Name == name }); i >= 0 {
		return ps[i]
	}
	return PluginType{}
}

// config returns the configuration of a plugin with its defaults; nil if there
// is no plugin of that name.
func (ps Plugins) config(name string) any {
	if p := ps.Named(name); p.New != nil {
		return p.New()
	}
	return nil
}

func (p *Plugin) check(f *File) Mistakes {
	c := Checks{m: p.at()}
	if p.Config == nil {
		c.Want(false, "name", "there is no plugin %q here: leave it out, with what needs it; known are %s", p.Name, strings.Join(f.known.Names(), ", "))
		return c.ms
	}
	c.Want(p.InstanceName == "" || name(p.InstanceName), "instance_name", "letters, digits and -._~ are wanted")
	c.Each("protocols", p.Protocols, func(s string) bool {
		return slices.Contains([]string{"http", "https", "grpc", "grpcs", "ws", "wss", "tcp", "tls", "tls_passthrough", "udp"}, s)
	}, "a protocol of Kong's")
	c.Want(slices.Contains(p.Protocols, "http") || slices.Contains(p.Protocols, "https"), "protocols", "at least one of http and https is wanted")
	if p.Consumer != "" {
		c.Want(f.known.Named(p.Name).PerConsumer, "consumer", "%s cannot be for a consumer: it runs before one is known, or for all", p.Name)
	}
	if cfg, ok := p.Config.(interface{ Check(c *Checks, f *File) }); ok {
		cfg.Check(&c, f)
	}
	return c.ms
}
