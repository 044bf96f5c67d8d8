package headers

import (
	"maps"
	"reflect"
	"slices"
)

// clone returns a deep copy.
func (c *Config) clone() Config {
	d := *c
	d.AllowedHosts = slices.Clone(c.AllowedHosts)
	d.ProbePaths = slices.Clone(c.ProbePaths)
	d.Proxies, _ = c.Proxies.Checked() // the mistakes are compile's
	d.CSP = c.CSP.clone()
	d.CSPReportOnly = c.CSPReportOnly.clone()
	d.Permissions = maps.Clone(c.Permissions)
	for feature, list := range d.Permissions {
		d.Permissions[feature] = slices.Clone(list)
	}
	d.ReportingEndpoints = maps.Clone(c.ReportingEndpoints)
	d.Extra = maps.Clone(c.Extra)
	d.Remove = slices.Clone(c.Remove)
	d.Cookies = c.Cookies.clone()
	d.CredentialHeaders = slices.Clone(c.CredentialHeaders)
	return d
}

func (c *CSP) clone() *CSP {
	if c == nil {
		return nil
	}
	d := *c
	v := reflect.ValueOf(&d).Elem()
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		switch list := v.Field(i).Addr().Interface().(type) {
		case *[]Source:
			*list = slices.Clone(*list)
		case *[]string:
			*list = slices.Clone(*list)
		}
	}
	return &d
}

func (c Cookies) clone() Cookies {
	c.ScriptReadable = slices.Clone(c.ScriptReadable)
	c.SameSite = maps.Clone(c.SameSite)
	c.Prefix = maps.Clone(c.Prefix)
	return c
}
