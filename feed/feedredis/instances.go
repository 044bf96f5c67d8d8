package feedredis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ecolaura/rampart"
	"github.com/ecolaura/rampart/internal/instance"
	"github.com/ecolaura/rampart/internal/redisx"
)

// reportText has the hash of the instances, from an ID to "expires seen started seq
// version". It is of one key, so that a cluster runs it. Times are microseconds since
// 1970, which a Lua number holds exactly until the year 2255; a sequence number does
// not fit into one and stays text. ARGV: ID, for how long, "started seq version".
// The hash goes with its last instance.
const reportText = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local expires = now + tonumber(ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f ', expires, now) .. ARGV[3])
local rows, live, last = redis.call('HGETALL', KEYS[1]), {}, now
for i = 1, #rows, 2 do
	local till = tonumber(string.match(rows[i + 1], '^%d+'))
	if till and till > now then
		live[#live + 1] = rows[i]
		live[#live + 1] = rows[i + 1]
		last = math.max(last, till)
	else
		redis.call('HDEL', KEYS[1], rows[i])
	end
end
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.ceil(last / 1000)))
return live
`

// Report implements [feed.Source].
func (s *source) Report(ctx context.Context, in rampart.Instance, keep time.Duration) ([]rampart.Instance, error) {
	row := strings.Join([]string{strconv.FormatInt(in.Started.UnixMicro(), 10), strconv.FormatInt(in.Seq, 10), in.Version}, " ")
	reply, err := s.reports.Run(ctx, s.report, 1, s.key+":instances", in.ID, strconv.FormatInt(keep.Microseconds(), 10), row)
	if err != nil {
		return nil, fmt.Errorf("feedredis: report: %w", err)
	}
	words, ok := redisx.Strings(reply)
	if !ok || len(words)%2 != 0 {
		return nil, errReply
	}
	var all []rampart.Instance
	for i := 0; i < len(words); i += 2 {
		if in, ok := parseInstance(words[i], words[i+1]); ok {
			all = append(all, in)
		}
	}
	return instance.Newest(all), nil
}

// parseInstance reads a row of the hash. What somebody else has put there hides no
// instance.
func parseInstance(id, row string) (in rampart.Instance, ok bool) {
	const expires, seen, started, seq, version = 0, 1, 2, 3, 4
	fields := strings.SplitN(row, " ", version+1)
	if len(fields) <= version {
		return rampart.Instance{}, false
	}
	var numbers [version]int64
	for i := range numbers {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return rampart.Instance{}, false
		}
		numbers[i] = n
	}
	at := func(field int) time.Time { return time.UnixMicro(numbers[field]).UTC() }
	return rampart.Instance{ID: id, Version: fields[version], Started: at(started), Seen: at(seen), Seq: numbers[seq]}, true
}
