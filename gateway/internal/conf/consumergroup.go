package conf

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// A ConsumerGroup is a name for consumers that share plugins.
type ConsumerGroup struct {
	base `k:",inline"`
	Name string `k:"name"`
}

func (g *ConsumerGroup) natural() string      { return g.Name }
func (*ConsumerGroup) refs() []reference      { return nil }
func (g *ConsumerGroup) uniques() []uniqueKey { return []uniqueKey{key("name", "", g.Name)} }

func (g *ConsumerGroup) check(*File) Mistakes {
	c := Checks{m: g.at()}
	c.Want(g.Name != "" && Printable(g.Name), "name", "printable ASCII is wanted")
	return c.ms
}

// A Membership puts a Consumer into a ConsumerGroup. Of several groups with the
// same plugin, the first membership counts.
type Membership struct {
	base     `k:",inline"`
	Consumer Ref `k:"consumer"`
	Group    Ref `k:"consumer_group"`
}

func (*Membership) natural() string { return "" }

func (m *Membership) refs() []reference {
	return []reference{
		{field: "consumer", kind: "consumers", ref: &m.Consumer, must: true, owns: true},
		{field: "consumer_group", kind: "consumer_groups", ref: &m.Group, must: true, owns: true},
	}
}

func (m *Membership) uniques() []uniqueKey {
	return []uniqueKey{key("consumer", m.Group, string(m.Consumer))}
}

func (*Membership) check(*File) Mistakes { return nil }

// Member returns the membership of a consumer in a group, nil if there is none.
func (f *File) Member(group, consumer string) *Membership {
	m, _ := f.by("consumer_group_consumers", "consumer", Ref(group), consumer).(*Membership)
	return m
}

// consumerGroupDoc is a group with what is written inside it.
type consumerGroupDoc struct {
	ConsumerGroup `k:",inline"`
	Consumers     []Ref     `k:"consumers"`
	Plugins       []*Plugin `k:"plugins"`
}

// join makes memberships of the lists of groups or consumers that are written
// inside e.
func (f *File) join(e Entity, list string, consumer, group Ref, others []Ref) {
	for i, other := range others {
		m := &Membership{Consumer: consumer, Group: group}
		if group == "" {
			m.Group = other
		} else {
			m.Consumer = other
		}
		m.path, m.line = fmt.Sprintf("%s.%s[%d]", e.at().path, list, i), e.at().line
		f.Memberships = append(f.Memberships, m)
	}
}

// Only returns the text of the one field that a body has. Kong's Go client sends it
// as a list of one.
func Only(body *yaml.Node, name string) (string, error) {
	v := field(body, name)
	if v != nil && v.Kind == yaml.SequenceNode && len(v.Content) == 1 {
		v = v.Content[0]
	}
	if v == nil || v.Kind != yaml.ScalarNode || v.Value == "" || len(body.Content) != 2 {
		return "", Mistakes{{Path: name, Reason: "its name or id is wanted, and nothing else"}}
	}
	return v.Value, nil
}
