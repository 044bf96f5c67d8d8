package conf

import (
	"reflect"
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
		c.Want(false, "name", "there is no plugin %q; known are %s", p.Name, strings.Join(f.known.Names(), ", "))
		return c.ms
	}
	if reflect.TypeOf(p.Config) != reflect.TypeOf(f.known.config(p.Name)) { // it would run as the old one, in the new one's place
		c.Want(false, "name", "a plugin does not become another: remove it and make a new one")
		return c.ms
	}
	c.Want(p.InstanceName == "" || name(p.InstanceName), "instance_name", "letters, digits and -._~ are wanted")
	c.Each("protocols", p.Protocols, func(s string) bool {
		return slices.Contains([]string{"http", "https", "grpc", "grpcs", "ws", "wss"}, s)
	}, "http or https")
	c.Want(len(p.Protocols) > 0, "protocols", "missing")
	if p.Consumer != "" {
		c.Want(f.known.Named(p.Name).PerConsumer, "consumer", "%s cannot be for a consumer: it runs before one is known, or for all", p.Name)
	}
	for _, o := range f.Plugins {
		if o == p {
			break
		}
		c.Want(o.Name != p.Name || o.Service != p.Service || o.Route != p.Route || o.Consumer != p.Consumer, "name",
			"a second %s for the same requests", p.Name)
	}
	if cfg, ok := p.Config.(interface{ Check(c *Checks, f *File) }); ok {
		cfg.Check(&c, f)
	}
	return c.ms
}
