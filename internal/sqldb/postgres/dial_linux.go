package postgres

import (
	"time"

	"golang.org/x/sys/unix"
)

// limitUnconfirmed ends the connection when what was sent is not confirmed for so long.
func limitUnconfirmed(fd uintptr, d time.Duration) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}
