package server

import (
	"net"
	"syscall"
)

// refuse has the kernel drop the packets that ask for a new connection. Those whose
// handshake is under way come through it and are accepted. A client that is dropped
// asks again after a second, and is refused by then: it has sent nothing, so a proxy
// goes to another server. It returns what reports whether connections wait to be
// accepted, or nil if it could not.
func refuse(ln net.Listener) (waiting func() bool) {
	own, ok := ln.(listener) // a filter would stay on a socket that another process has, too
	if !ok {
		return nil
	}
	tcp, ok := own.Listener.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	const flags, syn, ack = 13, 0x02, 0x10 // the filter of a TCP socket begins at the TCP header
	filter := []syscall.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_B | syscall.BPF_ABS, K: flags},
		{Code: syscall.BPF_ALU | syscall.BPF_AND | syscall.BPF_K, K: syn | ack},
		{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: syn, Jf: 1},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: 0},
		{Code: syscall.BPF_RET | syscall.BPF_K, K: 1 << 18}, // more than a packet has
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = syscall.AttachLsf(int(fd), filter) //nolint:staticcheck // what stands for it would be a dependency
	})
	if err != nil || failed != nil {
		return nil
	}
	return func() (some bool) {
		_ = raw.Control(func(fd uintptr) { some = queued(int(fd)) })
		return some
	}
}

// queued reads the seventh word of Linux's struct tcp_info, tcpi_unacked: of a
// listener it is how many connections wait. Package syscall has no such struct, and
// asks for any eight words by that of another option.
func queued(fd int) bool {
	info, err := syscall.GetsockoptICMPv6Filter(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO)
	return err == nil && info.Data[6] > 0
}
