package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// cancelTime is how long a statement whose context has ended may go on, until its connection is given up.
const cancelTime = 3 * time.Second

// canceller asks the server to end a statement whose context has ended. Unlike pgx's own it lets the request come to its
// end also when the statement does before: pgbouncer 1.18 and 1.19 crash when the one who asks hangs up.
type canceller struct {
	conn *pgconn.PgConn
	done chan struct{}
}

// HandleCancel implements ctxwatch.Handler.
func (c *canceller) HandleCancel(context.Context) {
	_ = c.conn.Conn().SetDeadline(time.Now().Add(cancelTime)) // fails on a closed connection only
	done := make(chan struct{})
	c.done = done
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), cancelTime)
		defer cancel()
		_ = c.conn.CancelRequest(ctx) // else the deadline ends it
	}()
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler.
func (c *canceller) HandleUnwatchAfterCancel() {
	<-c.done
	_ = c.conn.Conn().SetDeadline(time.Time{}) // see there
}
