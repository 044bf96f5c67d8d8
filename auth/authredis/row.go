package authredis

import (
	"strconv"
	"time"

	"github.com/ecolaura/rampart/auth/session"
	"github.com/ecolaura/rampart/internal/redisx"
)

// The fields of a row, in the order in which the scripts return them. The last
// one is there only if Advance moved it.
const (
	fieldSubject = iota
	fieldBegan
	fieldGeneration
	fieldRotated
	fieldExpires
	fieldEnds
	fieldRevoked
	fieldDevice
	fieldMoved
)

// read takes the reply of a script that returns the row of a session, or nothing.
func read(id string, reply any, err error) (sess session.Session, moved bool, _ error) {
	if err != nil {
		return session.Session{}, false, err
	}
	row, ok := redisx.Strings(reply)
	switch {
	case !ok || len(row) > fieldMoved+1:
		return session.Session{}, false, errReply
	case len(row) == 0:
		return session.Session{}, false, session.ErrNoSession
	case len(row) < fieldMoved:
		return session.Session{}, false, errReply
	}
	var numbers [fieldEnds + 1]int64
	for i := fieldBegan; i <= fieldEnds; i++ {
		if numbers[i], err = strconv.ParseInt(row[i], 10, 64); err != nil {
			return session.Session{}, false, errReply
		}
	}
	at := func(field int) time.Time { return time.UnixMicro(numbers[field]).UTC() }
	return session.Session{
		ID:              id,
		Subject:         row[fieldSubject],
		AuthenticatedAt: at(fieldBegan),
		Generation:      numbers[fieldGeneration],
		RotatedAt:       at(fieldRotated),
		Expires:         at(fieldExpires),
		Ends:            at(fieldEnds),
		Revoked:         row[fieldRevoked] != "0",
		Device:          row[fieldDevice],
	}, len(row) > fieldMoved, nil
}

// readList takes the reply of listText: the member of each session and its row.
func readList(reply any) ([]session.Session, error) {
	list, ok := reply.([]any)
	if !ok || len(list)%2 != 0 {
		return nil, errReply
	}
	var live []session.Session
	for i := 0; i < len(list); i += 2 {
		member, _ := redisx.Text(list[i])
		if len(member) < hashLen {
			return nil, errReply
		}
		sess, _, err := read(member[hashLen:], list[i+1], nil)
		if err != nil {
			return nil, errReply
		}
		live = append(live, sess)
	}
	return live, nil
}

// readTime takes the reply of TIME: seconds, and microseconds within one.
func readTime(reply any) (time.Time, error) {
	parts, ok := redisx.Strings(reply)
	if !ok || len(parts) != 2 {
		return time.Time{}, errReply
	}
	seconds, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return time.Time{}, errReply
	}
	micros, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return time.Time{}, errReply
	}
	return time.Unix(seconds, micros*int64(time.Microsecond)).UTC(), nil
}
