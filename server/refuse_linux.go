package server

import (
	"net"
	"syscall"
)

// refuse has the kernel drop the packets that ask for a new connection. Those whose
// handshake is under way come through it and are accepted. A client that is dropped
// asks again after a second, and is refused by then: it has sent nothing, so a proxy
// goes to another server. It reports whether it could.
func refuse(ln net.Listener) bool {
	own, ok := ln.(listener) // a filter would stay on a socket that another process has, too
	if !ok {
		return false
	}
	tcp, ok := own.Listener.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	const flags, syn, ack = 13, 0x02, 0x10 // the filter of a TCP socket begins at the TCP header
	filter := []syscall.SockFilter{
		*syscall.LsfStmt(syscall.BPF_LD|syscall.BPF_B|syscall.BPF_ABS, flags),
		*syscall.LsfStmt(syscall.BPF_ALU|syscall.BPF_AND|syscall.BPF_K, syn|ack),
		*syscall.LsfJump(syscall.BPF_JMP|syscall.BPF_JEQ|syscall.BPF_K, syn, 0, 1),
		*syscall.LsfStmt(syscall.BPF_RET|syscall.BPF_K, 0),
		*syscall.LsfStmt(syscall.BPF_RET|syscall.BPF_K, 1<<18), // more than a packet has
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = syscall.AttachLsf(int(fd), filter) })
	return err == nil && failed == nil
}
