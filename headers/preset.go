package headers

// API returns [PresetAPI] spelled out, to edit.
func API(hosts ...string) Config { return spelledOut(PresetAPI, hosts) }

// Web returns [PresetWeb] spelled out, to edit.
func Web(hosts ...string) Config { return spelledOut(PresetWeb, hosts) }

func spelledOut(preset Preset, hosts []string) Config {
	cfg := Config{AllowedHosts: hosts, Preset: preset}
	cfg.fillIn()
	return cfg
}

// fillIn puts the preset's values where the Config has none.
func (c *Config) fillIn() {
	p := Config{
		FrameOptions:   "DENY",
		ReferrerPolicy: "no-referrer",
		OpenerPolicy:   Off, // an API has no windows
		EmbedderPolicy: Off, // would block every embedded resource that does not opt in
		ResourcePolicy: "same-origin",
		CacheControl:   "no-store",
		CSP: &CSP{
			Default: []Source{None}, FrameAncestors: []Source{None}, BaseURI: []Source{None}, FormAction: []Source{None},
		},
	}
	if c.Preset == PresetWeb {
		p.FrameOptions, p.ReferrerPolicy, p.OpenerPolicy, p.CacheControl = "SAMEORIGIN", "same-origin", "same-origin", Off
		p.CSP = &CSP{
			// Build tools make data: URLs of small images; an image runs nothing.
			Default: []Source{Self}, Img: []Source{Self, Data}, BaseURI: []Source{Self}, FormAction: []Source{Self}, FrameAncestors: []Source{Self},
			Object: []Source{None}, ScriptAttr: []Source{None},
		}
	}
	for _, f := range []struct{ field, preset *string }{
		{&c.FrameOptions, &p.FrameOptions},
		{&c.ReferrerPolicy, &p.ReferrerPolicy},
		{&c.OpenerPolicy, &p.OpenerPolicy},
		{&c.EmbedderPolicy, &p.EmbedderPolicy},
		{&c.ResourcePolicy, &p.ResourcePolicy},
		{&c.CacheControl, &p.CacheControl},
	} {
		if *f.field == "" {
			*f.field = *f.preset
		}
	}
	if c.Preset == 0 {
		c.Preset = PresetAPI
	}
	if c.CSP == nil {
		c.CSP = p.CSP
	}
	if c.Permissions == nil {
		c.Permissions = presetPermissions()
	}
	if c.Remove == nil {
		c.Remove = []string{"Server", "X-Powered-By", "X-AspNet-Version"}
	}
}

// presetPermissions switches off what reaches sensors, devices, payment and
// ad topics: features that every current Chromium knows, so that no console
// fills with warnings.
func presetPermissions() Permissions {
	p := make(Permissions)
	for _, feature := range []string{
		"accelerometer", "browsing-topics", "camera", "display-capture", "geolocation", "gyroscope", "hid", "idle-detection",
		"magnetometer", "microphone", "midi", "payment", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
	} {
		p[feature] = []string{}
	}
	return p
}
