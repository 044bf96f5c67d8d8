package instance_test

import (
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/instance"
)

func TestNewestListsTheOldestFirst(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	got := instance.Newest([]rampart.Instance{
		{ID: "b", Started: at(2), Seen: at(9)},
		{ID: "c", Started: at(1), Seen: at(7)},
		{ID: "a", Started: at(2), Seen: at(8)},
	})
	assert.Equal(t, "c a b", ids(got))
	assert.Empty(t, instance.Newest(nil))
}

func TestNewestDropsThoseSeenLongestAgo(t *testing.T) {
	var all []rampart.Instance
	for i := range int64(instance.Max + 2) {
		all = append(all, rampart.Instance{ID: fmt.Sprint(i), Started: time.Unix(i, 0), Seen: time.Unix(-i, 0)})
	}
	got := instance.Newest(all)
	require.Len(t, got, instance.Max)
	assert.Equal(t, "0", got[0].ID)
	assert.Equal(t, fmt.Sprint(instance.Max-1), got[instance.Max-1].ID)
}

func ids(all []rampart.Instance) string {
	var s []string
	for _, in := range all {
		s = append(s, in.ID)
	}
	return strings.Join(s, " ")
}

func TestVersion(t *testing.T) {
	const revision = "0123456789abcdef0123456789abcdef01234567"
	for desc, tt := range map[string]struct{ main, revision, want string }{
		"a release":                        {"v1.2.3", revision, "v1.2.3"},
		"no release, but a revision":       {"(devel)", revision, "0123456789ab"},
		"nothing but a revision":           {"", revision, "0123456789ab"},
		"a revision of another system":     {"(devel)", "77", "77"},
		"neither":                          {"(devel)", "", "(devel)"},
		"nothing at all":                   {"", "", ""},
		"a version longer than it may be":  {"v" + strings.Repeat("1", 99), "", "v" + strings.Repeat("1", 63)},
		"a version as long as it may be":   {"v" + strings.Repeat("1", 63), "", "v" + strings.Repeat("1", 63)},
		"a pseudo-version with a revision": {"v0.0.0-20260101000000-0123456789ab+dirty", revision, "v0.0.0-20260101000000-0123456789ab+dirty"},
	} {
		t.Run(desc, func(t *testing.T) {
			info := &debug.BuildInfo{Main: debug.Module{Version: tt.main}, Settings: []debug.BuildSetting{{Key: "vcs", Value: "git"}}}
			if tt.revision != "" {
				info.Settings = append(info.Settings, debug.BuildSetting{Key: "vcs.revision", Value: tt.revision})
			}
			assert.Equal(t, tt.want, instance.Version(info))
		})
	}
}

func TestIsVersion(t *testing.T) {
	for v, want := range map[string]bool{
		"":                       true,
		"v1.2.3 (blue), Ä":       true,
		strings.Repeat("v", 64):  true,
		strings.Repeat("v", 65):  false,
		"v1\n":                   false,
		"v1\x00":                 false,
		"v1\xff":                 false,
		"v1\u2028 another line?": false,
	} {
		assert.Equal(t, want, instance.IsVersion(v), "%q", v)
	}
}
