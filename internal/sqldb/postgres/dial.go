package postgres

import (
	"net"
	"syscall"
	"time"
)

// When the network or the other machine falls silent, the operating system finds out: by probes where nothing is under
// way, and where something is, by the confirmation that does not come. Left alone it waits two hours for the one and a
// quarter of an hour for the other.
const (
	probeAfter  = 10 * time.Second
	probeEvery  = 5 * time.Second
	probes      = 4
	unconfirmed = probeAfter + probes*probeEvery
)

// dialer opens connections that end when the other side is gone for half a minute.
func dialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: probeAfter, Interval: probeEvery, Count: probes},
		Control: func(network, _ string, c syscall.RawConn) (err error) {
			if network == "unix" {
				return nil
			}
			if e := c.Control(func(fd uintptr) { err = limitUnconfirmed(fd, unconfirmed) }); e != nil {
				return e
			}
			return err
		},
	}
}
