package headers

import (
	"maps"
	"reflect"
	"slices"
)

// clone returns a deep copy.
func (c Config) clone() Config {
	c.AllowedHosts = slices.Clone(c.AllowedHosts)
	c.ProbePaths = slices.Clone(c.ProbePaths)
	c.TrustedProxies = slices.Clone(c.TrustedProxies)
	c.CSP = c.CSP.clone()
	c.CSPReportOnly = c.CSPReportOnly.clone()
	c.Permissions = maps.Clone(c.Permissions)
	for feature, list := range c.Permissions {
		c.Permissions[feature] = slices.Clone(list)
	}
	c.ReportingEndpoints = maps.Clone(c.ReportingEndpoints)
	c.Extra = maps.Clone(c.Extra)
	c.Remove = slices.Clone(c.Remove)
	c.Cookies = c.Cookies.clone()
	c.CredentialHeaders = slices.Clone(c.CredentialHeaders)
	return c
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
