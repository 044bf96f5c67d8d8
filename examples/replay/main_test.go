package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// later is a server that answers otherwise than the recording here and there.
func later(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"access":"fresh"}`)
	})
	mux.HandleFunc("GET /me/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Vary", "Origin")
		if r.Header.Get("Authorization") != "Bearer fresh" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprint(w, `{"id":9,"name":"Ann","tags":["a","b"]}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

const token = `{"id":"1","method":"POST","path":"/token/","headers":{},"body":"{}","captures":{"access":"a"},"answer":{"status":200,"headers":{"Content-Type":"text/plain; charset=utf-8"},"body":"{\"access\":\"old\"}"}}`

func TestAnswersAreCompared(t *testing.T) {
	me := func(answer string) string {
		return `{"id":"2","method":"GET","path":"/me/","headers":{"Authorization":"Bearer {{a}}"},"answer":{"status":200,"headers":{"Content-Type":"application/json","Vary":"Origin"},"body":` + answer + `}}`
	}
	equal := me(`"{\"id\":7,\"name\":\"Ann\",\"tags\":[\"a\",\"b\"]}"`)
	for desc, c := range map[string]struct {
		lines, args []string
		status      int
		want        []string
	}{
		"a row's number may be another": {
			[]string{equal},
			[]string{"-value", "a=fresh"},
			0,
			[]string{"1 equal, 0 differ, 0 not compared\n"},
		},
		"what an answer gives goes into later requests": {
			[]string{token, equal},
			[]string{"-ignore", "access"},
			0,
			[]string{"2 equal, 0 differ, 0 not compared\n"},
		},
		"a value of another type": {
			[]string{me(`"{\"id\":7,\"name\":1,\"tags\":[\"a\",\"b\"]}"`)},
			[]string{"-value", "a=fresh"},
			1,
			[]string{"2 GET /me/\n\tname: 1 -> \"Ann\"\n", "0 equal, 1 differ, 0 not compared\n"},
		},
		"a member that is gone, and one more": {
			[]string{me(`"{\"id\":7,\"name\":\"Ann\",\"tags\":[\"a\"],\"old\":true}"`)},
			[]string{"-value", "a=fresh"},
			1,
			[]string{"\told: true -> \n", "\ttags[1]:  -> \"b\"\n"},
		},
		"what may differ": {
			[]string{strings.Replace(equal, `"Vary":"Origin"`, `"Vary":"Accept, Origin"`, 1)},
			[]string{"-value", "a=fresh", "-ignore", "header V*"},
			0,
			[]string{"1 equal"},
		},
		"another status": {
			[]string{equal},
			[]string{"-value", "a=stale"},
			1,
			[]string{"\tstatus: 200 -> 401\n"},
		},
		"no value for a placeholder": {
			[]string{equal},
			nil,
			1,
			[]string{"2 GET /me/: not compared: no value for {{a}}\n", "0 equal, 0 differ, 1 not compared\n"},
		},
		"no recording": {[]string{"x"}, nil, 2, []string{"line 1"}},
	} {
		t.Run(desc, func(t *testing.T) {
			var out, errs bytes.Buffer
			status := run(t.Context(), append([]string{"-to", later(t)}, c.args...), strings.NewReader(strings.Join(c.lines, "\n")), &out, &errs)
			assert.Equal(t, c.status, status, out.String()+errs.String())
			for _, want := range c.want {
				assert.Contains(t, out.String()+errs.String(), want)
			}
		})
	}
}

func TestASilentServerIsNotEqual(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	var out bytes.Buffer
	assert.Equal(t, 1, run(t.Context(), []string{"-to", s.URL, "-ignore", "*"}, strings.NewReader(token), &out, &out))
	assert.Contains(t, out.String(), "0 equal, 0 differ, 1 not compared")
}

func TestOnlyWebServersAreAsked(t *testing.T) {
	var out bytes.Buffer
	assert.Equal(t, 1, run(t.Context(), []string{"-to", "ftp://127.0.0.1"}, strings.NewReader(token), &out, &out))
	assert.Contains(t, out.String(), "neither http nor https")
}

func TestWrongFlagsAreTold(t *testing.T) {
	for _, args := range [][]string{nil, {"-to", "http://x", "more"}, {"-to", "http://x", "-value", "a"}, {"-to", "http://x", "-ignore", "["}, {"-nope"}} {
		var out bytes.Buffer
		assert.Equal(t, 2, run(t.Context(), args, strings.NewReader(""), &out, &out), args)
		assert.NotEmpty(t, out.String(), args)
	}
}
